"""What decides a piece is in its key: a changed scale, file or model is another piece, a moved one is not."""

from __future__ import annotations

import shutil
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from babylm.config import studies
from babylm.studies import (
    _habits_scales,
    _methods_runs,
    _quality_scales,
    _relational_scales,
    _respect_arms,
    coupling,
    interaction_methods,
)
from babylm.studies import _recipe_scales as recipe
from babylm.studies import _warmth_scales as warmth
from babylm.studies.experiment import Experiment, inputs
from tests.conftest import ROOT
from tests.studies.test_quality_signals import write_gsm8k
from tests.training import runs as small_runs

SCALES = {
    "coupling": coupling.SCALES,
    "habits": _habits_scales.SCALES,
    "interaction_methods": _methods_runs.SCALES,
    "quality_signals": _quality_scales.SCALES,
    "relational": _relational_scales.SCALES,
    "respect": _respect_arms.SCALES,
    "warmth": warmth.SCALES,
}
NOT_MEASURED = {"respect": {"arms"}, "relational": {"control_seeds"}}
"""Sizes that say which pieces there are."""


def keys(name, *words):
    """The keys of all pieces that may come."""
    settings = studies.load_study(ROOT / "configs" / "studies" / f"{name}.yaml", words)
    return {(piece.condition.name, piece.seed): piece.key for piece in Experiment(settings).expected_pieces()}


def changed(scale, field):
    value = getattr(scale, field)
    other = (*value, 9) if isinstance(value, tuple) else value + 1
    return replace(scale, **{field: other}) if is_dataclass(scale) else scale._replace(**{field: other})


@pytest.mark.parametrize("name", SCALES)
def test_every_size_of_a_scale_is_in_the_key(name, monkeypatch, root):
    monkeypatch.chdir(root)
    before, scale = keys(name, "scale=smoke"), SCALES[name]["smoke"]
    names = [field.name for field in fields(scale)] if is_dataclass(scale) else scale._fields
    for field in [field for field in names if field not in NOT_MEASURED.get(name, ())]:
        with monkeypatch.context() as patch:
            patch.setitem(SCALES[name], "smoke", changed(scale, field))
            after = keys(name, "scale=smoke")
        different = {piece for piece in before if after.get(piece) != before[piece]}
        assert different, field
        if name != "habits":  # whose base and priming do not depend on the sizes of what follows
            assert different == before.keys(), field
    assert keys(name, "scale=smoke") == before


def test_every_override_of_a_recipe_search_is_in_the_key(monkeypatch):
    before = keys("recipe_search", "scale=smoke")
    for change in (
        {"common": (*recipe.SMOKE.common, "seed=9")},
        {"config": "configs/laptop.yaml", "common": (*recipe.SMOKE.common, "track=free")},
        {"sample_words": 5000},
    ):
        with monkeypatch.context() as patch:
            patch.setitem(recipe.SCALES, "smoke", replace(recipe.SMOKE, **change))
            after = keys("recipe_search", "scale=smoke")
        assert not set(before.values()) & set(after.values()), change


