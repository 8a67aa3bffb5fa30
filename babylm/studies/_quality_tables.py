"""Tables of the study of quality signals: accuracies, gates that were fixed before the run, agreement of signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from babylm.studies import _gates
from babylm.studies.experiment import Measurements
from babylm.studies.statistics import Interval, bootstrap_mean
from babylm.tables import Table

ENTROPY_ARMS = ("SFT best", "sigma-RRHF, inverse entropy", "DPO, inverse entropy")
"""Arms that learn from inverse entropy; the best of them is the one with the highest mean."""
POINTS = ".1f"


def difference(measurements: Measurements, arm: str, other: str, measure: str) -> Interval | None:
    """Mean of ``arm`` minus ``other`` in points, paired by seed and question; None if one has not been measured."""
    values = 100 * (measurements.matrix(arm, measure) - measurements.matrix(other, measure))
    return None if values.size == 0 or np.isnan(values).all() else bootstrap_mean(values)


def results(measurements: Measurements, names: Sequence[str], measures: Sequence[str]) -> Table:
    """Accuracy of each arm in per cent, and its difference from the base; the range of the seeds."""
    first, second = measures
    rows = []
    for name in names:
        matrix = 100 * measurements.matrix(name, first)
        if matrix.size == 0 or np.isnan(matrix).all():
            continue
        of_seeds = [row.mean() for row in matrix if not np.isnan(row).all()]
        against = None if name == "base" else difference(measurements, name, "base", first)
        shown = (against.estimate, against.low, against.high) if against else (None, None, None)
        cold = 100 * measurements.select(name, second).values
        rows.append(
            [name, float(np.nanmean(matrix)), f"{min(of_seeds):.1f} to {max(of_seeds):.1f}", *shown, cold.mean()]
        )
    titles = ("arm", "right at T 1 (%)", "seeds", "minus base", "low", "high", "right at T 0.6 (%)")
    formats = ("", POINTS, "", "+.1f", "+.1f", "+.1f", POINTS)
    return Table.of(titles, rows, formats=formats, caption="Right on harder questions")


def best_entropy_arm(measurements: Measurements, measure: str) -> str:
    """The arm of `ENTROPY_ARMS` with the highest mean."""
    means = {name: measurements.select(name, measure).values for name in ENTROPY_ARMS}
    return max((name for name in ENTROPY_ARMS if len(means[name])), key=lambda name: means[name].mean())


def gates(measurements: Measurements, measure: str) -> Table:
    """Each gate with its difference, its interval and whether it is met."""
    best = best_entropy_arm(measurements, measure)
    comparisons = [
        ("(i) entropy - random, DPO", "DPO, inverse entropy", "DPO, random", 4.0, True),
        ("(i) entropy - random, sigma-RRHF", "sigma-RRHF, inverse entropy", "sigma-RRHF, random", 4.0, True),
        ("(ii) SFT best - SFT worst", "SFT best", "SFT worst", 8.0, False),
        (f"(iii) best entropy arm ({best}) - base", best, "base", 4.0, False),
        (f"(v) {best} - SFT all, no gate", best, "SFT all", None, False),
        ("right alone, GRPO - base: exactly 0", "GRPO, right alone", "base", None, False),
    ]
    rows: list[list[object]] = []
    for title, arm, other, least, above_zero in comparisons:
        interval = difference(measurements, arm, other, measure)
        if interval is None:
            continue
        met = None if least is None else interval.estimate >= least and (interval.low > 0 or not above_zero)
        needed = "" if least is None else f">= {least:g}{', interval above 0' if above_zero else ''}"
        rows.append(
            [
                title,
                interval.estimate,
                interval.low,
                interval.high,
                needed,
                "" if least is None else _gates.verdict(met),
            ]
        )
    anchored, bare = (
        100 * measurements.select(name, measure).values.mean() if measurements.has_run(name) else float("nan")
        for name in ("sigma-RRHF, inverse entropy", "sigma-RRHF without anchor")
    )
    share = 100 * bare / anchored if anchored else float("nan")
    rows.insert(
        4,
        [
            "(iv) without anchor, in % of with",
            share,
            None,
            None,
            "< 50",
            _gates.verdict(None if share != share else share < 50),
        ],
    )
    titles = ("gate", "value", "low", "high", "needed", _gates.COLUMN)
    return Table.of(
        titles,
        rows,
        left=(0, 4, 5),
        formats=("", "+.1f", "+.1f", "+.1f"),
        caption="Gates, fixed before the run (points)",
    )


def signals_table(measurements: Measurements) -> Table:
    """Spearman correlations of the signals within saturated questions, in the mean over seeds and questions."""
    names = dict.fromkeys(row.measure for row in measurements.select("base") if " ~ " in row.measure)
    rows = []
    for name in names:
        interval = bootstrap_mean(measurements.matrix("base", name))
        signal, target = name.split(" ~ ")
        rows.append([signal, target, interval.estimate, interval.low, interval.high])
    titles = ("signal", "with", "Spearman", "low", "high")
    return Table.of(
        titles,
        rows,
        left=(0, 1),
        formats=("", "", ".2f", ".2f", ".2f"),
        caption="Agreement of signals within a question (Spearman)",
    )
