"""Folders, runs and names of the Hub; offline, a Hub model is had from its cache or named in one line."""

import json
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from babylm import evaluate, generate, revisions
from babylm.evaluation import model_paths
from babylm.evaluation.scoring.load_model import load_scorer
from tests.evaluation import fixtures
from tests.submission.test_checks import resealed


@pytest.fixture
def model(tmp_path, causal_model, tokenizer_folder):
    revisions.save(tmp_path / "stored", causal_model, tokenizer_folder, {"words": 5})
    return tmp_path / "stored"


def test_a_run_and_a_model_folder(tmp_path, model):
    assert model_paths.find(str(model)) == ([model], model / "evaluation")
    (tmp_path / "run").mkdir()
    model.rename(tmp_path / "run/main")
    found, results = model_paths.find(str(tmp_path / "run"))
    assert (found, results) == ([tmp_path / "run/main"], tmp_path / "run/evaluation")


@pytest.mark.parametrize("name", ["owner/name", "owner/name@chck_1M", "name"])
def test_offline_a_hub_name_answers_in_one_line(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert evaluate._command([name, "tasks=toy_pairs"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"no folder {name.split('@')[0]}, and no such model was had from the Hugging Face Hub" in line
    assert "give its folder" in line
    assert not list(tmp_path.iterdir())


def test_a_misspelt_folder_is_not_asked_of_the_hub(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setattr(model_paths, "_snapshot", lambda *_: pytest.fail("asked"))
    assert evaluate._command(["checkpoints/smok", "tasks=toy_pairs"]) == 2
    assert "no folder checkpoints/smok" in capsys.readouterr().err


def test_a_hub_model_is_evaluated_like_a_run(tmp_path, model, monkeypatch, capsys):
    """With a Hub of our own: which revisions are asked for, which files, and where results go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    names = [
        "model.safetensors",
        "pytorch_model.bin",
        "config.json",
        "tokenizer.json",
        "modeling_babylm.py",
        "README.md",
    ]
    info = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in [*names, "onnx/model.onnx"]])
    asked = []
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda self, name, **_: info)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **given: asked.append((name, given)) or str(model)
    )
    words = ["owner/na.me@chck_1M", "tasks=toy_pairs", "limit=1"]
    assert evaluate._command(words) == 0
    assert [(name, given["revision"]) for name, given in asked] == [("owner/na.me", "chck_1M")]
    wanted = {"model.safetensors", "config.json", "tokenizer.json", "modeling_babylm.py"}
    assert set(asked[0][1]["allow_patterns"]) == wanted  # neither a pickle beside safetensors nor what nobody reads
    [file] = (tmp_path / "evaluation/owner_na.me/chck_1M").glob("toy_pairs.*.json")
    assert json.loads(file.read_text())["model"] == "chck_1M"

    assert evaluate._command(["owner/na.me", "revisions=chck_1M,main", "tasks=toy_pairs", "limit=1"]) == 0
    assert [given["revision"] for _, given in asked[1:]] == ["chck_1M", "main"]
    assert {path.name for path in (tmp_path / "evaluation/owner_na.me").iterdir()} == {"models", "chck_1M", "main"}
    assert "results are in evaluation/owner_na.me" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (["model.safetensors", "pytorch_model.bin", "tf_model.h5"], ["model.safetensors"]),
        (
            [*(f"model-0000{k}-of-00002.safetensors" for k in (1, 2)), "model.safetensors.index.json", "optimizer.bin"],
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ),
        (
            [*(f"pytorch_model-0000{k}-of-00002.bin" for k in (1, 2)), "pytorch_model.bin.index.json", "scaler.pt"],
            ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"],
        ),
        (["pytorch_model.bin", "training_args.bin", "adapter_model.safetensors"], ["pytorch_model.bin"]),
        (["model.fp16.safetensors", "model.safetensors", "onnx/model.safetensors"], ["model.safetensors"]),
        (["tf_model.h5"], []),
    ],
)
def test_one_kind_of_weights_is_downloaded_with_all_its_shards(names, weights):
    read = ["config.json", "tokenizer.json", "modeling_babylm.py"]
    indices = [name for name in names if name.endswith(".json")]
    assert sorted(model_paths.needed([*names, *read, "README.md", "eval/x.json"])) == sorted(weights + read + indices)


def test_code_of_a_stranger_runs_only_when_trusted(tmp_path, model, capsys):
    described = json.loads((model / "config.json").read_text())
    described |= {
        "model_type": "strange",
        "auto_map": {"AutoConfig": "strange.Config", "AutoModelForCausalLM": "strange.LM"},
    }
    described["auto_map"]["AutoModel"] = "strange.Encoder"
    (model / "config.json").write_text(json.dumps(described))
    size = described["vocab_size"]
    save_file({"table.weight": torch.randn(size, size)}, model / "model.safetensors", {"format": "pt"})
    (model / "strange.py").write_text(STRANGE.format(proof=tmp_path / "executed"))
    assert evaluate._command([str(model), "tasks=toy_pairs", "limit=1"]) == 2
    assert "this model brings code of its own; trust=true runs it" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()
    assert evaluate._command([str(model), "tasks=toy_pairs", "limit=1", "trust=true"]) == 0
    assert (tmp_path / "executed").exists()
    assert evaluate._command([str(model), "tasks=toy_pairs", "trust=yes"]) == 2
    assert type(load_scorer(model, "causal", trust=True).model).__name__ == "LM"
    # Its class does not say where the encoder is: the folder's AutoModel is fine-tuned.
    fixtures.glue(tmp_path / "data/full_eval/glue_filtered")
    tuned = ["tasks=rte", f"data={tmp_path / 'data'}", "glue.epochs=1", "glue.precision=fp32"]
    assert evaluate._command([str(model), *tuned, "trust=true"]) == 0


STRANGE = """
from pathlib import Path
import torch
from transformers import PretrainedConfig, PreTrainedModel
Path("{proof}").touch()

class Config(PretrainedConfig):
    model_type = "strange"

class LM(PreTrainedModel):
    config_class = Config
    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Embedding(config.vocab_size, config.vocab_size)
        self.post_init()
    def forward(self, input_ids=None, attention_mask=None, **_):
        return {{"logits": self.table(input_ids)}}

class Encoder(LM):
    def forward(self, input_ids=None, attention_mask=None, **_):
        return (self.table(input_ids),)
"""


@pytest.mark.parametrize("sealed", [True, False])
def test_other_code_in_a_folder_of_our_type_is_said_and_runs_only_when_trusted(tmp_path, model, capsys, sealed):
    """Weights that fit do not make a stranger's network ours."""
    model = model.rename(tmp_path / f"sealed_{sealed}")  # in one process transformers keeps classes by folder name
    mark = tmp_path / "executed"
    code = model / "modeling_babylm.py"
    code.write_text(code.read_text() + f"\nopen({str(mark)!r}, 'w').close()\n")
    (model / "manifest.json").unlink()
    if sealed:
        resealed(model)
    words = [str(model), "tasks=toy_pairs", "limit=1"]
    assert evaluate._command(words) == 0
    told = capsys.readouterr().out
    assert "the code in it is not this package's (modeling_babylm.py)" in told
    assert "scored with this package's code (trust=true runs its own)" in told
    assert generate._command([str(model), "the dog", "max_new_tokens=1"]) == 0
    assert "the code in it is not this package's (modeling_babylm.py)" in capsys.readouterr().err
    assert not mark.exists()

    assert evaluate._command([*words, "trust=true"]) == 0
    assert mark.exists()  # the result of our code was not taken for one of theirs
    [file] = (model / "evaluation" / model.name).glob("toy_pairs.*.json")
    assert "code_sha256" in json.loads(file.read_text())
    assert evaluate._command(words) == 0
    assert "code_sha256" not in json.loads(file.read_text())
    mark.unlink()
    assert generate._command([str(model), "the dog", "max_new_tokens=1", "trust=true"]) == 0


def test_a_damaged_revision_is_refused_before_it_is_scored(model):
    with open(model / "model.safetensors", "r+b") as file:
        file.seek(5_000)
        file.write(b"\xff\xff")
    with pytest.raises(ValueError, match=r"damaged revision: .*model\.safetensors: its hash is not the manifest's"):
        load_scorer(model, "causal")


def test_a_folder_of_ours_with_other_weights_is_refused(model):
    (model / "manifest.json").unlink()  # as save_pretrained writes a folder
    load_scorer(model, "causal")
    weights = load_file(model / "model.safetensors")
    weights["classifier.weight"] = weights.pop("head.output.bias")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"not those of BabyLMForCausalLM \(classifier\.weight, head\.out"):
        load_scorer(model, "causal")
