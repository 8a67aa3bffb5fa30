"""Winoground (Thrush et al., arXiv 2204.03162), text side: is the matching caption likelier, without its image?

Without images this is the baseline of a text model, not the official score of the multimodal track.
"""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._multiple_choice import ChoiceTask

FOLDER = "winoground_filtered"
EXPECTED = "a pair of captions: the texts caption_0 and caption_1"


def items(data: Path, limit: int | None = None, *, suite: str = "full", rules: int = 2025) -> list[Item]:
    """Two captions per image; there is no fast subset."""
    return _data.read(_data.find(data, "full", FOLDER), _item, limit, EXPECTED)


def _item(record: _data.Record, _: str) -> Item:
    captions = (record.text("caption_0"), record.text("caption_1"))
    return Item("winoground", captions, captions)


TASK = ChoiceTask(name="winoground", version=1, chance=0.5, needs_images=True, read=items)
