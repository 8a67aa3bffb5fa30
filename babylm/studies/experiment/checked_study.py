"""A study whose functions are checked: what they return is told in one line where it is not what it must be."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from babylm import returned
from babylm.config.studies import StudyConfig
from babylm.studies.experiment.inputs import as_json
from babylm.studies.experiment.measurements import Measurement, Measurements
from babylm.studies.experiment.pieces import Condition, Piece
from babylm.studies.experiment.summary import Summary, WrongSummary

Function = Callable[..., Any]


class CheckedStudy:
    """The file of a study; its own names are those of the file.

    Each function raises ValueError, with file and function, in place of returning what cannot be run, kept or written.
    """

    def __init__(self, study: ModuleType) -> None:
        self._study = study
        for name in ("conditions", "run", "summarise", "next_conditions", "expected_conditions"):
            if hasattr(study, name) and not callable(getattr(study, name)):
                raise ValueError(f"{study.__name__.rpartition('.')[2]}.py: {name} must be a function")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    @property
    def next_conditions(self) -> Callable[[Measurements, StudyConfig], list[Condition]]:
        """The study's, AttributeError if it has none."""
        function = self._study.next_conditions
        return lambda measurements, settings: _conditions(function(measurements, settings), function, least=0)

    @property
    def expected_conditions(self) -> Callable[[StudyConfig], list[Condition]]:
        """The study's, AttributeError if it has none."""
        function = self._study.expected_conditions
        return lambda settings: _conditions(function(settings), function)

    def conditions(self, settings: StudyConfig) -> list[Condition]:
        """See `babylm.studies`."""
        return _conditions(self._study.conditions(settings), self._study.conditions)

    def run(self, piece: Piece, settings: StudyConfig) -> list[Measurement]:
        """See `babylm.studies`."""
        try:
            rows = returned.as_list(self._study.run(piece, settings), self._study.run, "a list of measurements")
        except Exception as error:  # its text is kept in a file, which cannot hold half a character
            error.args = tuple(_printable(value) if isinstance(value, str) else value for value in error.args)
            raise
        return _measurements(rows, self._study.run, piece)

    def summarise(self, measurements: Measurements, settings: StudyConfig) -> Summary:
        """See `babylm.studies`."""
        try:
            return _summary(self._study.summarise(measurements, settings), self._study.summarise)
        except WrongSummary as error:
            raise ValueError(f"{returned.place(self._study.summarise)}: {error}") from error


def _conditions(given: Any, function: Function, least: int = 1) -> list[Condition]:
    expected = "a list of conditions (babylm.studies.experiment.Condition)"
    conditions = returned.as_list(given, function, expected)
    for condition in conditions:
        if not isinstance(condition, Condition):
            raise returned.wrong(function, expected, f"{returned.shown(condition)} in it")
        if not returned.is_text(condition.name) or not condition.name.strip():
            raise returned.wrong(function, "conditions with a name", returned.shown(condition.name))
        _check_condition(condition, f"{returned.place(function)}: condition {condition.name}")
    if len(conditions) < least:
        raise returned.wrong(function, "at least one condition", "an empty list")
    if conditions and least and all(condition.seeds is not None and not condition.seeds for condition in conditions):
        raise returned.wrong(function, "at least one condition with a seed", "seeds=[] in all of them")
    return conditions


def _check_condition(condition: Condition, where: str) -> None:
    """ValueError for settings or seeds that cannot be kept with a piece, or for a cost that is none."""
    for name in ("settings", "inputs"):
        value = getattr(condition, name)
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: {name} must be a mapping; found {returned.shown(value)}")
        try:
            plain = as_json(value) if name == "inputs" else value
            json.dumps(plain, allow_nan=False, ensure_ascii=False, sort_keys=True).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{where}: {name} must be values that JSON has, without NaN ({error})") from None
    seeds, seconds = condition.seeds, condition.seconds
    if seeds is not None and not (
        isinstance(seeds, Sequence) and all(type(seed) is int and seed >= 0 for seed in seeds)
    ):
        raise ValueError(f"{where}: seeds must be a list of whole numbers from 0 on; found {returned.shown(seeds)}")
    cost = 0.0 if seconds is None else returned.as_number(seconds)
    if cost is None or not 0 <= cost < math.inf:
        raise ValueError(f"{where}: seconds must be a number of seconds or None; found {returned.shown(seconds)}")


def _measurements(rows: Sequence[Any], function: Function, piece: Piece) -> list[Measurement]:
    """The rows, values as float.

    Raises:
        ValueError: A row is no measurement of this piece, cannot be kept, or is there twice.
    """
    made = []
    for row in rows:
        if not isinstance(row, Measurement) or (row.condition, row.seed) != (piece.condition.name, piece.seed):
            raise returned.wrong(function, f"measurements of {piece.name}, by piece.measurement", returned.shown(row))
        for part, text in (("item", row.item), ("measure", row.measure)):
            if not returned.is_text(text):
                raise returned.wrong(function, f"a text as the {part} of a measurement", returned.shown(text))
        value = returned.as_number(row.value)
        where = f"{returned.place(function)}: {piece.name}, item {row.item!r}, measure {row.measure!r}"
        if value is None or math.isinf(value):
            raise ValueError(f"{where}: {returned.shown(row.value)} is no value; give NaN for what cannot be measured")
        made.append(row._replace(value=value))
    counts = Counter((row.item, row.measure) for row in made)
    if twice := next((key for key, count in counts.items() if count > 1), None):
        raise ValueError(
            f"{returned.place(function)}: {piece.name} has {counts[twice]} values of item {twice[0]!r}, measure "
            f"{twice[1]!r}: give each an item of its own"
        )
    return made


def _summary(summary: Any, function: Function) -> Summary:
    if not isinstance(summary, Summary):
        raise returned.wrong(function, "a babylm.studies.experiment.Summary", returned.shown(summary))
    try:
        summary.markdown().encode()
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise ValueError(
            f"{returned.place(function)}: a table of its summary cannot be written: {_printable(str(error))}"
        ) from error
    return summary


def _printable(text: str) -> str:
    """A text with half characters as escapes."""
    return text.encode(errors="backslashreplace").decode()
