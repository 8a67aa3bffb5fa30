"""A study in one file, as a user writes it: its text is put into a folder ``studies`` and added by --plugins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from babylm import registry

TEXT = '''
"""Planted: a warm tone makes 20 % more answers wrong; the placebo changes nothing."""

from dataclasses import dataclass

import numpy as np

from babylm.config.fields import number
from babylm.config.studies import StudyConfig
from babylm.studies.experiment import Condition, Summary, draw_means
from babylm.studies.statistics import benjamini_hochberg, bootstrap_mean, logistic_effects, sign_flip_test
from babylm.tables import Table


@dataclass
class Settings(StudyConfig):
    """Its settings."""

    questions: int = number(100, "[1, 1e5]")
    """Questions per piece."""
    effect: float = number(0.2, "[0, 0.5]")
    """Share of wrong answers that a warm tone adds."""


def conditions(settings):
    return [Condition(tone, {"tone": tone}, seconds=2.0) for tone in ("neutral", "warm", "placebo")]


def run(piece, settings):
    difficulty = np.random.default_rng(piece.seed).uniform(0.1, 0.5, settings.questions)  # the same for all tones
    probability = difficulty + settings.effect * (piece.settings["tone"] == "warm")
    wrong = piece.generator().random(settings.questions) < probability
    return [piece.measurement(value, f"question {number}", "wrong") for number, value in enumerate(wrong)]


def summarise(measurements, settings):
    reference = measurements.matrix("neutral", "wrong")  # (seeds, questions)
    rows, p_values = [], []
    for tone in ("warm", "placebo"):
        differences = measurements.matrix(tone, "wrong") - reference
        interval = bootstrap_mean(differences)
        p_values.append(sign_flip_test(differences.ravel(), resamples=2000).p)
        rows.append([tone, interval.estimate, interval.low, interval.high])
    table = [[*row, p] for row, p in zip(rows, benjamini_hochberg(p_values), strict=True)]
    effects = logistic_effects(measurements.values, {"tone": [row.condition for row in measurements]})
    marginal = [[effect.level, effect.effect, effect.p] for effect in effects]
    return Summary(
        "Planted effect: a warm tone makes answers wrong",
        {
            "differences": Table.of(("tone", "difference", "low", "high", "p"), table, formats=("", *[".3f"] * 4)),
            "effects": Table.of(("tone", "effect", "p"), marginal, formats=("", ".3f", ".3f")),
        },
        draw_means(measurements, "wrong", label="wrong answers (%)", scale=100),
        ["The effect was planted by the study itself; it says nothing about language models."],
    )
'''
YAML = "study: planted\nseeds: [1, 2, 3]\n"


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for --plugins; the registry forgets it after the test."""
    monkeypatch.setattr(registry, "_ADDED", {folder: {} for folder in registry.FOLDERS})
    for name in [name for name in sys.modules if name.startswith("babylm_plugins")]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "plugins" / "studies").mkdir(parents=True)
    (tmp_path / "plugins" / "studies" / "planted.py").write_text(TEXT)
    (tmp_path / "planted.yaml").write_text(YAML)
    return tmp_path / "plugins"
