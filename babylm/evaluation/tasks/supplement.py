"""The BabyLM supplement to BLiMP, the official fast subset: five kinds of pairs about dialogue and word knowledge."""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results import Item
from babylm.evaluation.tasks import _minimal_pairs
from babylm.evaluation.tasks._minimal_pairs import score

__all__ = ["VERSION", "items", "score"]

VERSION = 1


def items(data: Path, limit: int | None = None) -> list[Item]:
    """The pairs of ``fast_eval/supplement_fast``."""
    return _minimal_pairs.official(data, ["fast_eval/supplement_fast", "supplement_fast"], limit)
