"""``summary.json`` of a study, read: whole and of the right types, whoever has written or damaged it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babylm import files
from babylm.tables import Column, Table

SUMMARY = "summary.json"
REPEAT = "repeat the study's command, which writes it anew from what was measured"
KEYS = ("title", "remarks", "tables")
NUMBER = (int, float)
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "title": str,
    "remarks": list,
    "tables": dict,
    "study": str,
    "conditions": list,
    "seeds": list,
    "pieces": int,
    "seconds": NUMBER,
    "failed": list,
    "settings": dict,
    "figure": (str, type(None)),
}
COLUMN = {"title", "format", "align"}
PNG = b"\x89PNG\r\n\x1a\n"


def read(folder: Path) -> dict[str, Any]:
    """The summary of the study in ``folder``; its ``tables`` are (title, `Table`) in their order.

    Raises:
        files.DamagedFile: Something in it is not of the type that a study writes.
    """
    file = folder / SUMMARY
    content: dict[str, Any] = files.read_json(file, REPEAT)
    files.check_keys(file, content, KEYS, REPEAT)
    for key, kind in TYPES.items():
        if key in content:
            _require(isinstance(content[key], kind) and not isinstance(content[key], bool), file, key, content[key])
    for index, text in enumerate(content["remarks"]):
        _require(isinstance(text, str), file, f"remarks[{index}]", text)
    for index, piece in enumerate(content.get("failed", [])):
        whole = isinstance(piece, dict) and {"condition", "seed", "reason"} <= set(piece)
        _require(whole and isinstance(piece["reason"], str), file, f"failed[{index}]", piece)
    if "seeds" in content.get("settings", {}):
        _require(isinstance(content["settings"]["seeds"], list), file, "settings.seeds", content["settings"]["seeds"])
    return content | {"tables": [_table(file, name, table) for name, table in content["tables"].items()]}


def figure(folder: Path, name: str) -> bytes:
    """The picture that a summary names; only one in the study's own folder is read, and only a PNG.

    Raises:
        files.DamagedFile: It is not there, lies elsewhere, or is no picture.
    """
    picture = folder / name
    if Path(name).name != name or picture.is_symlink():
        raise files.DamagedFile(
            f"{folder / SUMMARY}: figure is {name!r}: must be a file in the study's folder; {REPEAT}"
        )
    if not picture.is_file():
        raise files.DamagedFile(f"{picture}: there is no such file; {REPEAT}")
    content = picture.read_bytes()
    if not content.startswith(PNG):
        raise files.DamagedFile(f"{picture}: is no PNG picture; {REPEAT}")
    return content


def _table(file: Path, name: str, content: Any) -> tuple[str, Table]:
    where = f"tables.{name}"
    _require(isinstance(content, dict), file, where, content)
    files.check_keys(file, content, ("caption", "columns", "rows"), REPEAT)
    _require(isinstance(content["caption"], str), file, f"{where}.caption", content["caption"])
    for key in ("columns", "rows"):
        _require(isinstance(content[key], list), file, f"{where}.{key}", content[key])
    for index, column in enumerate(content["columns"]):
        whole = isinstance(column, dict) and "title" in column and set(column) <= COLUMN
        whole = whole and all(isinstance(value, str) for value in column.values()) and _is_format(column)
        _require(whole, file, f"{where}.columns[{index}]", column)
    width = len(content["columns"])
    for index, row in enumerate(content["rows"]):
        whole = isinstance(row, list) and len(row) == width
        whole = whole and all(value is None or isinstance(value, (str, int, float)) for value in row)
        _require(whole, file, f"{where}.rows[{index}]", row)
    return content["caption"], Table([Column(**column) for column in content["columns"]], content["rows"])


def _is_format(column: Mapping[str, str]) -> bool:
    try:
        Column(**column).show(1.0)
    except ValueError:
        return False
    return True


def _require(right: bool, file: Path, key: str, value: Any) -> None:
    if not right:
        shown = repr(value)
        raise files.DamagedFile(f"{file}: {key} is {shown if len(shown) < 60 else shown[:57] + '...'}; {REPEAT}")
