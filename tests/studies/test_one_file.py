"""A study in one file, through the command: planted effect found, null not, files written, same seeds same table."""

from __future__ import annotations

import csv
import json
import re
import sys

from babylm import api, study
from babylm.console import Log
from babylm.studies.experiment import Measurements
from tests.studies.planted import plugins

__all__ = ["plugins"]


def command(tmp_path, plugins, *words):
    return study._command(["--plugins", str(plugins), str(tmp_path / "planted.yaml"), f"folder={tmp_path}", *words])


def test_the_planted_effect_is_found_and_the_null_is_not(tmp_path, plugins, capsys):
    assert command(tmp_path, plugins) == 0
    folder = tmp_path / "planted"
    with open(folder / "differences.csv", encoding="utf-8") as file:
        by_tone = {row["tone"]: {key: float(row[key]) for key in row if key != "tone"} for row in csv.DictReader(file)}
    warm, placebo = by_tone["warm"], by_tone["placebo"]
    assert abs(warm["difference"] - 0.2) < 0.08
    assert warm["p"] < 0.01
    assert warm["low"] > 0
    assert placebo["p"] > 0.05
    assert placebo["low"] < 0 < placebo["high"]

    content = json.loads((folder / "summary.json").read_text())
    assert content["title"] == "Planted effect: a warm tone makes answers wrong"
    assert (content["pieces"], content["failed"], content["seeds"]) == (9, [], [1, 2, 3])
    assert content["tables"]["differences"]["rows"][0][0] == "warm"
    assert content["figure"] == "figure.png"
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    measured = Measurements.read_csv(folder / "measurements.csv")
    assert len(measured) == 9 * 100
    assert measured.matrix("warm", "wrong").shape == (3, 100)
    shown = capsys.readouterr().out
    assert "says nothing about language models" in shown
    assert "9 pieces" in shown

    tables = {name: (folder / name).read_bytes() for name in ("measurements.csv", "differences.csv", "summary.md")}
    assert command(tmp_path, plugins, "name=again") == 0
    assert tables == {name: (tmp_path / "again" / name).read_bytes() for name in tables}, "same seeds, same table"


def test_the_library_runs_it_too(tmp_path, plugins):
    api.add_plugins(plugins)
    folder = api.study(tmp_path / "planted.yaml", folder=tmp_path, seeds=[4], log=Log(quiet=True))
    assert json.loads((folder / "summary.json").read_text())["seeds"] == [4]


def test_without_matplotlib_there_is_everything_but_the_figure(tmp_path, plugins, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert command(tmp_path, plugins, "seeds=[1]") == 0
    assert "no figure is drawn: it needs matplotlib: pip install 'babylm[report]'" in capsys.readouterr().out
    assert json.loads((tmp_path / "planted" / "summary.json").read_text())["figure"] is None


def test_another_setting_is_another_piece_and_another_name_of_the_folder_is_not(tmp_path, plugins):
    assert command(tmp_path, plugins, "seeds=[1]") == 0
    pieces = set((tmp_path / "planted" / "pieces").iterdir())
    assert command(tmp_path, plugins, "seeds=[1]", "time_limit=1000") == 0
    assert set((tmp_path / "planted" / "pieces").iterdir()) == pieces
    assert command(tmp_path, plugins, "seeds=[1]", "effect=0") == 0
    assert len(set((tmp_path / "planted" / "pieces").iterdir())) == 2 * len(pieces)
    with open(tmp_path / "planted" / "differences.csv", encoding="utf-8") as file:
        assert all(float(row["p"]) > 0.05 for row in csv.DictReader(file)), "no effect was planted"


def test_what_is_wrong_is_said_before_anything_runs(tmp_path, plugins, capsys):
    for word, message in (
        ("question=5", "question: unknown key; did you mean questions?"),
        ("effect=2", "effect: must be at most 0.5, not 2.0"),
        ("study=plantd", "study: unknown value 'plantd'; did you mean planted?"),
        ("seeds=[1,1]", "seeds: 1 is there twice: give each once"),
        ("part=4/4", "part=4/4: give i/n"),
        ("name=a/b", "name: 'a/b' must be of letters"),
        ("scale=gpu", "scale: unknown key"),
        ("time_limit=-1", "time_limit: must be more than 0"),
    ):
        assert command(tmp_path, plugins, word) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "planted.yaml").write_text("seeds: 1\n")
    assert command(tmp_path, plugins) == 2
    told = capsys.readouterr().err
    assert "study: must name a study (one of: " in told
    assert {"planted", "recipe_search"} <= set(re.findall(r"\w+", told.split("one of:")[1]))
    (tmp_path / "planted.yaml").write_text("study: planted\nsedes: [1]\n")
    assert command(tmp_path, plugins) == 2
    assert "sedes: unknown key; did you mean seeds?" in capsys.readouterr().err
    (tmp_path / "planted.yaml").write_text("study: planted\nseeds: 1\n")
    assert command(tmp_path, plugins) == 0, "a single value is a list"
    (plugins / "studies" / "half.py").write_text("def run(piece, settings):\n    return []\n")
    assert command(tmp_path, plugins, "study=half", "name=half") == 2
    assert "must hold Settings, conditions, summarise" in capsys.readouterr().err


def test_the_help_lists_the_settings_of_every_study(plugins, capsys):
    assert study._command(["--plugins", str(plugins), "--help"]) == 0
    shown = capsys.readouterr().out
    for text in ("Settings of every study", "seeds=[1, 2, 3]", "Settings of planted", "questions=100", "scale=smoke"):
        assert text in shown
