"""COMPS (Misra et al., arXiv 2210.01963): which concept has the property?

Four files, three of them with invented words.
"""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.task import Official, fixed_counts, table
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._multiple_choice import ChoiceTask

FOLDER = "comps"
EXPECTED = "an item of COMPS: the texts prefix_acceptable, prefix_unacceptable and property_phrase"


def items(data: Path, limit: int | None = None, *, suite: str = "full", rules: int = 2025) -> list[Item]:
    """One property after two concepts; COMPS has no fast subset, so ``suite`` changes nothing."""
    return _data.read(_data.find(data, "full", FOLDER), _item, limit, EXPECTED)


def _item(record: _data.Record, name: str) -> Item:
    phrase = record.text("property_phrase")
    good, bad = record.text("prefix_acceptable"), record.text("prefix_unacceptable")
    sentences = (f"{good} {phrase}", f"{bad} {phrase}")
    uid = name.removeprefix("comps_").replace("-", "_")
    return Item(uid, sentences, (phrase, phrase), answers=sentences)


TASK = ChoiceTask(
    name="comps",
    version=1,
    chance=0.5,
    title="COMPS",
    suites=(("full", 2025), ("full", 2026)),
    order=5,
    average="nlp",
    read=items,
    official=Official(
        key="comps",
        counts=fixed_counts(table("base 49340 wugs_dist_before 13896 wugs_dist_in_between 13896 wugs 13896")),
        folder="comps",
        subfolders={"fast": FOLDER, "full": FOLDER},
    ),
)
