"""Minimal pairs in BLiMP's schema: a folder of ``*.jsonl`` with ``sentence_good`` and ``sentence_bad`` in each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babylm.evaluation.results import Item, evenly
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._choice import score

__all__ = ["from_pairs", "read", "score"]


def read(folder: Path, limit: int | None = None) -> list[Item]:
    """The pairs of all files of ``folder``, by file name; at most ``limit`` a file, evenly spaced.

    ``ValueError`` for a folder without files and for a line that is no pair, with its place.
    """
    if not any(Path(folder).glob("*.jsonl")):
        raise _data.MissingData(f"{folder}: no minimal pairs there (*.jsonl)")
    return _data.read(folder, _item, limit, "a minimal pair")


def from_pairs(pairs: Mapping[str, Sequence[Mapping[str, Any]]], limit: int | None = None) -> list[Item]:
    """The same from memory: name -> lines."""
    return [item for name in sorted(pairs) for item in evenly([_item(pair, name) for pair in pairs[name]], limit)]


def _item(pair: Mapping[str, Any], name: str) -> Item:
    # As the official reader: files of BLiMP carry their UID, those of the supplement are named by it.
    uid = pair["UID"] if "field" in pair else name
    sentences = (str(pair["sentence_good"]), str(pair["sentence_bad"]))
    return Item(str(uid), sentences, sentences)
