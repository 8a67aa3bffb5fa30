"""Tables of the relational study: behaviour by condition, contrasts, gates of the controls, power.

A measure of a task in a condition is named ``C abandonment``; its values are paired by seed and task.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babylm.studies import _gates
from babylm.studies._relational_messages import CONDITIONS, TITLES
from babylm.studies._relational_planted import PLANTED
from babylm.studies.experiment import Measurements
from babylm.studies.statistics import (
    achieved_power,
    benjamini_hochberg,
    bootstrap_mean,
    mcnemar_test,
    sign_flip_test,
)
from babylm.tables import Table

CONTRASTS: Mapping[str, Mapping[str, int]] = {
    "C - B": {"C": 1, "B": -1},
    "C - D": {"C": 1, "D": -1},
    "C - E": {"C": 1, "E": -1},
    "C - F": {"C": 1, "F": -1},
    "structure (C + F) - (B + E)": {"C": 1, "F": 1, "B": -1, "E": -1},
    "register (C + E) - (B + F)": {"C": 1, "E": 1, "B": -1, "F": -1},
    "interaction C - E - F + B": {"C": 1, "E": -1, "F": -1, "B": 1},
}
PAIRS = ("C - B", "C - D", "C - E", "C - F")
INTERACTION = "interaction C - E - F + B"
FAMILIES = ("abandonment", "persistence", "strategy change", "recovery")
"""Measures whose contrasts are corrected together."""
ALPHA = 0.05
FLIPS = 4_000_000
"""Signs flipped per test, unless that gives fewer than 1000 resamples."""
POWER_NEEDED, EFFECT, WITHIN, EFFECT_TASKS = 0.8, PLANTED["C"] - PLANTED["B"], 0.10, 200
Values = NDArray[np.float64]


class Paired:
    """Values of subjects by condition and measure, aligned by seed and task."""

    def __init__(self, measurements: Measurements) -> None:
        self._values: dict[tuple[str, str], dict[tuple[int, str], float]] = {}
        for row in measurements:
            self._values.setdefault((row.condition, row.measure), {})[row.seed, row.item] = row.value

    def subjects(self) -> list[str]:
        """Subjects that have been measured, in order."""
        return list(dict.fromkeys(subject for subject, _ in self._values))

    def measures(self, subject: str) -> list[str]:
        """Measures of a subject without their condition, in order."""
        names = (measure.split(" ", 1) for of_subject, measure in self._values if of_subject == subject)
        return list(dict.fromkeys(name[1] for name in names if len(name) == 2 and name[0] in CONDITIONS))

    def seeds(self, subject: str) -> list[int]:
        """Seeds of a subject."""
        return sorted({seed for (name, _), values in self._values.items() if name == subject for seed, _ in values})

    def single(self, subject: str, measure: str) -> list[float]:
        """All values of a measure that belongs to no condition."""
        return list(self._values.get((subject, measure), {}).values())

    def by_item(self, subject: str, measure: str) -> dict[str, float]:
        """Item -> mean over seeds of a measure that belongs to no condition."""
        values: dict[str, list[float]] = {}
        for (_, item), value in self._values.get((subject, measure), {}).items():
            values.setdefault(item, []).append(value)
        return {item: float(np.mean(of_item)) for item, of_item in values.items()}

    def matrix(self, subject: str, measure: str, weights: Mapping[str, int], seeds: Sequence[int] = ()) -> Values:
        """(seeds, tasks) weighted sum over conditions, NaN where one is missing; of all seeds if none are given."""
        parts = [self._values.get((subject, f"{condition} {measure}"), {}) for condition in weights]
        shared = [key for key in parts[0] if all(key in part for part in parts)]
        rows = list(seeds) or sorted({seed for seed, _ in shared})
        items = list(dict.fromkeys(item for _, item in shared))
        matrix = np.full((len(rows), len(items)), np.nan)
        row_of, column_of = ({key: n for n, key in enumerate(keys)} for keys in (rows, items))
        for seed, item in shared:
            if seed in row_of:
                values = (weight * part[seed, item] for weight, part in zip(weights.values(), parts, strict=True))
                matrix[row_of[seed], column_of[item]] = sum(values)
        return matrix

    def mean(self, subject: str, measure: str, condition: str) -> float | None:
        """Mean over seeds and tasks; None if it has not been measured."""
        values = self.flat(subject, measure, {condition: 1})
        return float(values.mean()) if len(values) else None

    def flat(self, subject: str, measure: str, weights: Mapping[str, int], seeds: Sequence[int] = ()) -> Values:
        """(pairs,) the same without missing values."""
        matrix = self.matrix(subject, measure, weights, seeds)
        return matrix[~np.isnan(matrix)]


def p_values(paired: Paired, subject: str, measure: str, seeds: Sequence[int] = (), resamples: int = 10_000) -> Values:
    """(7,) sign-flip p values of `CONTRASTS`, not corrected; NaN without a pair."""
    differences = [paired.flat(subject, measure, weights, seeds) for weights in CONTRASTS.values()]
    # A control has thousands of pairs over its seeds: fewer resamples, which bound its p by 0.001 from below.
    fewer = [max(1000, min(resamples, FLIPS // max(len(d), 1))) for d in differences]
    return np.array([sign_flip_test(d, n).p if len(d) else np.nan for d, n in zip(differences, fewer, strict=True)])


def mcnemar_values(paired: Paired, subject: str, seeds: Sequence[int] = ()) -> Values:
    """(4,) McNemar p values of abandonment for `PAIRS`, not corrected."""
    values = []
    for name in PAIRS:
        differences = paired.flat(subject, "abandonment", CONTRASTS[name], seeds)
        if not len(differences):
            values.append(np.nan)
            continue
        # Only pairs that differ count: (1, 0) for each +1 and (0, 1) for each -1.
        values.append(mcnemar_test(differences > 0, differences < 0).p)
    return np.array(values)


def results_table(paired: Paired, measures: Sequence[str]) -> Table:
    """Mean of each measure by subject and condition; intervals for abandonment and persistence."""
    measures = [m for m in measures if any(m in paired.measures(subject) for subject in paired.subjects())]
    rows: list[list[Any]] = []
    for subject in paired.subjects():
        for condition in CONDITIONS:
            n = len(paired.flat(subject, "abandonment", {condition: 1}))
            row: list[Any] = [subject, condition, n]
            for measure in measures:
                matrix = paired.matrix(subject, measure, {condition: 1})
                has_values = matrix.size and not np.isnan(matrix).all()
                if measure in ("abandonment", "persistence"):
                    interval = bootstrap_mean(matrix, resamples=2000) if has_values else None
                    row += [interval.estimate, interval.limits(".2f")] if interval else [None] * 2
                else:
                    row.append(float(np.nanmean(matrix)) if has_values else None)
            if n:
                rows.append(row)
    with_interval = ("abandonment", "persistence")
    titles = [t for m in measures for t in ((m, f"{m}: 95 %") if m in with_interval else (m,))]
    formats = ("", "", "", *[".2f"] * len(titles))
    caption = "Behaviour after the message, with 95 % intervals; shares, and persistence in further identical calls"
    return Table.of(("subject", "message", "n", *titles), rows, left=(0, 1), formats=formats, caption=caption)


def contrasts_table(paired: Paired, measures: Sequence[str], resamples: int) -> Table:
    """Each contrast of each measure with interval, p, q (corrected within subject and measure) and McNemar's q."""
    rows: list[list[Any]] = []
    for subject in paired.subjects():
        for measure in measures:
            if measure not in paired.measures(subject):
                continue
            p = p_values(paired, subject, measure, resamples=resamples)
            q = benjamini_hochberg(p)
            exact = benjamini_hochberg(mcnemar_values(paired, subject)) if measure == "abandonment" else None
            for number, (name, weights) in enumerate(CONTRASTS.items()):
                matrix = paired.matrix(subject, measure, weights)
                if np.isnan(matrix).all():
                    continue
                interval = bootstrap_mean(matrix, resamples=2000)
                shown = None if exact is None or name not in PAIRS else float(exact[PAIRS.index(name)])
                row = [subject, measure, name, int((~np.isnan(matrix)).sum()), interval.estimate, interval.low]
                rows.append([*row, interval.high, float(p[number]), float(q[number]), shown])
    titles = ("subject", "measure", "contrast", "pairs", "effect", "low", "high", "p", "q", "McNemar q")
    formats = ("", "", "", "", *["+.3f"] * 3, *["p"] * 3)
    return Table.of(
        titles,
        rows,
        left=(0, 1, 2),
        formats=formats,
        caption="Contrasts of messages, paired by task; q: corrected by Benjamini and Hochberg",
    )


