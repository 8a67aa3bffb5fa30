"""Strangers' models: what they cannot read is named before anything is scored, and what does not load is one line."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

from babylm import evaluate
from babylm.evaluation.results.task_result import Item
from babylm.evaluation.scoring import limits, model_size, weight_files
from babylm.evaluation.scoring.item_limits import check_items
from babylm.evaluation.scoring.load_model import load_scorer
from babylm.evaluation.scoring.log_probs import LogProbModel
from babylm.evaluation.scoring.scorer import Scorer

SMALL = {"n_embd": 16, "n_layer": 1, "n_head": 2}
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory, tokenizer):
    """A GPT-2 with 16 positions."""
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_positions=16, **SMALL)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def model(gpt2, tmp_path):
    """A copy of one's own."""
    return shutil.copytree(gpt2, tmp_path / "gpt2")


@pytest.fixture
def pairs(tmp_path):
    """Three tasks: the second has a pair that is too long, as its second item."""
    short, long = ("The cat sees.", "The cat see."), tuple(f"The cat {'sees the dogs ' * 9}{end}." for end in "ab")
    for name, own in (("first", [short]), ("second", [short, long]), ("third", [short])):
        (tmp_path / name).mkdir()
        lines = [json.dumps({"sentence_good": good, "sentence_bad": bad}) for good, bad in own]
        (tmp_path / name / "x.jsonl").write_text("\n".join(lines))
    return ",".join(str(tmp_path / name) for name in ("first", "second", "third"))


def score(model, tasks, *more):
    return evaluate._command([str(model), f"tasks={tasks}", *more])


def test_one_long_item_ends_its_task_alone_and_is_named(model, pairs, capsys):
    second = pairs.split(",")[1]
    assert score(model, pairs) == 2
    out, err = capsys.readouterr()
    told = f"{second}: item 2 of x ('The cat sees the dogs sees the dogs"
    assert f"warning: {second} is left out: {told}" in out
    assert "tokens, and GPT2LMHeadModel has 16 positions (2 of 4 texts are too long); shorten or remove it" in err
    assert err.startswith(f"error: not scored: {second}: {told}")
    names = {json.loads(file.read_text())["task"] for file in (model / "evaluation/gpt2").glob("*.json")}
    assert names == {pairs.split(",")[0], pairs.split(",")[2]}
    assert score(model, second) == 2, "alone: refused"
    assert told in capsys.readouterr().err


def test_a_long_item_of_a_suite_is_left_out(model, data, tmp_path, capsys):
    """Nobody asked for that task by name: a warning, as for data that is missing."""
    own = shutil.copytree(data, tmp_path / "data")
    file = own / "fast_eval/blimp_fast/agreement_1.jsonl"
    long = {"sentence_good": "the " * 40, "sentence_bad": "the dogs " * 40}
    file.write_text(file.read_text() + json.dumps(long) + "\n")
    assert evaluate._command([str(model), "suite=fast", f"data={own}", "rules=2025"]) == 0
    shown = capsys.readouterr().out
    assert "warning: blimp is left out: blimp: item " in shown
    assert "warning: reading is left out: the text " in shown, "told when it begins"
    assert "gpt2 wug_past: " in shown


def test_scoring_itself_refuses_too(gpt2):
    """Whatever asks: what a text of the middle of a batch would do on a GPU ends the process."""
    scorer = load_scorer(gpt2, "causal")
    long = "The cat " + "sees the dogs " * 9
    for ask in (lambda: scorer.surprisals([long]), lambda: scorer.sequence_log_probs([(long, "dogs ")])):
        with pytest.raises(limits.BeyondModel, match=r"the text .*The cat sees the dogs.* 16 positions"):
            ask()
    # The last token of a causal model is not read: one more than the positions is scored.
    exact = next(text for n in range(40) if len(scorer.tokenizer(text := "a" + "a" * n)["input_ids"]) == 17)
    assert np.isfinite(scorer.surprisals([exact])[0].nats[-1])


