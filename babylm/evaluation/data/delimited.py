"""Tables of users, as CSV or TSV: read as they come from R, Excel and pandas, or refused with the line.

The separator (comma, semicolon or tab) is found in the header. Cells are texts here; `numbers` reads a column of them,
with R's ``NA`` as missing and a decimal comma where that is what the column has.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import files

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
MISSING = frozenset(
    {"", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "NaN", "nan", "-NaN", "-nan", "None", "NULL", "null", "."}
)
"""Cells that say that there is no value, as R, pandas, Excel and SAS write them."""
POINT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
COMMA = re.compile(r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
THOUSANDS_BY_POINT = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
LARGEST = 1e15
"""A larger number is a slip, and would leave nothing of the others in a regression."""
HUNDREDS = re.compile(r"[+-]?\d{3}")
csv.field_size_limit(2**31 - 1)  # a cell that is too long is told by who reads it, with a better message


@dataclass(frozen=True)
class Table:
    """A header and the rows below it; blank lines and columns without a name are left out."""

    file: Path
    separator: str
    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]
    """(line of the file, cell by column)."""

    def named(self, names: Sequence[str]) -> str | None:
        """The column with one of the names, the first that there is, whatever its case; None without one.

        Raises:
            files.DamagedFile: Two columns have it.
        """
        for name in names:
            columns = [column for column in self.columns if column.casefold() == name.casefold()]
            if len(columns) > 1:
                raise files.DamagedFile(
                    f"{self.file}: {' and '.join(columns)} are columns of one name; leave one of them"
                )
            if columns:
                return columns[0]
        return None

    def cells(self, column: str) -> list[tuple[int, str]]:
        """(line of the file, cell) of a column."""
        return [(line, cells[column]) for line, cells in self.rows]


def read(file: Path) -> Table:
    """The table in ``file``; `files.DamagedFile` where its header or a row is none, with the line."""
    text = files.read_text(file)
    if text.startswith("PK\x03\x04"):
        raise files.DamagedFile(f"{file}: a packed file (Excel's .xlsx?), no text; save it as CSV in UTF-8")
    if _is_json(text):
        raise files.DamagedFile(f"{file}: holds JSON; write one object per line, and give the file the ending .jsonl")
    if "\0" in text:
        raise files.DamagedFile(f"{file}: holds NUL bytes: UTF-16 or no text; {files.FROM_UTF16}")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise files.DamagedFile(f"{file}: empty; expected a header and rows")
    separator = _separator(file, lines[0], text)
    rows = _rows(file, text, separator)
    header_line, header = next(rows)
    columns = [name.strip() for name in header]
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise files.DamagedFile(f"{file}, line {header_line}: two columns are named {', '.join(repeated)}")
    cells = [(line, _by_column(file, line, columns, row, separator)) for line, row in rows]
    if not cells:
        raise files.DamagedFile(f"{file}: a header without rows")
    return Table(file, separator, [name for name in columns if name], cells)


def lines(file: Path) -> list[tuple[int, dict[str, Any]]]:
    """(line of the file, what it holds by column) of a table, or of JSONL, where values may be more than texts.

    JSONL is known by the file's ending or by its first line.

    Raises:
        files.DamagedFile: The file is neither, or has no rows.
    """
    if file.suffix.lower() != ".jsonl" and not _is_json(files.read_text(file)):
        return [(line, dict(cells)) for line, cells in read(file).rows]
    objects = list(files.numbered_jsonl(file))
    if not objects:
        raise files.DamagedFile(f"{file}: empty; expected one object per line")
    return objects


def _is_json(text: str) -> bool:
    """Whether the first line is an object or a list, or begins one; ``[id],[text]`` is a header."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if first in ("{", "[", "[{"):
        return True
    try:
        return isinstance(json.loads(first), dict | list)
    except (ValueError, RecursionError):
        return False


def header(file: Path) -> list[str]:
    """The names of the columns; `files.DamagedFile` as `read`."""
    return read(file).columns


def numbers(cells: Sequence[tuple[int, str]], file: Path, column: str, separator: str) -> list[float]:
    """A column of (line, cell) as numbers, NaN for missing ones; ``ValueError`` for a cell that is neither.

    A comma is a decimal one where the column has no points. In a column whose every comma stands before three digits
    it may also divide thousands: refused, unless semicolons separate the columns, as where commas are decimal.
    """
    known = [(line, cell.strip()) for line, cell in cells if cell.strip() not in MISSING]
    commas = [(line, cell) for line, cell in known if "," in cell]
    points = [(line, cell) for line, cell in known if "." in cell]
    where = f"{file}: column {column}"
    if commas and points:
        shown = " and ".join(f"{cell} in line {line}" for line, cell in (commas[0], points[0]))
        raise ValueError(f"{where} has decimal commas and points ({shown}); write all numbers alike")
    if commas and separator != ";" and all(THOUSANDS.fullmatch(cell) for _, cell in commas):
        line, cell = commas[0]
        raise ValueError(f"{where}: is {cell} in line {line} a thousand or a fraction? Write it without the comma")
    whole = [(line, cell) for line, cell in known if HUNDREDS.fullmatch(cell)]
    if points and whole and all(THOUSANDS_BY_POINT.fullmatch(cell) for _, cell in points):
        shown = " and ".join(f"{cell} in line {line}" for line, cell in (points[0], whole[0]))
        raise ValueError(f"{where}: has {shown}: does the point divide thousands? Write such numbers without it")
    pattern = COMMA if commas else POINT
    values = []
    for line, cell in cells:
        cell = cell.strip()
        if cell in MISSING:
            values.append(math.nan)
            continue
        value = float(cell.replace(",", ".")) if pattern.fullmatch(cell) else math.inf
        if abs(value) > LARGEST and math.isfinite(value):
            raise ValueError(
                f"{where}, line {line}: {cell[:40]} is too large to be measured; write NA where there is none"
            )
        if math.isinf(value):
            raise ValueError(f"{where}, line {line}: {cell[:40]!r} is no number; write NA where there is none")
        values.append(value)
    return values


def _separator(file: Path, first: str, text: str) -> str:
    """The separator that the header holds; where it holds several, the one that cuts every row into as many cells."""
    held = [separator for separator in SEPARATORS if len(next(csv.reader([first], delimiter=separator), [])) > 1]
    if not held:
        names = ", ".join(SEPARATORS.values())
        raise files.DamagedFile(f"{file}, line 1: one column ({first[:60]!r}): nothing separates cells ({names})")
    if len(held) == 1:
        return held[0]
    even = [separator for separator in held if len({len(row) for row in _cells(text, separator)}) == 1]
    if len(even) != 1:
        names = " and ".join(SEPARATORS[separator] for separator in held)
        raise files.DamagedFile(f"{file}, line 1: both {names} may separate the columns; write the file with one")
    return even[0]


def _cells(text: str, separator: str) -> Iterator[list[str]]:
    return (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row))


def _rows(file: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise files.DamagedFile(
                f"{file}, line {line}: a cell's quotation marks do not fit ({error}); write a mark inside a cell twice"
            ) from None
        if row is None:
            return
        if separator == "\t" and any("\n" in cell and "\t" in cell for cell in row):
            raise files.DamagedFile(
                f"{file}, line {line}: a cell begins with a quotation mark and goes on over tabs and lines; write "
                "a mark that belongs to the text twice, in a cell in quotation marks"
            )
        if any(cell.strip() for cell in row):
            yield line, row


def _by_column(file: Path, line: int, columns: Sequence[str], row: Sequence[str], separator: str) -> dict[str, str]:
    if len(row) != len(columns):
        hints = [f"a cell with a {SEPARATORS[separator]} needs quotation marks"] if len(row) > len(columns) else []
        hints += ["R's row names are left out by row.names=FALSE"] if len(row) == len(columns) + 1 else []
        raise files.DamagedFile(
            f"{file}, line {line}: {len(row)} cells, and the header has {len(columns)}"
            + (f" ({'; '.join(hints)})" if hints else "")
        )
    return {name: cell for name, cell in zip(columns, row, strict=True) if name}
