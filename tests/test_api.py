"""The library takes what the commands take, typed: a slip is a ValueError that names the argument."""

from pathlib import Path

import numpy as np
import pytest

from babylm import api, cli, interrupts, places
from babylm.console import Log
from babylm.evaluation.request import request
from tests.training import runs


@pytest.fixture
def folder(tmp_path):
    """What looks like a model, as far as options are checked."""
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("tasks", ["toy_pairs", ["toy_pairs"], ("toy_pairs",), iter(["toy_pairs"])])
def test_one_name_is_a_list_of_one(folder, tasks):
    assert request(folder, tasks=tasks, settings=()).tasks == ["toy_pairs"]


def test_paths_and_names_with_commas_are_tasks(folder, tmp_path):
    (tmp_path / "pairs").mkdir()
    assert request(folder, tasks=tmp_path / "pairs").tasks == [str(tmp_path / "pairs")]
    assert request(folder, tasks="blimp,toy_pairs").tasks == ["blimp", "toy_pairs"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trust": "no"}, "trust: must be True or False, not 'no'"),
        ({"trust": 1}, "trust: must be True or False, not 1"),
        ({"tasks": 3}, "tasks: must be a list of names, not 3"),
        ({"tasks": [None]}, "tasks: must be a list of names"),
        ({"revisions": 3}, "revisions: must be a list of names, not 3"),
        ({"limit": 2.5}, "limit=2.5: give the largest number"),
        ({"limit": True}, "limit=True: give the largest number"),
        ({"limit": "many"}, "limit=many: give the largest number"),
        ({"part": 1}, "part=1: give i/n"),
        ({"task": "blimp"}, "did you mean tasks"),
        ({"learning_rate": 1}, "did you mean glue.lr"),
        ({"glue": {"epoch": 3}}, "glue.epoch: unknown key; did you mean"),
        ({"nonsense": 1}, "option: unknown value 'nonsense'"),
    ],
)
def test_a_wrong_option_of_evaluate_is_named(folder, options, message):
    with pytest.raises(ValueError, match=message):
        api.evaluate(folder, **{"tasks": ["toy_pairs"], **options})


@pytest.mark.parametrize("switch", ["load", "trust", "push_to_hub", "incomplete", "private", "reexport"])
def test_a_word_is_no_switch_of_submit(tmp_path, switch):
    """``push_to_hub="no"`` is true in Python."""
    with pytest.raises(ValueError, match=f"{switch}: must be True or False, not 'no'"):
        api.submit(tmp_path, **{switch: "no"})


def test_a_wrong_argument_of_report_is_named(tmp_path):
    with pytest.raises(ValueError, match="with_samples: must be True or False"):
        api.report(tmp_path, with_samples="no")
    with pytest.raises(ValueError, match="report: argument: unknown value 'samples'; did you mean with_samples"):
        api.report(tmp_path, samples=True)
    with pytest.raises(ValueError, match="None is no run"):
        api.report(None)


@pytest.mark.parametrize("path", [None, 3, b"a", ["a"]])
def test_what_is_no_path_is_said(path):
    with pytest.raises(ValueError, match="is no path"):
        places.given(path)
    with pytest.raises(ValueError, match="is no model"):
        api.evaluate(path, tasks=["toy_pairs"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(3), "3"),
        (np.float64(0.5), "0.5"),
        (np.array([2, 4]), "[2, 4]"),
        (range(1, 3), "[1, 2]"),
        ((1, 2), "[1, 2]"),
        ({2, 1}, "[1, 2]"),
        ([Path("a")], "[a]"),
        (np.bool_(True), "true"),
    ],
)
def test_values_of_a_notebook_are_settings(value, text):
    assert api._overrides({"key": value}) == [f"key={text}"]


def test_what_is_no_setting_is_said(root, tmp_path):
    with pytest.raises(ValueError, match="cannot be the value of a setting"):
        api.load_config(root / "configs/smoke.yaml", seed=object())
    with pytest.raises(ValueError, match="a change is a text, key=value, or a keyword"):
        api.load_config(root / "configs/smoke.yaml", {"seed": 2})
    with pytest.raises(ValueError, match=r"is in a list: say which entry, as in phases\[0\].sequence_length="):
        api.load_config(root / "configs/smoke.yaml", phases={"sequence_length": 64})
    with pytest.raises(ValueError, match="rules: unknown value '2024'"):
        api.submit(tmp_path, rules="2024")
    with pytest.raises(ValueError, match="is no path"):
        api.add_plugins(None)


def test_a_dry_run_has_no_run(tmp_path):
    config = runs.make(tmp_path)
    config.training.dry_run = True
    assert api.train(config, log=Log(quiet=True)) is None


def test_an_interrupt_that_a_library_has_turned_into_an_error_is_an_interrupt(monkeypatch, capsys):
    def run(words):
        raise ValueError("not valid YAML: 'NoneType' object has no attribute '_flags'")

    monkeypatch.setattr(interrupts, "_came", True)
    assert cli.command("help", run, ["x"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