@pytest.mark.parametrize(
    ("build", "config", "positions"),
    [
        (RobertaForMaskedLM, RobertaConfig(vocab_size=9, max_position_embeddings=20, pad_token_id=1, **SHAPE), 18),
        (GPT2LMHeadModel, GPT2Config(vocab_size=9, n_positions=20, **SMALL), 20),
        (
            OPTForCausalLM,
            OPTConfig(vocab_size=9, max_position_embeddings=20, hidden_size=16, ffn_dim=16, num_hidden_layers=1,
                      num_attention_heads=2, word_embed_proj_dim=16),
            20,
        ),
        (LlamaForCausalLM, LlamaConfig(vocab_size=9, max_position_embeddings=20, **SHAPE), None),
    ],
)  # fmt: skip
def test_the_positions_that_a_class_really_has(build, config, positions, caplog):
    """Tried against the model: the last position works, the next one does not. Rotary models read on, and are told."""
    network = LogProbModel(build(config).eval())
    assert model_size.table_positions(network.model) == positions
    for length in (15, 18, 19, 20, 21, 30):
        reads = limits._reads(network, length)
        assert reads == (positions is None or length <= positions), length
        assert limits.readable(network, length) == (None if reads else positions)
    assert ("states 20 positions, and the longest text has 21 tokens: read nonetheless" in caplog.text) == (
        positions is None
    )


def test_far_more_than_the_stated_length_is_refused_untried(monkeypatch):
    network = LogProbModel(LlamaForCausalLM(LlamaConfig(vocab_size=9, max_position_embeddings=20, **SHAPE)).eval())
    monkeypatch.setattr(limits, "_reads", lambda network, length: pytest.fail("tried"))
    assert limits.readable(network, limits.MOST_BEYOND * 20 + 1) == 20


def test_our_own_models_have_no_table(causal_model):
    assert model_size.table_positions(causal_model) is None


def test_a_tokenizer_larger_than_the_embedding(tmp_path, tokenizer, pairs, capsys):
    first = pairs.split(",")[0]
    folder = tmp_path / "small"
    GPT2LMHeadModel(GPT2Config(vocab_size=100, n_positions=64, **SMALL)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert score(folder, first) == 2
    err = capsys.readouterr().err
    assert f"{first}: item 1 of x ('The cat sees.') has the token " in err
    assert "and the embedding of GPT2LMHeadModel has 100 entries: this is not the tokenizer" in err


def test_tokens_that_no_text_has_do_no_harm(tmp_path, gpt2, pairs):
    """People add special tokens that the model never sees: a mask, or a pad beyond the embedding."""
    folder = shutil.copytree(gpt2, tmp_path / "more")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_special_tokens({"mask_token": "<new mask>", "pad_token": "<new pad>"})
    tokenizer.save_pretrained(folder)
    items = [("The cat sees.", "The cat sees."), ("The dogs see the cat.", "The dogs see the cat.")]
    more, plain = (load_scorer(path, "causal").sequence_log_probs(items).log_probability for path in (folder, gpt2))
    np.testing.assert_allclose(more, plain, atol=1e-5)
    with pytest.raises(ValueError, match=r"the mask token '<new mask>' has the id \d+, and the embedding has"):
        Scorer(GPT2LMHeadModel.from_pretrained(folder), tokenizer, "mntp")


def test_an_item_of_which_nothing_is_scored(tmp_path, gpt2):
    """One token without BOS before it would have the probability 1, and win."""
    folder = shutil.copytree(gpt2, tmp_path / "bare")
    described = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(described | {"post_processor": None}))
    scorer = load_scorer(folder, "causal")
    item = Item("u", ("a", "a cat"), ("a", "a cat"))
    with pytest.raises(limits.BeyondModel, match=r"task: item 1 of u \('a'\): none of its 1 tokens is scored"):
        check_items(scorer, [item], "task")
    check_items(load_scorer(gpt2, "causal"), [item], "task")


