"""Folders that are no model as it is, and weights that give no numbers: told in one line with the true cause."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, ViTConfig, ViTModel

from babylm import evaluate, generate, generation
from babylm.evaluation import model_paths
from babylm.evaluation.scoring.load_model import check_folder, load_scorer
from tests.models import variants


@pytest.fixture
def folder(tmp_path, tokenizer):
    """A small GPT-2 with its tokenizer."""
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=32, n_embd=32, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_without_numbers_are_refused_and_not_scored_as_wrong(folder, value):
    weights = load_file(folder / "model.safetensors")
    weights["transformer.wte.weight"][5] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for load in (lambda: load_scorer(folder, "causal"), lambda: generation.load(folder)):
        with pytest.raises(ValueError, match=r"transformer\.wte\.weight hold NaN or infinite numbers"):
            load()


def test_weights_of_another_shape_are_told_in_one_line(folder, capfd):
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**described, "n_embd": 64}))
    with pytest.raises(ValueError, match=r"transformer\.\S+ .*have other shapes than its config.json says"):
        load_scorer(folder, "causal")
    (folder / "config.json").write_text(json.dumps({**described, "n_layer": 2}))
    with pytest.raises(ValueError, match="its weights lack"):
        load_scorer(folder, "causal")
    assert "MISSING" not in capfd.readouterr().err, "the table of transformers"


def test_a_pickle_with_code_is_refused_without_advice_to_run_it(folder):
    class Code:
        def __reduce__(self):
            return os.mkdir, (str(folder / "executed"),)

    (folder / "model.safetensors").unlink()
    torch.save({"weight": Code()}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="hold more than tensors") as raised:
        load_scorer(folder, "causal")
    assert "weights_only" not in str(raised.value)
    assert not (folder / "executed").exists()


def test_a_model_that_predicts_no_tokens_is_named_as_such(folder):
    ViTModel(
        ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    ).save_pretrained(folder)
    with pytest.raises(ValueError, match="a model of type vit predicts no tokens"):
        load_scorer(folder, "auto")


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("adapter_config.json", b"{}", "LoRA adapter.*merge"),
        ("model-q4.gguf", b"GGUF", r"llama\.cpp \(model-q4\.gguf\)"),
        ("tf_model.h5", b"", "TensorFlow"),
    ],
)
@pytest.mark.parametrize("described", [True, False])
def test_other_forms_of_weights_are_named(folder, name, content, cause, described):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(content)
    if described:
        with pytest.raises(ValueError, match=cause):
            check_folder(folder)
        return
    (folder / "config.json").unlink()
    for look in (lambda: model_paths.find(str(folder)), lambda: generate.model_folder(folder)):
        with pytest.raises(ValueError, match=cause):
            look()


def test_a_pointer_of_git_lfs_and_a_file_are_no_folder_of_weights(folder):
    with pytest.raises(ValueError, match=r"is a file: give the model's folder"):
        model_paths.find(str(folder / "model.safetensors"))
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")
    with pytest.raises(ValueError, match="git lfs pull"):
        check_folder(folder)


SPOILT = {
    "a pickle that is none": lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
    "weights that are none": lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 200),
    "architectures of numbers": lambda f: change(f, architectures=[1, None]),
    "a size in words": lambda f: change(f, vocab_size="many"),
    "an attention of the Hub": lambda f: change(f, _attn_implementation="evil/evil"),
    "half a tokenizer": lambda f: (f / "tokenizer.json").write_text('{"model": {"type": "BPE"}}'),
}  # fmt: skip


def change(folder, **values):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "gpt2"])
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_whatever_is_wrong_with_a_folder_is_one_line(tmp_path, tokenizer, capsys, spoil, ours):
    folder = tmp_path / "model"
    if ours:
        model = variants.network(vocab_size=len(tokenizer))
    else:
        model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=8, n_layer=1, n_head=1))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    spoil(folder)
    capsys.readouterr()
    for command, words in ((generate, ["x"]), (evaluate, ["tasks=toy_pairs", "limit=1"])):
        assert command._command([str(folder), *words]) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert str(folder) in lines[0]
