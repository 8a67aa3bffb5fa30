"""COMPS (Misra et al., arXiv 2210.01963): which concept has the property?

Four files, three of them with invented words.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babylm.evaluation.results import Item
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._choice import score

__all__ = ["CHANCE", "VERSION", "items", "score"]

VERSION = 1
CHANCE = 0.5
FOLDER = "comps"


def items(data: Path, limit: int | None = None, *, suite: str = "full", rules: int = 2025) -> list[Item]:
    """One property after two concepts; COMPS has no fast subset, so ``suite`` changes nothing."""
    return _data.read(_data.find(data, "full", FOLDER), _item, limit, "an item of COMPS")


def _item(line: Mapping[str, Any], name: str) -> Item:
    phrase = line["property_phrase"]
    sentences = (f"{line['prefix_acceptable']} {phrase}", f"{line['prefix_unacceptable']} {phrase}")
    uid = name.removeprefix("comps_").replace("-", "_")
    return Item(uid, sentences, (phrase, phrase), answers=sentences)