def test_the_arms_of_a_study_are_in_the_key(monkeypatch, root):
    monkeypatch.chdir(root)
    before = keys("respect")
    monkeypatch.setitem(_respect_arms.ARMS, "filtered", _respect_arms.ARMS["kto"])
    after = keys("respect")
    assert {name for name, _ in before if before[name, 1] != after[name, 1]} == {"filtered"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished tiny run."""
    folder = tmp_path_factory.mktemp("run")
    return small_runs.run(folder, "budget.epochs=0.3", "averaging.name=none", "milestones=[150,200]")


def file_settings(folder: Path, run: Path) -> dict[str, tuple[str, list[str]]]:
    """Setting -> the study, and the words of a command that set it, with the other settings that it needs."""
    model, text = folder / "model", folder / "text.txt"
    shutil.copytree(run / "main", model)
    text.write_text("the dog runs .\n")
    (folder / "own.csv").write_text(
        "content_key,correct_answer,incorrect_answer,prompt_template,prompt,amendment_type\n"
        "a,Paris,Rome,original,What is the capital of France?,unmodified\n"
    )
    pairs = '{"sentence_good": "the dog runs .", "sentence_bad": "dog the runs .", "UID": "a"}\n'
    (folder / "pairs.jsonl").write_text(pairs)
    write_gsm8k(folder / "gsm8k")
    shutil.copytree(run, folder / "run")
    return {
        "gsm8k": ("quality_signals", [f"gsm8k={folder}/gsm8k", f"model={model}"]),
        "model": ("quality_signals", [f"gsm8k={folder}/gsm8k", f"model={model}"]),
        "subject": ("warmth", [f"subject={model}"]),
        "scorer": ("warmth", [f"scorer={model}"]),
        "questions": ("warmth", [f"subject={model}", f"questions={folder}/own.csv"]),
        "student_base": ("relational", ["controls=false", f"student_base={model}"]),
        "relational model": ("relational", ["controls=false", "student=false", f"model={model}"]),
        "text": ("relational", ["controls=false", f"text={text}"]),
        "games": ("human_feedback", [f"games={text}"]),
        "base": ("interaction_methods", [f"base={folder}/run"]),
        "teacher": ("interaction_methods", [f"teacher={model}"]),
        "held_out": ("interaction_methods", [f"held_out={text}"]),
        "task": ("developmental_order", [f"task={folder}/pairs.jsonl"]),
        "runs": ("developmental_order", ["objectives=[]", f"runs=[{folder}/run]"]),
        "norms": ("developmental_order", [f"norms={folder}/own.csv"]),
    }


CHANGED = {
    "gsm8k": "gsm8k/test.jsonl",
    "questions": "own.csv",
    "norms": "own.csv",
    "text": "text.txt",
    "games": "text.txt",
    "held_out": "text.txt",
    "task": "pairs.jsonl",
    "base": "run/main/config.json",
    "runs": "run/chck_200/babylm.json",
}
"""Setting -> the file that is changed; of a model, its configuration."""


def test_files_are_in_the_key_by_what_is_in_them(tmp_path, trained, monkeypatch, root):
    monkeypatch.chdir(root)
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    here, there = (file_settings(tmp_path / folder, trained) for folder in ("here", "there"))
    by_path = {"runs", "task"}  # named by their path in the settings, too
    for setting, (name, words) in here.items():
        before, moved = keys(name, *words), keys(*[there[setting][0], *there[setting][1]])
        assert before
        assert before == moved or setting in by_path, setting
        file = tmp_path / "here" / CHANGED.get(setting, "model/config.json")
        text = file.read_text()
        other = (
            text.replace("dog", "cat").replace("Paris", "Lyon").replace('"weights_sha256": "', '"weights_sha256": "0')
        )
        file.write_text(other if other != text else text + " ")
        after = keys(name, *words)
        assert not set(before.values()) & set(after.values()), setting
        file.write_text(text)
        assert keys(name, *words) == before, setting


def test_a_missing_file_is_no_error_of_the_plan_and_another_key(tmp_path):
    missing = keys("human_feedback", f"games={tmp_path}/games.jsonl")
    (tmp_path / "games.jsonl").write_text("{}")
    assert keys("human_feedback", f"games={tmp_path}/games.jsonl") != missing


def test_contents_do_not_depend_on_hidden_files_and_results(tmp_path):
    model = tmp_path / "model"
    (model / "evaluation").mkdir(parents=True)
    (model / "config.json").write_text("{}")
    before = inputs.contents(model)
    (model / ".cache").write_text("1")
    (model / "evaluation" / "blimp.json").write_text("{}")
    assert inputs.contents(model) == before
    (model / "model.safetensors").write_bytes(b"weights")
    assert inputs.contents(model) != before
    assert inputs.contents(tmp_path / "nothing") is inputs.contents(None) is None
    assert interaction_methods.Settings().inputs["teacher"] is None
