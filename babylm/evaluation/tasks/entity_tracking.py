"""Entity tracking (Kim & Schuster, arXiv 2305.02363): what is in the box after 0 to 5 operations? Five options.

Three splits of six UIDs (numbers of operations) each; the score is the mean of the splits' means. Sums of
log-probabilities favour short options, so weak models score far from chance. The rules of 2026 leave out every item
with an empty box among its options.
"""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._multiple_choice import score

__all__ = ["CHANCE", "VERSION", "items", "score"]

VERSION = 1
CHANCE = 0.2
FOLDERS = {"fast": "entity_tracking_fast", "full": "entity_tracking"}
"""The fast one has the split ``regular`` alone."""
EXPECTED = "an item of entity tracking: the text input_prefix, the list options and the number numops"


def items(data: Path, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> list[Item]:
    """Descriptions with five options, of which the first is right."""
    folder = _data.find(data, suite, FOLDERS[suite])
    return _data.read(folder, _item if rules == 2025 else _filtered, limit, EXPECTED)


def _item(record: _data.Record, split: str) -> Item:
    options = tuple(record.texts("options"))
    if len(options) < 2:
        raise record.wrong("options has one entry")
    prefix = record.text("input_prefix")
    sentences = tuple(prefix + option for option in options)
    return Item(f"{split}_{record.integer('numops', 0, 1000)}_ops", sentences, options, split=split)


def _filtered(record: _data.Record, split: str) -> Item | None:
    item = _item(record, split)
    return None if any("nothing" in option for option in item.completions) else item
