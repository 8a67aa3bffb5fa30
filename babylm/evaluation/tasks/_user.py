"""Tasks made of a user's own data: a folder or file of minimal pairs, or a table of reading times."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from babylm.config.evaluation import EvaluationConfig, ReadingCsvConfig
from babylm.evaluation.data import delimited
from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks import _minimal_pairs, _pairs_files, _reading_csv

PAIRS_VERSION = 1
PAIRS_CHANCE = 0.5


def task(path: Path, settings: EvaluationConfig) -> Any:
    """The task of a path; ``ValueError`` for a table that may be both pairs and reading times."""
    if path.suffix.lower() in (".csv", ".tsv") and not path.is_dir() and holds_times(path, settings):
        return _reading_csv.task(path, settings)
    return SimpleNamespace(
        VERSION=PAIRS_VERSION,
        CHANCE=PAIRS_CHANCE,
        items=partial(_pairs, path, settings),
        score=_minimal_pairs.score,
    )


def holds_times(file: Path, settings: EvaluationConfig) -> bool:
    """Whether a table is of reading times, not minimal pairs: what its columns fit, else what the options are of."""
    columns, pairs = settings.reading_csv, settings.pairs
    names = delimited.header(file)
    times_fit = {columns.word, *columns.sentence, *columns.time} <= set(names)
    pairs_named = pairs.good is not None and pairs.bad is not None
    pairs_fit = {pairs.good, pairs.bad} <= set(names) if pairs_named else bool(_pairs_files.recognised(names))
    times_named = columns != ReadingCsvConfig()
    if times_fit != pairs_fit:
        return times_fit
    if times_named != pairs_named:
        return times_named
    if times_fit:
        raise ValueError(
            f"{file}: its columns ({', '.join(names)}) are those of reading times and of minimal pairs: say which, by "
            "pairs.good=COLUMN pairs.bad=COLUMN or by reading_csv.time=COLUMN"
        )
    raise ValueError(
        f"{file}: its columns ({', '.join(names)}) are neither those of reading times (name them: "
        "reading_csv.time=..., reading_csv.word=..., reading_csv.sentence=...) nor of minimal pairs (pairs.good=... "
        "pairs.bad=...)"
    )


def _pairs(
    path: Path,
    settings: EvaluationConfig,
    data: Path | None,
    limit: int | None = None,
    *,
    suite: str = "fast",
    rules: int = 2025,
) -> list[Item]:
    return _pairs_files.read(path, limit, settings.pairs)
