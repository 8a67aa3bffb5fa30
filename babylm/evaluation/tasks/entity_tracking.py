"""Entity tracking (Kim & Schuster, arXiv 2305.02363): what is in the box after 0 to 5 operations? Five options.

Three splits of six UIDs (numbers of operations) each; the score is the mean of the splits' means. Sums of
log-probabilities favour short options, so weak models score far from chance. The rules of 2026 leave out every item
with an empty box among its options.
"""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.task import BOTH_SUITES, Official
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._multiple_choice import ChoiceTask

FOLDERS = {"fast": "entity_tracking_fast", "full": "entity_tracking"}
"""The fast one has the split ``regular`` alone."""
COUNTS = {
    2025: {
        "regular": (606, 607, 606, 606, 568, 159),
        "ambiref": (607, 607, 604, 604, 615, 187),
        "move_contents": (605, 606, 605, 606, 529, 156),
    },
    2026: {
        "regular": (517, 409, 405, 425, 388, 94),
        "ambiref": (508, 428, 413, 409, 434, 123),
        "move_contents": (516, 437, 399, 406, 353, 116),
    },
}
"""Items by year and split, after 0 to 5 operations."""
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


def counts(suite: str, rules: int) -> dict[str, int]:
    """Official number of items per UID."""
    splits = ("regular",) if suite == "fast" else tuple(COUNTS[rules])
    return {f"{split}_{k}_ops": n for split in splits for k, n in enumerate(COUNTS[rules][split])}


TASK = ChoiceTask(
    name="entity_tracking",
    version=1,
    chance=0.2,
    title="Entity",
    suites=BOTH_SUITES,
    order=4,
    average="nlp",
    read=items,
    official=Official(
        key="entity_tracking",
        key_by_year={2026: "entity_tracking_filtered"},
        counts=counts,
        folder="entity_tracking",
        subfolders=FOLDERS,
    ),
)
