"""Tables and figure of the study of habits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babylm.studies._habits_traces import BACKTRACKING, HABITS, VERIFICATION
from babylm.studies.experiment import Measurements
from babylm.studies.statistics import Interval, benjamini_hochberg, bootstrap_mean, sign_flip_test
from babylm.tables import Table

RIGHT, TOKENS, WRONG = "right", "tokens per completion", "wrong calculations"
REFERENCE = "none"
"""The arm that the others are compared with."""


def at(measure: str, step: int) -> str:
    """The name of a measure after a step of reinforcement learning."""
    return f"{measure}@{step}"


def before(name: str) -> str:
    """The condition in which an arm is measured before reinforcement learning."""
    return f"{name}, before"


def difference(measurements: Measurements, arm: str, other: str, measure: str, scale: float = 100.0) -> Interval | None:
    """Mean of ``arm`` minus ``other`` over the seeds and problems that both have; None if there are none."""
    values = scale * (measurements.matrix(arm, measure) - measurements.matrix(other, measure))
    return None if values.size == 0 or np.isnan(values).all() else bootstrap_mean(values)


def _p_value(measurements: Measurements, arm: str, measure: str) -> float:
    """Sign-flip test over problems of the difference from the reference, in the mean over seeds; NaN without one."""
    values = measurements.matrix(arm, measure) - measurements.matrix(REFERENCE, measure)
    values = values[~np.isnan(values).all(axis=1)] if values.size else values
    return sign_flip_test(values.mean(axis=0)).p if values.size and arm != REFERENCE else float("nan")


def results(measurements: Measurements, names: Sequence[str], steps: int) -> Table:
    """Accuracy of each arm before and after reinforcement learning, and its difference from ``none``."""
    measure, rows = at(RIGHT, steps), []
    corrected = benjamini_hochberg([_p_value(measurements, name, measure) for name in names])
    for name, q in zip(names, corrected, strict=True):
        start = _percent(measurements.select(before(name), at(RIGHT, 0)).values)
        end = 100 * measurements.matrix(name, measure)
        of_seeds = [row.mean() for row in end if not np.isnan(row).all()]
        interval = bootstrap_mean(end) if of_seeds else None
        against = None if name == REFERENCE else difference(measurements, name, REFERENCE, measure)
        rows.append(
            [
                name,
                len(of_seeds),
                start,
                *((interval.estimate, interval.low, interval.high) if interval else (None,) * 3),
                f"{min(of_seeds):.1f} to {max(of_seeds):.1f}" if of_seeds else "",
                *((against.estimate, against.low, against.high, q) if against else (None,) * 4),
            ]
        )
    of_arm = ("arm", "seeds", "before (%)", "after (%)", "low", "high", "of seeds")
    titles = (*of_arm, "minus none", "difference low", "difference high", "q")
    formats = ("", "", *[".1f"] * 4, "", *["+.1f"] * 3, "p")
    return Table.of(titles, rows, formats=formats, caption="right on held-out problems")


def gains(measurements: Measurements, names: Sequence[str], steps: int) -> Table:
    """What reinforcement learning added to each arm, and how much more that is than it added to ``none``."""

    def gain(name: str) -> NDArray[np.float64]:
        """(seeds, problems) points; NaN where one of the two was not measured."""
        later = measurements.select(measure=at(RIGHT, steps))
        points = np.full((len(later.seeds), len(later.items)), np.nan)
        for row, seed in enumerate(later.seeds):  # before, there may be other seeds, in another order
            start = measurements.by_item(before(name), at(RIGHT, 0), seed)
            end = measurements.by_item(name, at(RIGHT, steps), seed)
            points[row] = [100 * (end.get(item, np.nan) - start.get(item, np.nan)) for item in later.items]
        return points

    def interval(values: NDArray[np.float64]) -> tuple[float | None, float | None, float | None]:
        if np.isnan(values).all():  # of nothing, too
            return None, None, None
        mean = bootstrap_mean(values)
        return mean.estimate, mean.low, mean.high

    rows = []
    for name in names:
        of_arm = interval(gain(name))
        if of_arm[0] is not None:
            more = interval(gain(name) - gain(REFERENCE)) if name != REFERENCE else (None,) * 3
            rows.append([name, *of_arm, *more])
    titles = ("arm", "after - before", "low", "high", "more than none", "more low", "more high")
    caption = "points by reinforcement learning, paired by seed and problem"
    return Table.of(titles, rows, formats=("", *["+.1f"] * 6), caption=caption)


def behaviours(measurements: Measurements, names: Sequence[str], steps: int) -> Table:
    """Behaviours per trace before and after, tokens per completion, and the share of wrong calculations."""
    rows = []
    for name in names:
        row: list[Any] = [name]
        for habit in HABITS:
            counts = [measurements.mean(*each) for each in _both(name, habit, steps)]
            row.append(" -> ".join("-" if np.isnan(value) else f"{value:.2f}" for value in counts))
        for measure, factor, form in ((TOKENS, 1, ".0f"), (WRONG, 100, ".1f")):
            values = [factor * measurements.mean(*each) for each in _both(name, measure, steps)]
            row.append(" -> ".join("-" if np.isnan(value) else f"{value:{form}}" for value in values))
        rows.append(row)
    titles = ("arm", *HABITS, "tokens", "wrong calculations (%)")
    return Table.of(titles, rows, caption="per trace, before -> after reinforcement learning")


def _both(name: str, measure: str, steps: int) -> tuple[tuple[str, str], tuple[str, str]]:
    return (before(name), at(measure, 0)), (name, at(measure, steps))


def budgets(measurements: Measurements, names: Sequence[str]) -> Table:
    """What each arm was given: problems and tokens of its priming set, tokens read, tokens it sampled in learning."""
    rows = []
    for name in names:
        given = [measurements.mean(before(name), key) for key in ("problems", "tokens of traces", "tokens read")]
        in_set = [measurements.mean(before(name), f"{habit} in the set") for habit in HABITS]
        rows.append([name, *given, *in_set, measurements.mean(name, "tokens sampled")])
    titles = ("arm", "problems", "tokens of traces", "tokens read", *HABITS, "tokens sampled")
    formats = ("", ",.0f", ",.0f", ",.0f", *[".2f"] * 4, ",.0f")
    caption = "budgets per seed, and behaviours per trace of the priming set"
    return Table.of(titles, rows, formats=formats, caption=caption)


def _percent(values: Any) -> float | None:
    return float(100 * values.mean()) if len(values) else None


def draw(measurements: Measurements, names: Sequence[str], steps: int) -> Callable[[Any], None]:
    """Accuracy over the steps by arm, and verifications and backtracks per trace beside it."""

    def draw_on(axes: Any) -> None:
        from babylm.reporting.charts import COLOURS

        figure = axes.figure
        axes.remove()
        figure.set_size_inches(9.6, 4.4)
        left, right = figure.subplots(1, 2)
        for number, name in enumerate(names):
            style = {"color": COLOURS[number % len(COLOURS)], "linestyle": "-" if number < len(COLOURS) else "--"}
            x, y = _curve(measurements, name, (RIGHT,))
            left.plot(x, 100 * np.array(y), marker="o", markersize=3, label=name, **style)
            x, y = _curve(measurements, name, (VERIFICATION, BACKTRACKING))
            right.plot(x, y, marker="o", markersize=3, **style)
        left.set_ylabel("right on held-out problems (%)")
        right.set_ylabel("verifications and backtracks per trace")
        for each in (left, right):
            each.set_xlabel("steps of reinforcement learning")
            each.set_ylim(bottom=0)
            each.set_xlim(0, steps)
            each.locator_params(axis="x", integer=True)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False, fontsize=8)

    return draw_on


def _curve(measurements: Measurements, name: str, measures: Sequence[str]) -> tuple[list[int], list[float]]:
    """Steps at which an arm was measured, and the sum of the measures' means over seeds and problems there."""
    first = measures[0]
    of_arm = {row.measure for row in measurements.select(name)}
    later = sorted(int(each.split("@")[1]) for each in of_arm if each.startswith(f"{first}@"))
    x, y = [0, *later], []
    for step in x:
        condition = name if step else before(name)
        y.append(sum(measurements.mean(condition, at(measure, step)) for measure in measures))
    return x, y