def gates_table(paired: Paired, planted: str, null: str, resamples: int) -> Table:
    """The gates on the planted and the null agent, which were fixed before the run."""
    rows: list[list[Any]] = []
    if planted in paired.subjects():
        rows += _planted_gates(paired, planted, resamples)
    if null in paired.subjects():
        seeds = paired.seeds(null)
        for family in (*FAMILIES, "abandonment, McNemar"):
            q = [
                benjamini_hochberg(
                    mcnemar_values(paired, null, [seed])
                    if "McNemar" in family
                    else p_values(paired, null, family, [seed], resamples)
                )
                for seed in seeds
            ]
            share = float(np.nanmean(np.array(q) < ALPHA))
            rows.append([f"null agent: rejections, {family}", share, "<= 0.05", _gates.verdict(share <= ALPHA)])
    titles = ("gate", "value", "needed", _gates.COLUMN)
    return Table.of(
        titles,
        rows,
        left=(0, 2, 3),
        formats=("", ".3f"),
        caption="Gates of the controls (planted effects), fixed before the run",
    )


def _planted_gates(paired: Paired, subject: str, resamples: int) -> list[list[Any]]:
    """Recovery of C - B among the first 200 tasks of each seed, and of the interaction among all."""
    seeds, significant, close, interaction = paired.seeds(subject), [], [], []
    for seed in seeds:
        few = paired.flat(subject, "abandonment", CONTRASTS["C - B"], [seed])[:EFFECT_TASKS]
        test = sign_flip_test(few, resamples)
        significant.append(test.p < 0.01)
        close.append(abs(test.effect - EFFECT) <= WITHIN)
        whole = paired.flat(subject, "abandonment", CONTRASTS[INTERACTION], [seed])
        interaction.append(sign_flip_test(whole, resamples).p < ALPHA)
    title = f"planted agent: share of {len(seeds)} seeds with "
    rows: list[list[Any]] = []
    for name, values, needed in (
        (f"C - B at p < .01, {EFFECT_TASKS} tasks", significant, 0.95),
        (f"C - B within {WITHIN:.2f} of {EFFECT:.2f}, {EFFECT_TASKS} tasks", close, 0.95),
        ("the interaction at p < .05, all tasks", interaction, POWER_NEEDED),
    ):
        share = float(np.mean(values))
        rows.append([title + name, share, f">= {needed:.2f}", _gates.verdict(share >= needed)])
    return rows


