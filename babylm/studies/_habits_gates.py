"""What the study of habits needs before reinforcement learning, and what the paper lets expect of it afterwards.

All of it was fixed before the runs. Preconditions decide whether reinforcement learning begins; expectations are
reported as they came.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from babylm.studies import _gates
from babylm.studies import _habits_tables as tables
from babylm.studies._habits_traces import BACKTRACKING, VERIFICATION
from babylm.studies.experiment import Measurements
from babylm.studies.statistics import Interval
from babylm.tables import Table

ARITHMETIC, COPYING = "arithmetic", "copying"
SEARCHING, DIRECT = "all", ("none", "empty")
NEEDED = (SEARCHING, *DIRECT)
"""Arms that the preconditions are about."""
BASE = "base"
before = tables.before


@dataclass(frozen=True)
class Precondition:
    """A share of right answers that must be reached, or not be passed."""

    title: str
    value: float
    """NaN if it has not been measured."""
    limit: float
    is_least: bool

    @property
    def is_met(self) -> bool:
        """Whether it holds."""
        return self.value >= self.limit if self.is_least else self.value <= self.limit

    def __str__(self) -> str:
        sign, word = (">=" if self.is_least else "<="), _gates.verdict(None if np.isnan(self.value) else self.is_met)
        shown = "" if np.isnan(self.value) else f" {self.value:.3f}"
        return f"{self.title}{shown} ({sign} {self.limit:g}, {word})"


def of_base(measurements: Measurements) -> list[Precondition]:
    """The base calculates and copies."""
    return [
        Precondition(f"{measure} of the base", measurements.mean(BASE, measure), 0.98, True)
        for measure in (ARITHMETIC, COPYING)
    ]


def of_primed(measurements: Measurements) -> list[Precondition]:
    """A primed search is right often enough to be reinforced, and problems cannot be answered without one."""
    right = tables.at(tables.RIGHT, 0)
    return [
        Precondition("all before reinforcement", measurements.mean(before(SEARCHING), right), 0.15, True),
        *(
            Precondition(f"{name} before reinforcement", measurements.mean(before(name), right), 0.10, False)
            for name in DIRECT
        ),
    ]


def remarks(measurements: Measurements, gate: bool) -> list[str]:
    """The preconditions, and what followed from those that are missed."""
    preconditions = [*of_base(measurements), *of_primed(measurements)]
    said = [f"Preconditions: {'; '.join(map(str, preconditions))}."]
    missed = [precondition.title for precondition in preconditions if not precondition.is_met]
    if missed and gate:
        said.append(f"Reinforcement learning was not begun, as these are missed: {', '.join(missed)}.")
    elif missed:
        said.append("gate=false: reinforcement learning was begun although preconditions are missed.")
    return said


def expectations(measurements: Measurements, steps: int) -> Table:
    """What the paper lets expect after equal reinforcement learning, with what came out, in points."""
    right = tables.at(tables.RIGHT, steps)
    rows: list[list[object]] = []

    def compare(title: str, arm: str, other: str, least: float | None, most: float | None, paper: str) -> None:
        interval = tables.difference(measurements, arm, other, right)
        if interval is not None:
            within = (least is None or interval.estimate >= least) and (most is None or interval.estimate <= most)
            rows.append([title, interval.estimate, interval.low, interval.high, paper, _gates.verdict(within)])

    compare("all - none >= 15", "all", "none", 15.0, None, "+23 to +38")
    compare("wrong - all within 8", "wrong", "all", -8.0, 8.0, "-2 to +2")
    compare("dots - empty within 10", "dots", "empty", -10.0, 10.0, "-7 to -5")
    compare("empty - all <= -15", "empty", "all", None, -15.0, "-36 to -30")
    compare("dots - all <= -15", "dots", "all", None, -15.0, "-43 to -35")
    compare("enriched - matched text > 0", "enriched text", "matched text", 1e-9, None, "+13")
    for habit in (VERIFICATION, BACKTRACKING):
        interval = _more(measurements, habit, steps)
        if interval is not None:
            rows.append([f"{habit} per trace, all - none > 0", *_shown(interval), "", _gates.verdict(interval.low > 0)])
    titles = ("expected", "points", "low", "high", "paper", _gates.COLUMN)
    formats = ("", "+.1f", "+.1f", "+.1f")
    return Table.of(titles, rows, left=(0, 5), formats=formats, caption="Expected after equal reinforcement learning")


def _more(measurements: Measurements, habit: str, steps: int) -> Interval | None:
    return tables.difference(measurements, "all", "none", tables.at(habit, steps), scale=1.0)


def _shown(interval: Interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high
