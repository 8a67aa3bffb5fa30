"""The colours of the runs, and what every section needs of them."""

from __future__ import annotations

from collections.abc import Sequence

from babylm.reporting.charts import COLOURS
from babylm.runs import Run


def coloured(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """Each run and its colour."""
    return [(run, COLOURS[number % len(COLOURS)]) for number, run in enumerate(runs)]


def legend(runs: Sequence[Run]) -> list[tuple[str, int]]:
    """(name, number of its colour) of each run; empty for one run."""
    return [(run.name, number % len(COLOURS)) for number, run in enumerate(runs)] if len(runs) > 1 else []
