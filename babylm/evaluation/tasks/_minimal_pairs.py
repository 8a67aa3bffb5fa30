"""Minimal pairs in BLiMP's schema: a folder of ``*.jsonl`` with ``sentence_good`` and ``sentence_bad`` in each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babylm.evaluation.results.task_result import Item, evenly_spaced
from babylm.evaluation.tasks import _data

EXPECTED = "a minimal pair: an object with the texts sentence_good and sentence_bad"


def read(folder: Path, limit: int | None = None) -> list[Item]:
    """The pairs of all files of an official ``folder``, by file name; at most ``limit`` per file, evenly spaced.

    Raises: ``ValueError`` for a folder without files, and for a line that is no pair, with its file and line.
    """
    return _data.read(folder, lambda record, stem: pair(record, uid(record, stem)), limit, EXPECTED)


def from_pairs(pairs: Mapping[str, Sequence[Mapping[str, Any]]], limit: int | None = None) -> list[Item]:
    """The items of pairs in memory, given as name -> lines."""
    items: list[Item] = []
    for name in sorted(pairs):
        lines = [_data.Record(fields, Path(name), line, EXPECTED) for line, fields in enumerate(pairs[name], 1)]
        items += evenly_spaced([pair(record, uid(record, name)) for record in lines], limit)
    return items


def pair(record: _data.Record, name: str, good: str = "sentence_good", bad: str = "sentence_bad") -> Item:
    """The item of one record, under the UID ``name``."""
    sentences = (record.text(good), record.text(bad))
    return Item(name, sentences, sentences)


def uid(record: _data.Record, stem: str) -> str:
    """The UID of a record: its ``UID`` if it also has a ``field`` (BLiMP's files), else the file's name (supplement).

    The official reader decides the same way. A file by someone else with a ``field`` but no ``UID`` is named by its
    stem too.
    """
    return record.name("UID") if "field" in record.fields and "UID" in record.fields else stem
