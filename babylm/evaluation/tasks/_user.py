"""Tasks made of a user's own data: a folder or file of minimal pairs, or a table of reading times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from babylm import places
from babylm.config.evaluation import EvaluationConfig, ReadingCsvConfig
from babylm.evaluation.data import delimited
from babylm.evaluation.results.task_result import Item
from babylm.evaluation.task import Task
from babylm.evaluation.tasks import _pairs_files, _reading_csv
from babylm.evaluation.tasks._multiple_choice import ChoiceTask


@dataclass(frozen=True)
class PairsReader:
    """Reads a user's minimal pairs."""

    path: Path
    settings: EvaluationConfig

    def __call__(self, data: Path | None, limit: int | None = None, *, suite: str, rules: int) -> list[Item]:
        """The pairs of the path; the same in all suites and years."""
        return _pairs_files.read(self.path, limit, self.settings.pairs)


def task(name: str, settings: EvaluationConfig) -> Task:
    """The task of a path; ``ValueError`` for a table that may be both pairs and reading times."""
    path = places.given(name)
    if path.suffix.lower() in (".csv", ".tsv") and not path.is_dir() and holds_times(path, settings):
        return _reading_csv.task(name, path, settings)
    return ChoiceTask(name=name, version=1, chance=0.5, read=PairsReader(path, settings))


def holds_times(file: Path, settings: EvaluationConfig) -> bool:
    """Whether a table holds reading times, not minimal pairs: by its columns, and if both fit, by the options given."""
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
