"""What was measured, as rows of one tidy table: condition, seed, item, measure, value."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from babylm import files

COLUMNS = ("condition", "seed", "item", "measure", "value")


class Measurement(NamedTuple):
    """One number of one piece."""

    condition: str
    seed: int
    item: str
    """What was measured: a question, a task, a mode; empty for the whole piece."""
    measure: str
    """Which quantity: ``right``, ``loss``, ``seconds``."""
    value: float


class Measurements(Sequence[Measurement]):
    """Measurements of an experiment, in the order of its conditions, seeds and items.

    >>> rows = [("warm", 1, "q1", "right", 1), ("warm", 1, "q2", "right", 0), ("cold", 1, "q1", "right", 1)]
    >>> measured = Measurements(Measurement(*row) for row in rows)
    >>> measured.matrix("warm", "right")
    array([[1., 0.]])
    >>> measured.select(condition="cold").values
    array([1.])
    """

    def __init__(self, rows: Iterable[Measurement] = (), failed: Mapping[tuple[str, int], str] | None = None) -> None:
        self._rows = list(rows)
        self.failed: dict[tuple[str, int], str] = dict(failed or {})
        """(condition, seed) of the pieces that failed -> the reason."""

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self._rows)

    @property
    def conditions(self) -> list[str]:
        """Conditions, in order."""
        return list(dict.fromkeys(row.condition for row in self._rows))

    @property
    def seeds(self) -> list[int]:
        """Seeds, in order."""
        return list(dict.fromkeys(row.seed for row in self._rows))

    @property
    def items(self) -> list[str]:
        """Items, in order."""
        return list(dict.fromkeys(row.item for row in self._rows))

    @property
    def values(self) -> NDArray[np.float64]:
        """(rows,) the values."""
        return np.array([row.value for row in self._rows], dtype=np.float64)

    def select(
        self,
        condition: str | None = None,
        measure: str | None = None,
        seed: int | None = None,
        item: str | None = None,
    ) -> Measurements:
        """The rows that have all of the given values."""
        filters = [
            (column, value) for column, value in enumerate((condition, seed, item, measure)) if value is not None
        ]
        rows = (row for row in self._rows if all(row[column] == value for column, value in filters))
        return Measurements(rows, self.failed)

    def mean(self, condition: str, measure: str, seed: int | None = None, item: str | None = None) -> float:
        """The mean of the selected values that are numbers; NaN if there is none."""
        values = self.select(condition, measure, seed, item).values
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else float("nan")

    def has_run(self, condition: str, seed: int | None = None) -> bool:
        """Whether a condition (with one seed) was tried: it has measurements, or it failed."""
        tried = {(row.condition, row.seed) for row in self._rows} | set(self.failed)
        return any(name == condition and seed in (None, of_piece) for name, of_piece in tried)

    def by_item(self, condition: str, measure: str, seed: int | None = None) -> dict[str, float]:
        """Item -> value; the last one if several seeds measured it."""
        return {row.item: row.value for row in self.select(condition, measure, seed)}

    def matrix(self, condition: str, measure: str) -> NDArray[np.float64]:
        """(seeds, items) of a condition, NaN for a missing value; rows and columns are those of all conditions.

        So the matrices of two conditions can be subtracted: the difference is paired by seed and item.
        """
        of_measure = self.select(measure=measure)
        row_of = {seed: number for number, seed in enumerate(of_measure.seeds)}
        column_of = {item: number for number, item in enumerate(of_measure.items)}
        matrix = np.full((len(row_of), len(column_of)), np.nan)
        for row in of_measure.select(condition):
            matrix[row_of[row.seed], column_of[row.item]] = row.value
        return matrix

    def csv(self) -> str:
        """The rows as CSV with a line of titles.

        >>> print(Measurements([Measurement("warm", 1, "q1", "right", 1.0)]).csv().strip())
        condition,seed,item,measure,value
        warm,1,q1,right,1.0
        """
        return csv_text(COLUMNS, self._rows)

    @staticmethod
    def read_csv(path: Path) -> Measurements:
        """The rows of a file that `csv` gave; `DamagedFile` if it is another one."""
        reader = csv.reader(io.StringIO(files.read_text(path)))
        if tuple(next(reader, ())) != COLUMNS:
            raise files.DamagedFile(f"{path}: has not the columns {', '.join(COLUMNS)}")
        return Measurements(Measurement(c, int(seed), item, measure, float(v)) for c, seed, item, measure, v in reader)


def csv_text(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Titles and rows as CSV with line feeds; None is empty."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([titles, *rows])
    return out.getvalue()
