"""What a user's study returns that cannot be run, kept or written: one line names file, function and what was found."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from babylm.studies.experiment import Condition, Measurement, Summary, run_study
from babylm.tables import Table
from tests.studies.experiment.test_runner import A, B, settings_for, toy

__all__ = ["toy"]
HERE = r"test_checked_study.py: "
TABLE = Table.of(("a", "b"), [("x", 1.0)])


def returning(value):
    """A function of a study, whatever it is given."""

    def function(*given):
        return value

    return function


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, "found None"),
        ("warm", r"found 'warm' \(str\)"),
        ({"warm"}, r"\(set\)"),
        ({"warm": A}, r"\(dict\)"),
        (5, "found 5"),
        ([A, "warm"], "'warm' .* in it"),
        ([A, None], "None in it"),
        ([], "at least one condition; found an empty list"),
        (iter(()), "at least one condition; found an empty list"),
        ([Condition("a", {}, seeds=[])], "at least one condition with a seed"),
        ([Condition("")], "conditions with a name; found ''"),
        ([Condition(5)], "conditions with a name; found 5"),
        ([Condition("a\ud800")], r"conditions with a name; found 'a\\ud800'"),
    ],
)
def test_conditions_that_are_none_are_told(tmp_path, toy, given, found):
    toy().conditions = returning(given)
    with pytest.raises(ValueError, match=rf"^{HERE}function\(\) must return .*{found}"):
        run_study(settings_for(tmp_path))
    assert not (tmp_path / "toy" / "summary.json").exists()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Condition("a", {"x": float("nan")}), "settings must be values that JSON has, without NaN"),
        (Condition("a", {"x": {1, 2}}), "settings must be values that JSON has"),
        (Condition("a", {"x": "\ud800"}), "settings must be values that JSON has"),
        (Condition("a", {"x": np.int64(1)}), "settings must be values that JSON has"),
        (Condition("a", [1]), "settings must be a mapping"),
        (Condition("a", inputs={"x": float("inf")}), "inputs must be values that JSON has"),
        (Condition("a", seeds="12"), "seeds must be a list of whole numbers"),
        (Condition("a", seeds=[1.5]), "seeds must be a list of whole numbers"),
        (Condition("a", seeds=[-1]), "seeds must be a list of whole numbers"),
        (Condition("a", seconds="long"), "seconds must be a number"),
        (Condition("a", seconds=float("nan")), "seconds must be a number"),
    ],
)
def test_a_condition_that_cannot_be_kept_is_named(tmp_path, toy, condition, said):
    toy().conditions = returning([B, condition])
    with pytest.raises(ValueError, match=rf"^{HERE}function\(\): condition a: {said}"):
        run_study(settings_for(tmp_path))


def test_what_is_no_function_is_told(tmp_path, toy):
    toy(A).next_conditions = [B]
    with pytest.raises(ValueError, match=r"toy.py: next_conditions must be a function"):
        run_study(settings_for(tmp_path))


def test_later_conditions_are_checked_too(tmp_path, toy):
    toy(A).next_conditions = returning(None)
    with pytest.raises(ValueError, match=rf"^{HERE}function\(\) must return a list of conditions .* found None"):
        run_study(settings_for(tmp_path))
    module = toy(A)
    module.expected_conditions = returning([5])
    with pytest.raises(ValueError, match=rf"^{HERE}function\(\) must return a list of conditions"):
        run_study(settings_for(tmp_path, dry_run=True))


def row(item="q", measure="score", value=1.0):
    return lambda piece: [Measurement(piece.condition.name, piece.seed, item, measure, value)]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (row(item="\ud800"), r"must return a text as the item of a measurement; found '\\ud800'"),
        (row(item={"a": 1}), r"a text as the item"),
        (row(measure=None), r"a text as the measure"),
        (row(value=float("inf")), r"b-s1, item 'q', measure 'score': inf .*give NaN for what"),
        (row(value=10**400), r"b-s1, item 'q', measure 'score': 1000.* is no value"),
        (row(value="1"), r"b-s1, item 'q', measure 'score': '1' \(str\) is no value"),
        (row(value=1j), r"is no value"),
        (lambda piece: row()(piece) * 2, r"b-s1 has 2 values of item 'q', measure 'score': give each an item"),
        (lambda piece: [("b", 1, "q", "score", 1.0)], r"measurements of b-s1, by piece.measurement; found \('b'"),
        (lambda piece: [Measurement("another", 1, "q", "score", 1.0)], r"measurements of b-s1"),
        (lambda piece: None, r"must return a list of measurements; found None"),
        (lambda piece: "abc", r"must return a list of measurements; found 'abc'"),
    ],
)
def test_a_measurement_that_cannot_be_kept_is_the_pieces_failure(tmp_path, toy, capsys, rows, reason):
    module = toy(B, A)
    run = module.run

    def run_b(piece, settings):
        return rows(piece) if piece.condition.name == "b" else run(piece, settings)

    module.run = run_b
    folder = run_study(settings_for(tmp_path, seeds=[1]))
    (failed,) = json.loads((folder / "summary.json").read_text())["failed"]
    assert (failed["condition"], failed["seed"]) == ("b", 1)
    assert re.search(reason, failed["reason"]), failed["reason"]
    assert (folder / "measurements.csv").read_text().splitlines()[1:] == ["a,1,q,score,2.0"]


def test_what_can_be_kept_is(tmp_path, toy):
    module = toy(A)
    values = [1, True, np.float32(0.5), np.int64(3), float("nan")]
    module.run = lambda piece, settings: (piece.measurement(value, f"q{n}") for n, value in enumerate(values))
    folder = run_study(settings_for(tmp_path, seeds=[1]))
    shown = [line.rpartition(",")[2] for line in (folder / "measurements.csv").read_text().splitlines()[1:]]
    assert shown == ["1.0", "1.0", "0.5", "3.0", "nan"]


def test_an_error_whose_text_no_file_can_hold_is_a_failure_like_others(tmp_path, toy):
    module = toy(B, A)
    run = module.run

    def run_b(piece, settings):
        if piece.condition.name == "b":
            raise RuntimeError("half \ud800")
        return run(piece, settings)

    module.run = run_b
    folder = run_study(settings_for(tmp_path, seeds=[1]))
    (failed,) = json.loads((folder / "summary.json").read_text())["failed"]
    assert "half \\ud800" in failed["reason"]


@pytest.mark.parametrize("summary", [None, "done", {"table": TABLE}])
def test_a_summary_that_is_none_is_told(tmp_path, toy, summary):
    toy(A).summarise = returning(summary)
    with pytest.raises(ValueError, match=rf"^{HERE}function\(\) must return a .*Summary; found "):
        run_study(settings_for(tmp_path))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Summary("x", {"t": TABLE}, remarks=["a", 5]), r"remarks of a summary must be texts; found 5"),
        (lambda: Summary("x", {"t": TABLE}, remarks="abc"), r"remarks of a summary must be a list of texts"),
        (lambda: Summary("x\ud800", {"t": TABLE}), r"title of a summary must be a text"),
        (lambda: Summary(None, {"t": TABLE}), r"title of a summary must be a text"),
        (lambda: Summary("x", [TABLE]), r"tables of a summary must be a mapping"),
        (lambda: Summary("x", {"t": [[1]]}), r"the table t must be a babylm.tables.Table"),
        (lambda: Summary("x", {"../../evil": TABLE}), r"a table is called '../../evil': it is written to a file"),
        (lambda: Summary("x", {"/tmp/evil": TABLE}), r"a table is called"),
        (lambda: Summary("x", {"a\\b": TABLE}), r"a table is called"),
        (lambda: Summary("x", {"": TABLE}), r"a table is called ''"),
        (lambda: Summary("x", {".lock": TABLE}), r"a table is called '.lock'"),
        (lambda: Summary("x", {"a\0": TABLE}), r"a table is called"),
        (lambda: Summary("x", {"a" * 300: TABLE}), r"a table is called"),
        (lambda: Summary("x", {5: TABLE}), r"a table is called 5"),
        (lambda: Summary("x", {"measurements": TABLE}), r"the table measurements has the name of the file of all"),
        (lambda: Summary("x", {"Measurements": TABLE}), r"the table Measurements has the name of the file"),
        (lambda: Summary("x", {"Effects": TABLE, "effects": TABLE}), r"the table effects has .* of another"),
    ],
)
def test_a_summary_that_cannot_be_written_is_told(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_wrong_summary_is_told_with_its_file(tmp_path, toy):
    toy(A).summarise = lambda *given: Summary("x", {"../evil": TABLE})
    with pytest.raises(ValueError, match=rf"^{HERE}<lambda>\(\): a table is called '../evil'"):
        run_study(settings_for(tmp_path))
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("rows", [[("x",)], [("x", [1])], [("\ud800", 1.0)], [5]])
def test_a_table_that_cannot_be_written_is_told_and_nothing_is(tmp_path, toy, rows):
    toy(A).summarise = returning(Summary("x", {"t": Table.of(("a", "b"), rows, formats=("", ".2f"))}))
    with pytest.raises(ValueError, match=rf"^{HERE}function\(\): a table of its summary cannot be written"):
        run_study(settings_for(tmp_path))
    assert not (tmp_path / "toy" / "summary.md").exists()


def test_an_infinite_number_in_a_table_is_written(tmp_path, toy):
    toy(A).summarise = returning(Summary("x", {"t": Table.of(("a", "b"), [("x", float("inf"))])}))
    folder = run_study(settings_for(tmp_path))
    assert json.loads((folder / "summary.json").read_text())["tables"]["t"]["rows"] == [["x", "inf"]]