def test_shards_are_read_and_checked(tmp_path, gpt2, pairs, capsys):
    first = pairs.split(",")[0]
    model = GPT2LMHeadModel.from_pretrained(gpt2)
    folder = shutil.copytree(gpt2, tmp_path / "sharded")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="8KB")
    assert (folder / "model.safetensors.index.json").is_file()
    items = [("The cat sees.", "The cat sees.")]
    sharded, whole = (load_scorer(path, "causal").sequence_log_probs(items).log_probability for path in (folder, gpt2))
    assert sharded == whole
    before = weight_files.sha256(folder)
    assert score(folder, first) == 0
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    kept = shard.read_bytes()
    for damage, message in (
        (lambda: shard.write_bytes(kept[:-5]), f"{shard}: {len(kept) - 5:,} bytes, and its header says {len(kept):,}"),
        (lambda: shard.write_bytes(b""), f"{shard}: its header is damaged (0 bytes)"),
        (shard.unlink, f"lacks 1 of {len(list(folder.glob('model-*')))} shards: {shard.name}"),
    ):
        damage()
        capsys.readouterr()
        assert score(folder, first) == 2
        assert message in capsys.readouterr().err
    shard.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert weight_files.sha256(folder) != before, "a shard is part of what a result is of"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "has no weights that torch reads (model.safetensors"),
        (
            lambda f: (f / "model.safetensors").rename(f / "tf_model.h5"),
            "it holds weights for TensorFlow alone (tf_model.h5)",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 99), "model.safetensors: its header is damaged"),
        (
            lambda f: (f / "model.safetensors").rename(f / "model.safetensors.index.json").write_text("{"),
            "model.safetensors.index.json: not valid JSON",
        ),
        (lambda f: (f / "config.json").write_text("{"), "config.json: not valid JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json: holds a list, not an object"),
        (lambda f: (f / "config.json").write_text("{}"), "its config.json has no model_type"),
        (lambda f: edit(f, model_type="gpt99"), "model type `gpt99`"),
        (lambda f: edit(f, n_layer=2), "its weights lack transformer.h.1"),
        (lambda f: edit(f, n_embd=32), "have other shapes than its config.json says"),
        (lambda f: edit(f, architectures=["BertForMaskedLM"]), "a model of type gpt2 cannot be scored with masks"),
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json: scoring needs the model's fast tokenizer"),
        (lambda f: (f / "tokenizer.json").write_text("{"), "tokenizer.json: not valid JSON"),
        (lambda f: (f / "tokenizer.json").write_text('{"a": 1}'), "tokenizer.json: no fast tokenizer"),
        (
            lambda f: edit(f, "tokenizer_config.json", auto_map={"AutoTokenizer": ["t.T", None]}),
            "this tokenizer brings code of its own; trust=true runs it",
        ),
    ],
)  # fmt: skip
def test_folders_that_cannot_be_scored_are_one_line(model, pairs, capsys, change, message):
    change(model)
    assert score(model, pairs.split(",")[0]) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert str(model) in line
    assert message in line
    assert not list((model / "evaluation").rglob("*.json"))


def edit(folder, name="config.json", **fields):
    file = folder / name
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_an_encoder_decoder_is_refused_by_its_name(tmp_path, tokenizer, pairs, capsys):
    config = T5Config(vocab_size=99, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    tokenizer.save_pretrained(tmp_path / "t5")
    for backend in ("auto", "causal", "mlm"):
        assert score(tmp_path / "t5", pairs.split(",")[0], f"backend={backend}") == 2
        assert "T5ForConditionalGeneration is an encoder-decoder model" in capsys.readouterr().err


class Proof:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


@pytest.mark.parametrize("trust", ["false", "true"])
def test_a_pickle_of_a_stranger_is_not_executed(model, tmp_path, pairs, capsys, trust):
    (model / "model.safetensors").unlink()
    torch.save({"transformer.wte.weight": Proof(tmp_path / "executed")}, model / "pytorch_model.bin")
    assert score(model, pairs.split(",")[0], f"trust={trust}") == 2
    assert f"error: {model}" in (err := capsys.readouterr().err) or "pytorch_model.bin" in err
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Proof(tmp_path / "executed")))
    assert score(model, pairs.split(",")[0], f"trust={trust}") == 2
    assert not (tmp_path / "executed").exists()


def test_a_pickle_of_tensors_is_read(model, gpt2):
    torch.save(GPT2LMHeadModel.from_pretrained(gpt2).state_dict(), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    items = [("The cat sees.", "The cat sees.")]
    pickled, safe = (load_scorer(path, "causal").sequence_log_probs(items).log_probability for path in (model, gpt2))
    assert pickled == safe
    file = model / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"pytorch_model.bin: cut or empty"):
        load_scorer(model, "causal")
