"""Each damage is named and refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from babylm import files, tracks
from babylm.submission import checks, load_check, settings
from tests.submission.conftest import TRACK


def problems(folder, rules=2026):
    return checks.problems(settings.open_run(folder, {"rules": str(rules), "backend": "causal"}))


def change(file, **values):
    stored = json.loads(file.read_text())
    file.write_text(json.dumps(stored | values))


def resealed(folder):
    """As if the revision had been written like this: its manifest fits."""
    entries = {
        file.name: {"bytes": file.stat().st_size, "sha256": files.sha256_file(file)}
        for file in folder.iterdir()
        if file.name != "manifest.json"
    }
    files.write_json(folder / "manifest.json", {"files": entries})


def test_a_whole_run_has_none(mini):
    assert problems(mini, 2025) == problems(mini, 2026) == []


def test_a_damaged_revision(mini):
    with open(mini / "chck_2K" / "model.safetensors", "r+b") as file:
        file.seek(5_000)
        file.write(b"\xff")
    (found,) = [one for one in problems(mini) if "damaged" in one.what]
    assert "chck_2K/model.safetensors: its hash" in found.what
    assert found.fatal


def test_a_missing_milestone(mini):
    shutil.rmtree(mini / "chck_4K")
    found = problems(mini)
    assert "chck_4K" in found[0].what
    assert found[0].fatal


def test_a_run_that_ended_early_may_be_submitted_incomplete(mini):
    stored = json.loads((mini / "plan.json").read_text())
    stored["milestones"] = stored["milestones"][:-1]
    (mini / "plan.json").write_text(json.dumps(stored))
    shutil.rmtree(mini / "chck_5K")
    (found,) = problems(mini)
    assert "before chck_5K" in found.what
    assert not found.fatal


@pytest.mark.parametrize(
    ("limit", "said"), [("unique_words", "the corpus has 2,000 words"), ("exposure_words", "has read")]
)
def test_over_budget(mini, monkeypatch, limit, said):
    values = {"unique_words": 10_000, "exposure_words": 100_000, limit: 1_500}
    monkeypatch.setitem(tracks.TRACKS, "strict-small", tracks.Track(**values, milestones=TRACK.milestones))
    found = problems(mini)
    assert said in found[0].what
    assert "1,500" in found[0].what
    assert all(one.fatal for one in found)


def test_words_that_are_not_the_plans(mini):
    change(mini / "chck_3K" / "babylm.json", words=2_999)
    resealed(mini / "chck_3K")
    (found,) = problems(mini)
    assert "chck_3K says 2,999 words, the run's plan says 3,007" in found.what


def test_a_wrong_tokenizer(mini):
    file = mini / "chck_1K" / "tokenizer.json"
    file.write_text(file.read_text().replace("\n", " \n", 1))
    resealed(mini / "chck_1K")
    found = problems(mini)
    assert "is not the run's tokenizer" in found[0].what
    assert any("is stale: tokenizer.json has changed" in one.what for one in found)


def test_a_stale_result(mini):
    file = mini / "main" / "model.safetensors"
    weights = load_file(file)
    save_file({name: weight + 1e-3 for name, weight in weights.items()}, file, metadata={"format": "pt"})
    resealed(mini / "main")
    found = problems(mini)
    assert all("main" in one.what and "is stale: model.safetensors has changed" in one.what for one in found)
    assert len(found) == 14  # every task of the full suite but age of acquisition, which is the milestones'
    assert "remove " in found[0].remedy
    assert "python -m babylm.evaluate" in found[0].remedy


def test_items_that_are_not_the_official_number(mini):
    file = mini / "evaluation/main/predictions/ewok.full.2026.causal.json"
    stored = json.loads(file.read_text())
    stored["social"]["predictions"].pop()
    file.write_text(json.dumps(stored))
    (found,) = problems(mini)
    assert "main: ewok (full): social has 5 items, not 6" in found.what


def test_answers_that_are_nan(mini):
    file = mini / "evaluation/main/predictions/reading.full.2026.causal.json"
    stored = json.loads(file.read_text())
    stored["reading"]["predictions"][2]["pred"] = None
    file.write_text(json.dumps(stored))
    (found,) = problems(mini)
    assert "reading (full): 1 answers are NaN" in found.what


def test_a_run_that_is_not_finished(mini):
    shutil.rmtree(mini / "main")
    with pytest.raises(ValueError, match="not finished"):
        problems(mini)


def test_strangers_load_every_revision(mini, monkeypatch):
    """And what they compute is compared: other code in the folder is noticed."""
    file = mini / "main" / "modeling_babylm.py"
    assert "class BabyLMForCausalLM" in file.read_text()
    good, versions = load_check.problems(mini, ["chck_1K"])
    assert good == []
    assert versions
    monkeypatch.setattr(load_check, "OVERLAYS", {load_check.PINNED: mini / "none"})  # once is enough
    code = mini / "main" / "positions.py"
    code.write_text(code.read_text().replace("angles.cos()", "angles.sin()"))
    resealed(mini / "main")
    wrong, _ = load_check.problems(mini, ["main"], trust=True)
    assert "causal logits and masked logits differ" in wrong[0].what
    (mini / "main" / "model.safetensors").write_bytes(b"")
    torch.manual_seed(0)
    broken, _ = load_check.problems(mini, ["main"], trust=True)
    assert "cannot load" in broken[0].what


def test_age_of_acquisition_without_a_score_is_named_once(mini):
    (mini / "evaluation" / "aoa.full.2026.causal.json").unlink()
    (found,) = problems(mini)
    assert "age of acquisition has no score over the 5 revisions" in found.what
    (mini / "evaluation/chck_2K/aoa.full.2026.causal.json").unlink()
    (found,) = problems(mini)
    assert "results are missing (full) of chck_2K: aoa" in found.what


def test_facts_that_say_too_little(mini):
    file = mini / "chck_3K" / "babylm.json"
    stored = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in stored.items() if key not in ("words", "step")}))
    resealed(mini / "chck_3K")
    (problem,) = problems(mini)
    assert problem.what == "chck_3K/babylm.json does not say words, step"
