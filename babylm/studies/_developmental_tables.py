"""Tables and figure of the study of developmental order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from babylm.evaluation.results.blimp_phenomena import BLIMP
from babylm.studies.experiment import Measurements
from babylm.studies.statistics import bootstrap_mean, spearman
from babylm.tables import Table

AT_FIRST, AT_FIRST_WORD = "acquired at the first revision", "word acquired at the first revision"
CHANCE = "chance"
UNTRAINED, BEFORE_TRAINING = "untrained", "above the mark before training"
"""The run's first weights as a revision, and what is acquired at the first revision and was there before training."""
ORDER_FEWEST = 3
"""Fewest parts that two orders are compared on."""


def order(measurements: Measurements) -> Table:
    """A row per phenomenon (or part), earliest first in the mean: words until it is acquired, by condition."""
    names = measurements.select(measure="final accuracy").conditions
    matrices = {name: measurements.matrix(name, "acquired") for name in names}
    items = measurements.select(measure="acquired").items
    rows = []
    for title, members in _groups(items, measurements.select(measure="final accuracy").items).items():
        columns = [index for index, item in enumerate(items) if item in members]
        row: list[Any] = [title]
        for name in names:
            values = matrices[name][:, columns]
            acquired = int((~np.isnan(values)).sum())
            if acquired:
                interval = bootstrap_mean(values)
                shown = f"{10**interval.low:,.0f} to {10**interval.high:,.0f}" if acquired > 1 else None
                row += [10**interval.estimate, shown]
            else:
                row += [None, None]
            of_all = len(members) * len(measurements.select(name, "final accuracy").seeds)
            row.append(f"{acquired}/{of_all}{_at_first(measurements, name, members)}")
        rows.append(row)
    rows.sort(key=lambda row: np.mean([value for value in row[1::3] if value is not None] or [np.inf]))
    titles = [f"{name}: {title}" for name in names for title in ("words", "95 %", "acquired")]
    formats = [",.0f", "", ""] * len(names)
    caption = "Words read when a phenomenon is acquired: geometric mean over seeds and paradigms, 95 % bootstrap"
    return Table.of(("phenomenon", *titles), rows, formats=("", *formats), caption=caption)


def _at_first(measurements: Measurements, name: str, members: set[str]) -> str:
    """ " (2 at first)": how many are acquired at the first measured revision already; empty for none.

    " (2 at first, 1 untrained)": the random weights have one of them above the mark, too.
    """
    count, untrained = (
        int(sum(row.value for row in measurements.select(name, measure) if row.item in members))
        for measure in (AT_FIRST, BEFORE_TRAINING)
    )
    return f" ({count} at first{f', {untrained} untrained' if untrained else ''})" if count else ""


def early(measurements: Measurements) -> str:
    """What is to be said of what is acquired at the first revision; empty if nothing is."""
    parts = int(measurements.select(measure=AT_FIRST).values.sum())
    words = int(measurements.select(measure=AT_FIRST_WORD).values.sum())
    if not parts + words:
        return ""
    said = (
        f"Acquired at the first revision that was measured (the table says: at first) are {parts} parts of the task "
        f"and {words} words, over all seeds: there the words read are an upper bound."
    )
    before = measurements.select(measure=BEFORE_TRAINING).values
    if not len(before):
        return f"{said} The preference may be one that the untrained model has (it was not measured)."
    return f"{said} Of the {len(before)} parts {int(before.sum())} are above the mark in the untrained model, too."


def _groups(acquired: Sequence[str], everything: Sequence[str]) -> dict[str, set[str]]:
    """BLiMP's phenomena with their paradigms; every part for itself in other tasks."""
    phenomena = {uid for group in BLIMP.values() for uid in group}
    if set(everything) == phenomena:
        return {name: set(uids) for name, uids in BLIMP.items()}
    return {item: {item} for item in dict.fromkeys([*acquired, *everything])}


def agreement(measurements: Measurements, measure: str) -> Table:
    """Rank correlations of orders: between seeds of a condition, and between conditions (means over seeds)."""
    names = measurements.select(measure=measure).conditions
    rows: list[list[Any]] = []
    for name in names:
        matrix = measurements.matrix(name, measure)
        pairs = [_spearman(a, b) for a, b in itertools.combinations(matrix, 2)]
        correlations = [value for value in pairs if value is not None]
        if correlations:
            estimates = [value[0] for value in correlations]
            rows.append(
                [
                    f"{name}: two seeds",
                    float(np.mean(estimates)),
                    min(estimates),
                    max(estimates),
                    None,
                    correlations[0][4],
                ]
            )
    for first, second in itertools.combinations(names, 2):
        result = _spearman(_mean(measurements.matrix(first, measure)), _mean(measurements.matrix(second, measure)))
        if result is not None:
            rows.append([f"{first} and {second}", *result])
    caption = "Agreement of orders (Spearman): range over pairs of seeds, 95 % bootstrap over parts between objectives"
    return Table.of(
        ("orders", "rho", "low", "high", "p", "parts"),
        rows,
        formats=("", ".3f", ".3f", ".3f", "p", ","),
        caption=caption,
    )


