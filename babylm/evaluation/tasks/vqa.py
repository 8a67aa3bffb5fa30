"""VQA (Goyal et al., arXiv 1612.00837), text side: is the answer likelier than seven others, without the image?

Without images this is the baseline of a text model, not the official score of the multimodal track.
"""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._multiple_choice import ChoiceTask

FOLDER = "vqa_filtered"
EXPECTED = "a question of VQA: the texts question and target_ans and the list distractors"


def items(data: Path, limit: int | None = None, *, suite: str = "full", rules: int = 2025) -> list[Item]:
    """Questions with eight answers, of which the first is right; there is no fast subset."""
    return _data.read(_data.find(data, "full", FOLDER), _item, limit, EXPECTED)


def _item(record: _data.Record, _: str) -> Item:
    completions = tuple(
        f" {answer}" for answer in (record.text("target_ans"), *record.texts("distractors", blank=True))
    )
    question = record.text("question")
    return Item("vqa", tuple(question + completion for completion in completions), completions)


TASK = ChoiceTask(name="vqa", version=1, chance=0.125, needs_images=True, read=items)
