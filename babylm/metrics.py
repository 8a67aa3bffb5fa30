"""``metrics.jsonl`` of a run, read: one object of numbers per line, with ``step`` and ``words``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from babylm import files

REMEDY = "remove that line: the report does without"


def read(file: Path) -> list[dict[str, Any]]:
    """The lines, numbers by name without those that are null; empty without a file.

    A last line that a kill has cut is left out.

    Raises:
        files.DamagedFile: another line is no object of numbers.
    """
    lines = list(files.numbered_jsonl(file, REMEDY, cut_last_line=True)) if file.is_file() else []
    for number, line in lines:
        for key, value in line.items():
            if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                raise files.DamagedFile(f"{file}: line {number}: {key} is {value!r}, not a number; {REMEDY}")
    return [{key: value for key, value in line.items() if value is not None} for _, line in lines]


def series(lines: Iterable[Mapping[str, float]], metric: str, over: str = "words") -> tuple[np.ndarray, np.ndarray]:
    """(``over``, ``metric``), both (points,) float64, of the lines that have both; points at 0 are left out.

    >>> series([{"words": 10, "loss": 2.0}, {"words": 20, "lr": 0.1}], "loss")
    (array([10.]), array([2.]))
    """
    points = [(line[over], line[metric]) for line in lines if metric in line and line.get(over)]
    return np.array([x for x, _ in points], dtype=float), np.array([y for _, y in points], dtype=float)


def hours(lines: Iterable[Mapping[str, float]], start: float = 0.0) -> float:
    """Hours of training: the words between two lines over their words per second; measuring and pauses are not in it.

    ``start``: words that were read before the run, by a base.

    >>> hours([{"words": 3600, "words_per_second": 1.0}, {"words": 10_800, "words_per_second": 2.0}])
    2.0
    >>> hours([{"words": 3600, "words_per_second": 1.0}], start=1800)
    0.5
    """
    return float(sum(seconds for _, seconds in durations(lines, start))) / 3600


def durations(lines: Iterable[Mapping[str, float]], start: float = 0.0) -> list[tuple[float, float]]:
    """(words, seconds since the line before) of each line with a speed; ``start`` as in `hours`."""
    result, before = [], start
    for line in lines:
        if line.get("words_per_second") and "words" in line:
            result.append((line["words"], max(0, line["words"] - before) / line["words_per_second"]))
            before = max(before, line["words"])
    return result