def _mean(matrix: np.ndarray) -> np.ndarray:
    """(items,) mean over seeds of what is known; NaN if nothing is."""
    mean: np.ndarray = np.ma.masked_invalid(matrix).mean(axis=0).filled(np.nan)
    return mean


def _of_items(measurements: Measurements, name: str, measure: str, items: Sequence[str]) -> np.ndarray:
    """(items,) mean over seeds of a condition's measure; NaN for an item without one."""
    by_item: dict[str, list[float]] = {}
    for row in measurements.select(name, measure):
        by_item.setdefault(row.item, []).append(row.value)
    return np.array([np.mean(by_item[item]) if item in by_item else np.nan for item in items])


def _spearman(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float, float | None, int] | None:
    """(rho, low, high, p, n) of what both have; None for fewer than three, or one value everywhere."""
    both = ~(np.isnan(a) | np.isnan(b))
    if both.sum() < ORDER_FEWEST or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return None
    result = spearman(a[both], b[both])
    return result.estimate, result.low, result.high, result.p, int(both.sum())


def words(measurements: Measurements) -> Table:
    """Rank correlations with the ages of children: the model's, that of frequency, and the model's without it."""
    rows: list[list[Any]] = []
    for name in measurements.select(measure="child age").conditions:
        listed = measurements.select(name, "child age").items
        model, age, frequency = (
            _of_items(measurements, name, measure, listed)
            for measure in ("word acquired", "child age", "log frequency")
        )
        for title, a, b in (
            ("model and children", model, age),
            ("frequency and children (control)", frequency, age),
            ("model and frequency", model, frequency),
            ("model and children, frequency taken out", *_residuals(model, age, frequency)),
        ):
            result = _spearman(a, b)
            rows.append([name, title, *(result or (None, None, None, None, int((~np.isnan(a + b)).sum())))])
    caption = "When words are acquired: rank correlations (Spearman) with 95 % bootstrap intervals over words"
    titles = ("condition", "of", "rho", "low", "high", "p", "words")
    return Table.of(titles, rows, left=(0, 1), formats=("", "", ".3f", ".3f", ".3f", "p", ","), caption=caption)


def _residuals(model: np.ndarray, age: np.ndarray, frequency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of model and age without what the rank of frequency explains linearly; NaN where one is missing."""
    from scipy.stats import rankdata

    complete = ~np.isnan(model + age + frequency)
    results = []
    for values in (model, age):
        left = np.full(len(values), np.nan)
        if complete.sum() >= ORDER_FEWEST and np.ptp(frequency[complete]) > 0:
            x, y = rankdata(frequency[complete]), rankdata(values[complete])
            slope, intercept = np.polyfit(x, y, 1)
            left[complete] = y - slope * x - intercept
        results.append(left)
    return results[0], results[1]


def scores(measurements: Measurements) -> Table:
    """A row per condition and revision: FLOPs spent, score with its range over seeds."""
    rows = []
    for name in measurements.select(measure="score").conditions:
        of_condition = measurements.select(name)
        for revision in of_condition.select(measure="score").items:
            values = 100 * of_condition.select(measure="score", item=revision).values
            flops = of_condition.select(measure="flops", item=revision).values
            rows.append([name, revision, flops.mean(), values.mean(), values.min(), values.max(), len(values)])
    titles = ("condition", "revision", "FLOPs", "score %", "lowest", "highest", "seeds")
    caption = "Score over training FLOPs"
    return Table.of(titles, rows, left=(0, 1), formats=("", "", ".3g", ".1f", ".1f", ".1f", ","), caption=caption)


def draw_scores(measurements: Measurements, task: str) -> Callable[[Any], None]:
    """What draws the score over FLOPs: a line per seed, the conditions in colours, and chance."""

    def draw(axes: Any) -> None:
        from babylm.reporting.charts import COLOURS

        for number, name in enumerate(measurements.select(measure="score").conditions):
            for position, seed in enumerate(measurements.select(name).seeds):
                of_seed = measurements.select(name, seed=seed)
                values, flops = of_seed.by_item(name, "score"), of_seed.by_item(name, "flops")
                line = sorted((flops[item], 100 * values[item]) for item in values if flops[item] > 0)
                label = name if position == 0 else None
                colour = COLOURS[number % len(COLOURS)]
                axes.plot(*zip(*line, strict=True), "o-", color=colour, label=label, markersize=3, linewidth=1.2)
        axes.set_xscale("log")
        axes.set_xlabel("training FLOPs")
        axes.set_ylabel(f"right on {task} (%)")
        chance = measurements.select(measure=CHANCE).values
        if len(chance):
            axes.axhline(100 * chance.max(), color="grey", linewidth=0.8, linestyle="--", label="chance")
        axes.legend(frameon=False)

    return draw
