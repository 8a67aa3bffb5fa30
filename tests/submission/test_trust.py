"""A revision's code runs only if it is the package's own or trusted; older code is named, and exported again."""

import json
import shutil

import pytest
import torch

from babylm import revisions, submit
from babylm.console import Log
from babylm.submission import load_check
from tests.submission.test_checks import resealed


@pytest.fixture(autouse=True)
def _installed_transformers_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(load_check, "OVERLAYS", {load_check.PINNED: tmp_path / "none"})


def older(folder):
    """As another version of the package would have written it: other text, the same network."""
    code = folder / "transformer.py"
    code.write_text(code.read_text() + "# another version\n")
    (folder / "classification.py").unlink()
    config = json.loads((folder / "config.json").read_text())
    for name in list(config["auto_map"]):
        if "classification" in config["auto_map"][name]:
            del config["auto_map"][name]
    config["auto_map"]["AutoModelForSequenceClassification"] = "modeling_babylm.BabyLMForSequenceClassification"
    modeling = folder / "modeling_babylm.py"
    source = (revisions.CODE / "classification.py").read_text().split("class _Classifier")[1]
    needed = "from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput"
    needed += ", QuestionAnsweringModelOutput\nfrom .layers import Norm\n\n\nclass _Classifier"
    modeling.write_text(f"{modeling.read_text()}\n\n{needed}{source}")
    (folder / "config.json").write_text(json.dumps(config))
    resealed(folder)


def evil(folder, mark):
    code = folder / "transformer.py"
    code.write_text(f"open({str(mark)!r}, 'w').close()\n" + code.read_text())
    resealed(folder)


def test_code_of_a_stranger_is_not_run_by_submit(mini, tmp_path, capsys):
    mark = tmp_path / "was here"
    evil(mini / "main", mark)
    assert submit.main(mini, {}, Log()) == 2
    assert not mark.exists()
    out = capsys.readouterr().out
    assert "the code in main is not this package's (transformer.py)" in out
    assert "reexport=true trust=true" in out
    with pytest.raises(ValueError, match="reexport=true runs the old code"):
        submit.main(mini, {"reexport": "true"}, Log())
    assert not mark.exists()


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("config.json", "auto_map", {"AutoModel": "somebody/else--modeling.BabyLMModel"}),
        ("tokenizer_config.json", "auto_map", {"AutoTokenizer": ["tokenization.Mine", None]}),
        ("config.json", "custom_pipelines", {"text-generation": {"impl": "mine.Pipeline"}}),
    ],
)
def test_settings_that_run_other_code_count_as_code(mini, file, key, value):
    folder = mini / "main"
    stored = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**stored, key: value}))
    assert revisions.find_foreign_code(folder) == [f"{key} of {file}"]


def test_every_file_of_code_counts(mini):
    folder = mini / "main"
    assert revisions.find_foreign_code(folder) == []
    (folder / "more").mkdir()
    (folder / "more" / "generate.py").write_text("")
    (folder / "setup.py").write_text("")
    (folder / "head.py").unlink()
    assert revisions.find_foreign_code(folder) == ["more/generate.py", "setup.py", "head.py (missing)"]


def test_older_code_is_exported_again_on_request(mini, capsys):
    folder = mini / "main"
    tensors = (folder / "model.safetensors").read_bytes()
    facts = (folder / "babylm.json").read_bytes()
    for name in ("main", "chck_1K"):
        older(mini / name)
    assert submit.main(mini, {"load": "false"}, Log()) == 0
    assert "note: the code in chck_1K and 1 other revision(s) is not this package's" in capsys.readouterr().out
    assert submit.main(mini, {"reexport": "true", "trust": "true", "load": "false"}, Log()) == 0
    out = capsys.readouterr().out
    assert "chck_1K: exported again" in out
    assert "main: exported again" in out
    assert "chck_2K: exported again" not in out
    for name in ("main", "chck_1K"):
        assert revisions.find_foreign_code(mini / name) == []
        assert revisions.verify(mini / name) == []
    assert (folder / "model.safetensors").read_bytes() == tensors
    assert (folder / "babylm.json").read_bytes() == facts
    assert load_check.reexport(mini, ["main", "chck_1K"]) == []


def test_code_that_predicts_something_else_is_not_replaced(mini):
    code = mini / "main" / "positions.py"
    code.write_text(code.read_text().replace("angles.cos()", "angles.sin()"))
    resealed(mini / "main")
    before = {file.name: file.read_bytes() for file in (mini / "main").iterdir()}
    with pytest.raises(ValueError, match="main: causal logits and masked logits of the old code differ"):
        load_check.reexport(mini, ["main"])
    assert {file.name: file.read_bytes() for file in (mini / "main").iterdir()} == before


def test_generated_texts_are_compared(mini):
    model, _ = revisions.load(mini / "main")
    ids = torch.tensor([[0, 5, 9, 20]])
    with torch.no_grad():
        results = {
            "ids": ids,
            "mask": torch.ones_like(ids),
            "causal": model(input_ids=ids).logits,
            "masked": _masked(model)(input_ids=ids).logits,
            "generated": model.generate(ids, max_new_tokens=5, do_sample=False, eos_token_id=10_000, pad_token_id=2),
        }
    assert load_check.find_differences(mini / "main", results) == ""
    results["generated"][0, -1] = (results["generated"][0, -1] + 1) % 300
    assert load_check.find_differences(mini / "main", results) == "generated texts"


def _masked(model):
    from babylm.models.modeling_babylm import BabyLMForMaskedLM

    masked = BabyLMForMaskedLM(model.config).eval()
    masked.load_state_dict(model.state_dict())
    return masked


def test_a_stored_tokenizer_folder_gives_its_own_files_alone(mini, tmp_path):
    """A folder with more in it, for example a whole model, does not get into a revision."""
    model, _ = revisions.load(mini / "main")
    shutil.copytree(mini / "main", tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / ".env").write_text("TOKEN=1")
    (tmp_path / "tokenizer" / "model.safetensors").write_bytes(b"another model")
    revisions.save(tmp_path / "saved", model, tmp_path / "tokenizer", {})
    assert revisions.verify(tmp_path / "saved") == []
    assert revisions.find_private_files(tmp_path / "saved") == []
