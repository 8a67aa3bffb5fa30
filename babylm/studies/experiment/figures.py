"""The figure that most studies need: the mean of each condition with its interval, and a dot per seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from babylm.studies.experiment.measurements import Measurements


def draw_means(
    measurements: Measurements, measure: str, conditions: Sequence[str] = (), label: str = "", scale: float = 1.0
) -> Callable[[Any], None]:
    """What draws mean, 95 % bootstrap interval over seeds and items, and the mean of each seed, per condition.

    Args:
        measurements: Of the whole study.
        measure: The measure that is drawn.
        conditions: In order from the top; empty for all that have the measure.
        label: Title of the axis; empty for the measure.
        scale: Factor, 100 for shares in %.
    """
    names = list(conditions) or measurements.select(measure=measure).conditions

    def draw(axes: Any) -> None:
        from babylm.reporting.charts import COLOURS
        from babylm.studies.statistics import bootstrap_mean

        for position, name in enumerate(names):
            matrix = scale * measurements.matrix(name, measure)  # (seeds, items)
            present = ~np.isnan(matrix)
            if not present.any():
                continue
            interval, colour = bootstrap_mean(matrix), COLOURS[position % len(COLOURS)]
            of_seeds = [row[shown].mean() for row, shown in zip(matrix, present, strict=True) if shown.any()]
            axes.plot([interval.low, interval.high], [position] * 2, color=colour, linewidth=2)
            axes.plot(interval.estimate, position, "o", color=colour, markersize=7)
            axes.plot(of_seeds, [position + 0.18] * len(of_seeds), ".", color=colour, alpha=0.6)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(label or measure)

    return draw
