"""The data of tasks: where the official files are, and records whose fields are read as the types they must have.

Nothing is converted in silence: ``null`` is not the word "None", and a number is not a sentence. What does not fit is
refused with the file, the line, what is there and what is expected.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from babylm import files
from babylm.evaluation.results.task_result import Item, evenly_spaced

T = TypeVar("T")
SOURCE = (
    "python -m babylm.evaluate --get brings it, or unpack the official evaluation data there (https://osf.io/ryjfm, "
    "its fast_eval and full_eval folders; of 2026: huggingface.co/datasets/BabyLM-community/BabyLM-2026-Strict-Evals)"
)
LONGEST = 200_000
"""Characters of one text. No model here reads that many; what is longer is a whole file in one field."""


class MissingData(ValueError):
    """A task's data is not there; the message names the folder and what brings it.

    ``needed``: the file or folder below the data that the task reads first.
    """

    def __init__(self, message: str, needed: str = "") -> None:
        super().__init__(message)
        self.needed = needed


@dataclass(frozen=True)
class Record:
    """One line of a data file; each method gives a field as one type, or raises ``ValueError`` with the line."""

    fields: Mapping[str, Any]
    file: Path
    line: int
    expected: str = "an item"
    """What a line of this file must be, for messages."""

    def wrong(self, what: str) -> ValueError:
        """The error that says what is wrong with this line, and what it should be."""
        return ValueError(f"{self.file}, line {self.line}: {what}; expected {self.expected}")

    def value(self, key: str) -> Any:
        """The field as it is in the file."""
        if key not in self.fields:
            near = difflib.get_close_matches(key, self.fields, n=1, cutoff=0.6)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise self.wrong(f"no field {key}{hint} among {shown(list(self.fields)) or 'none'}")
        return self.fields[key]

    def text(self, key: str, *, blank: bool = False) -> str:
        """A text with at least one character that is not a space; with ``blank``, any text."""
        return self._text(key, self.value(key), blank)

    def texts(self, key: str, *, blank: bool = False) -> list[str]:
        """A list of at least one text."""
        value = self.value(key)
        if not isinstance(value, list) or not value:
            raise self.wrong(f"{key} is {kind(value)}, not a list of texts")
        return [self._text(f"{key}[{index}]", entry, blank) for index, entry in enumerate(value)]

    def name(self, key: str) -> str:
        """A text or a whole number, as a name."""
        value = self.value(key)
        return str(value) if type(value) is int else self.text(key)

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number from ``low`` to ``high``."""
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.wrong(f"{key} is {kind(value)}, not a number")
        if not low <= value <= high:
            raise self.wrong(f"{key} is {value}, not a number from {low:g} to {high:g}")
        return float(value)

    def integer(self, key: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self.value(key)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(f"{key} is {kind(value)}, not a whole number from {low} to {high}")
        return value

    def _text(self, key: str, value: Any, blank: bool) -> str:
        if not isinstance(value, str):
            raise self.wrong(f"{key} is {kind(value)}, not a text")
        if not blank and not value.strip():
            raise self.wrong(f"{key} is {'a text of spaces alone' if value else 'an empty text'}")
        if len(value) > LONGEST:
            raise self.wrong(f"{key} has {len(value):,} characters, more than {LONGEST:,}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            half = value[error.start].encode("unicode_escape").decode()
            raise self.wrong(f"{key} holds {half}, half of a character, at position {error.start}") from None
        return value


def kind(value: Any) -> str:
    """A JSON value in words, for messages."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (int, float)):
        return f"the number {shown([value])}"
    if isinstance(value, str):
        return f"the text {shown([value])!r}"
    return "an empty list" if value == [] else "a list" if isinstance(value, list) else "an object"


def shown(values: list[Any], longest: int = 120) -> str:
    """Values in one line, cut where they are long."""
    line = " ".join(", ".join(map(str, values)).split())
    line = line.encode("utf-8", "replace").decode()
    return line if len(line) <= longest else line[: longest - 3] + "..."


def find(data: Path, suite: str, name: str, source: str = SOURCE) -> Path:
    """``data/<suite>_eval/name``, or ``data/name``; else `MissingData`."""
    for path in (Path(data) / f"{suite}_eval" / name, Path(data) / name):
        if path.exists():
            return path
    raise MissingData(f"evaluation.data: {data} has no {suite}_eval/{name}; {source}", name)


def records(file: Path, expected: str, source: str = "") -> Iterator[Record]:
    """A record for each line of a JSONL file that is not blank; `MissingData` for a file without any.

    ``source``: what brings an official file.
    """
    line = 0
    for line, fields in files.numbered_jsonl(file):
        yield Record(fields, file, line, expected)
    if not line:
        raise MissingData(f"{file} is empty; {source or f'expected {expected}, per line'}")


def jsonl_files(folder: Path, pattern: str = "*.jsonl") -> list[Path]:
    """The files of a folder by name, without the hidden ones that file managers leave."""
    return sorted(file for file in Path(folder).glob(pattern) if not file.name.startswith("."))


def read(
    folder: Path,
    build: Callable[[Record, str], Item | None],
    limit: int | None = None,
    expected: str = "an item",
) -> list[Item]:
    """What ``build(record, file's stem)`` makes of each line of all ``*.jsonl``, by file name; ``limit`` per file.

    ``None`` leaves a line out. `MissingData` for a folder without files; ``ValueError`` for a line that does not fit.
    """
    data_files = jsonl_files(folder)
    if not data_files:
        raise MissingData(f"evaluation.data: {folder} has no files *.jsonl; {SOURCE}")
    items: list[Item] = []
    for file in data_files:
        built = (build(record, file.stem) for record in records(file, expected, SOURCE))
        items += evenly_spaced([item for item in built if item is not None], limit)
    return items
