"""BLiMP (Warstadt et al., arXiv 1912.00582): 67 paradigms, each with 200 minimal pairs (fast) or up to 979 (full)."""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks import _data, _minimal_pairs
from babylm.evaluation.tasks._multiple_choice import score

__all__ = ["CHANCE", "VERSION", "items", "score"]

VERSION = 1
CHANCE = 0.5
FOLDERS = {"fast": "blimp_fast", "full": "blimp_filtered"}


def items(data: Path, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> list[Item]:
    """The pairs of the suite's folder."""
    return _minimal_pairs.read(_data.find(data, suite, FOLDERS[suite]), limit)
