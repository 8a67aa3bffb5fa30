"""A model that a study cannot use is told before the first piece, by every study that takes one by path."""

from __future__ import annotations

import json
import shutil

import pytest

from babylm import study
from babylm.studies._subject_checks import check_usable
from tests.conftest import ROOT
from tests.studies.test_quality_signals import write_gsm8k

CONFIGS = ROOT / "configs" / "studies"


@pytest.fixture
def damaged(tmp_path, long_reader):
    """A run whose ``main`` and milestones have weights that are not those of the manifest, as if rounded."""
    run = tmp_path / "run"
    shutil.copytree(long_reader.parent, run)
    for name in ("chck_1", "chck_2"):
        shutil.copytree(run / "main", run / name)
    for weights in run.glob("*/model.safetensors"):
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    write_gsm8k(tmp_path / "gsm8k")
    return run


@pytest.mark.parametrize(
    ("name", "key", "others"),
    [
        ("interaction_methods", "base={run}", []),
        ("interaction_methods", "teacher={run}/main", []),
        ("interaction_methods", "teacher={run}", []),
        ("quality_signals", "model={run}/main", ["gsm8k={folder}/gsm8k"]),
        ("warmth", "subject={run}/main", ["arms=[original,neutral]"]),
        ("warmth", "scorer={run}/main", []),
        ("relational", "model={run}/main", []),
        ("relational", "student_base={run}/main", []),
        ("habits", "model={run}/main", []),
        ("habits", "judge_model={run}/main", []),
        ("developmental_order", "runs=[{run}]", []),
    ],
)
def test_damage_is_told_before_the_first_piece(tmp_path, damaged, capsys, name, key, others):
    words = [word.format(run=damaged, folder=tmp_path) for word in (key, *others)]
    assert study._command([str(CONFIGS / f"{name}.yaml"), f"folder={tmp_path}/studies", *words]) == 2
    shown = capsys.readouterr()
    assert f"error: {key.partition('=')[0]}=" in shown.err
    assert "damaged revision: " in shown.err
    assert "model.safetensors: its hash is not the manifest's" in shown.err
    assert "==" not in shown.out, "no piece was begun"
    assert not (tmp_path / "studies").exists()


def test_a_model_of_an_older_version_is_told_with_what_brings_it_over(tmp_path, long_reader):
    folder = tmp_path / "main"
    shutil.copytree(long_reader, folder)
    (folder / "manifest.json").unlink()
    check_usable(str(folder), "teacher")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "depth": 2}))
    with pytest.raises(ValueError, match=r"^teacher=.*older version .*depth.*babylm.convert"):
        check_usable(str(folder), "teacher")


def test_a_plan_needs_no_model(tmp_path, capsys):
    words = [str(CONFIGS / "habits.yaml"), f"folder={tmp_path}", "judge_model=nowhere"]
    assert study._command([*words, "dry_run=true"]) == 0
    assert "to do" in capsys.readouterr().out
    assert study._command(words) == 2
    assert "judge_model=nowhere: no model's folder (with config.json)" in capsys.readouterr().err


def test_the_right_kind_of_model(tmp_path, long_reader):
    check_usable(str(long_reader), "model", revision=True)
    (tmp_path / "model.gguf").write_text("")
    with pytest.raises(ValueError, match=r"^teacher=.*not a \.gguf file"):
        check_usable(str(tmp_path / "model.gguf"), "teacher", gguf=False)
    folder = tmp_path / "foreign"
    shutil.copytree(long_reader, folder)
    described = json.loads((folder / "config.json").read_text())
    del described["auto_map"]

    def refused(match, revision=False, **changes):
        (folder / "config.json").write_text(json.dumps({**described, "model_type": "gpt2", **changes}))
        with pytest.raises(ValueError, match=match):
            check_usable(str(folder), "model", revision=revision)

    refused("^model=.*no revision of this codebase", revision=True)
    refused("model of type gpt2 that is not causal", architectures=["GPT2ForMaskedLM"])
    refused("not causal", is_encoder_decoder=True)
    refused("brings code of its own", auto_map={"AutoModel": "x.Y"})
    (folder / "tokenizer.json").unlink()
    refused(r"there is no tokenizer\.json")
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"^model=.*config\.json: not valid JSON"):
        check_usable(str(folder), "model")


def test_a_run_in_place_of_a_model_is_told_where_its_model_is(long_reader):
    with pytest.raises(
        ValueError, match=rf"no .gguf file is there; it is a run, whose last model is .*{long_reader.parent.name}/main"
    ):
        check_usable(str(long_reader.parent), "model")