@functools.lru_cache
def simulated_power(n: int, contrast: str, repeats: int) -> float:
    """Share of simulated studies of ``n`` tasks that find a contrast, with the planted rates and independent tasks."""
    weights = CONTRASTS[contrast]

    def study(generator: np.random.Generator) -> float:
        stops = {c: generator.random(n) < PLANTED[c] for c in weights}
        return sign_flip_test(sum(w * stops[c] for c, w in weights.items()), resamples=300).p

    return achieved_power(study, repeats=repeats).estimate


def power_table(sizes: Mapping[int, str], repeats: int) -> Table:
    """Power of each number of pairs for the rates of the planted agent, were they a model's."""
    names = [name for name in CONTRASTS if "D" not in name]
    rows = [
        [n, of_whom, *(simulated_power(n, name, repeats) for name in names)] for n, of_whom in sorted(sizes.items())
    ]
    titles = ("pairs", "pairs of", *names)
    return Table.of(
        titles,
        rows,
        left=(1,),
        formats=("", "", *[".2f"] * len(names)),
        caption="Power at p < .05, for the rates of the planted agent",
    )


def sizes(paired: Paired, repeats: int) -> dict[int, str]:
    """Numbers of pairs for the table of power: those of the reference, and those of each model."""
    made = dict.fromkeys((50,) if repeats < 100 else (50, 100, 200, 300), "")
    for subject in paired.subjects():
        n = len(paired.flat(subject, "abandonment", CONTRASTS["C - B"]))
        if "agent" not in subject and n > 1:
            made[n] = f"{made.get(n, '')} {subject}".strip()
    return made


def draw_contrasts(paired: Paired) -> Callable[[Any], None]:
    """What draws abandonment by condition with 95 % intervals, one row per condition and subject."""

    def draw(axes: Any) -> None:
        from babylm.reporting.charts import COLOURS

        subjects = paired.subjects()
        for number, subject in enumerate(subjects):
            for place, condition in enumerate(CONDITIONS):
                matrix = 100 * paired.matrix(subject, "abandonment", {condition: 1})
                if not matrix.size or np.isnan(matrix).all():
                    continue
                interval = bootstrap_mean(matrix, resamples=2000)
                y, colour = place + 0.15 * (number - (len(subjects) - 1) / 2), COLOURS[number % len(COLOURS)]
                label = subject if place == 0 else None
                axes.plot([interval.low, interval.high], [y, y], color=colour, linewidth=2)
                axes.plot(interval.estimate, y, "o", color=colour, markersize=5, label=label)
        axes.set_yticks(range(len(CONDITIONS)), TITLES)
        axes.set_ylim(len(CONDITIONS) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("episodes in which the agent gives up: abandonment (%)")
        axes.legend()

    return draw
