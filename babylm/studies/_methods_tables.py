"""Tables, figure and gates of the study of interaction methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from babylm.studies import _gates
from babylm.studies.experiment import Measurements
from babylm.studies.statistics import Interval, bootstrap_mean
from babylm.tables import Table

OWN = ("corruptions told", "replies told", "corrections preferred", "teacher's score")
"""What the methods aim at: shares of pairs told right, and the teacher's mean log-probability per token, in nats."""
STORIES, CHILDREN, AGES = "stories, words", "children", "word ages"
MORE = {
    STORIES: ("story reward", "story's score", "words per story", "words known"),
    CHILDREN: ("caregiver's reward",),
}
"""What some arms are measured by in addition. Stories: reward from 0 to 1; the teacher's mean log-probability per token
of a story, and the student's of frequent words, in nats. Children: the reward, in deviations of the base's own."""
SHOWN = {"words known": "frequent words, log-probability"}
"""Measure -> its name in tables and figures, where it is another one."""
NATS = ("held-out loss", "teacher's score", "story's score", "words per story", "words known", "caregiver's reward")
"""Measures in nats, words or deviations; all others are shares, shown in per cent."""


def control(name: str, measured: str) -> str:
    """The arm ``base`` or ``plain`` with what it is measured by in addition: a piece of its own.

    >>> control("base", "children")
    'base (children)'
    """
    return f"{name} ({measured})"


def control_of(name: str, measure: str) -> str:
    """The control ``base`` or ``plain`` that has this measure."""
    return next((control(name, measured) for measured, measures in MORE.items() if measure in measures), name)


GATES = (
    ("MPO tells corruptions", "MPO", "base", "corruptions told", 5.0),
    ("DPO tells replies", "DPO on replies", "base", "replies told", 2.0),
    ("SimPO prefers corrections", "SimPO on corrections", "", "corrections preferred", 80.0),
    ("SimPO is likelier to the teacher", "SimPO on corrections", "base", "teacher's score", 0.1),
    ("scores beat random scores", "GRPO on scores", "random scores", "teacher's score", 0.05),
    ("stories are rewarded more", "story reward", control("base", STORIES), "story reward", 5.0),
    ("story rewards beat random ones", "story reward", "random story reward", "story reward", 5.0),
    ("TnD finds frequent words likelier", "TnD", control("plain", STORIES), "words known", 0.02),
    ("TnD needs demonstrations", "TnD", "trials alone", "words known", 0.0),
    ("TnD needs trials", "TnD", "demonstrations alone", "words known", 0.0),
    ("a caregiver's reward is learnt", "caregiver reward", control("base", CHILDREN), "caregiver's reward", 0.2),
    ("it beats a random one", "caregiver reward", "random caregiver reward", "caregiver's reward", 0.2),
)
"""Arm minus control (or, without one, the arm itself) must be at least so many points or nats; fixed before the run."""
LOSS_OF_TASKS = -0.5
"""Points that a method may lose on the first task, in the mean."""


def _scale(measure: str) -> float:
    return 1.0 if measure in NATS else 100.0


def difference(measurements: Measurements, arm: str, other: str, measure: str) -> Interval | None:
    """Mean of ``arm`` minus ``other``, paired by seed and item, in points or nats; None if one is not measured.

    Without ``other``, the mean itself.
    """
    control = measurements.matrix(other, measure) if other else 0.0
    values = _scale(measure) * (measurements.matrix(arm, measure) - control)
    return None if values.size == 0 or np.isnan(values).all() else bootstrap_mean(values)


def results(measurements: Measurements, measures: Sequence[str]) -> Table:
    """A row per arm: the mean of each measure over seeds and items, and the tokens learnt from."""
    rows = []
    for arm in measurements.conditions:
        values = [measurements.select(arm, measure).values for measure in (*measures, "tokens learnt from")]
        shown = [float(np.nanmean(v)) if len(v) and not np.isnan(v).all() else None for v in values]
        scaled = [None if v is None else _scale(m) * v for m, v in zip(measures, shown, strict=False)]
        rows.append([arm, *scaled, shown[-1]])
    formats = ["", *(".3f" if measure in NATS else ".1f" for measure in measures), ",.0f"]
    return Table.of(
        ["arm", *(SHOWN.get(measure, measure) for measure in measures), "tokens learnt from"],
        rows,
        formats=formats,
        caption="Means; nats or %",
    )


def differences(measurements: Measurements, measures: Sequence[str]) -> Table:
    """Each arm against the base and against plain training, with 95 % intervals."""
    rows = []
    for arm in measurements.conditions:
        for measure in measures:
            cells: list[object] = []
            for name in ("base", "plain"):
                other = control_of(name, measure)
                interval = None if arm == other else difference(measurements, arm, other, measure)
                cells += [None, ""] if interval is None else [interval.estimate, interval.limits("+.2f")]
            if any(cells):
                rows.append([arm, SHOWN.get(measure, measure), *cells])
    titles = ["arm", "measure", "minus base", "95 % (base)", "minus plain", "95 % (plain)"]
    formats = ["", "", "+.2f", "", "+.2f", ""]
    return Table.of(titles, rows, left=(0, 1), formats=formats, caption="Points, or nats for losses and scores")


def gates(measurements: Measurements, tasks: Sequence[str], more: Sequence[list[object]] = ()) -> Table:
    """Each gate with its value, its interval and whether it is met; ``more``: further rows."""
    rows: list[list[object]] = []
    tests = list(GATES)
    if tasks:
        tests += [
            (f"{arm} keeps {tasks[0]}", arm, "base", tasks[0], LOSS_OF_TASKS) for arm in ("MPO", "DPO on replies")
        ]
    for title, arm, other, measure, least in tests:
        interval = difference(measurements, arm, other, measure)
        if interval is not None:
            met = _gates.verdict(interval.estimate >= least)
            shown = SHOWN.get(measure, measure)
            compared = f"{shown}, minus {other}" if other else shown
            rows.append([title, compared, interval.estimate, interval.limits("+.2f"), f">= {least:g}", met])
    titles = ["gate", "measure", "value", "95 %", "needed", _gates.COLUMN]
    return Table.of(
        titles,
        [*rows, *more],
        left=(0, 1, 4, 5),
        formats=["", "", "+.2f", "", "", ""],
        caption="Gates, fixed before the run",
    )


def draw(measurements: Measurements, measures: Sequence[str]) -> Callable[[Any], None]:
    """What draws each arm's difference from plain training, with its interval, measure by measure (shares alone)."""

    def figure(axes: Any) -> None:
        from babylm.reporting.charts import COLOURS

        controls = {"base", "plain", *(control(name, measured) for name in ("base", "plain") for measured in MORE)}
        shown = [measure for measure in measures if measure not in NATS]
        measured_arms = {row.condition for row in measurements if row.measure in shown}
        arms = [arm for arm in measurements.conditions if arm in measured_arms - controls]
        for number, arm in enumerate(arms):
            colour = COLOURS[number % len(COLOURS)]
            offset = 0.12 * (number - (len(arms) - 1) / 2)
            for row, measure in enumerate(shown):
                interval = difference(measurements, arm, control_of("plain", measure), measure)
                if interval is not None:
                    axes.plot([interval.low, interval.high], [row + offset] * 2, color=colour, linewidth=2)
                    axes.plot(interval.estimate, row + offset, "o", color=colour, label=arm if row == 0 else None)
        axes.axvline(0, color="grey", linewidth=0.8)
        axes.set_yticks(range(len(shown)), shown)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel("minus plain training, points")
        axes.legend(fontsize=8)

    return figure
