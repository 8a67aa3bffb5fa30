"""Winoground (Thrush et al., arXiv 2204.03162), text side: is the matching caption likelier, without its image?

Without images this is the baseline of a text model, not the official score of the multimodal track.
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
FOLDER = "winoground_filtered"


def items(data: Path, limit: int | None = None, *, suite: str = "full", rules: int = 2025) -> list[Item]:
    """Two captions an image; there is no fast subset."""
    return _data.read(_data.find(data, "full", FOLDER), _item, limit, "a pair of captions")


def _item(line: Mapping[str, Any], _: str) -> Item:
    captions = (line["caption_0"], line["caption_1"])
    return Item("winoground", captions, captions)
