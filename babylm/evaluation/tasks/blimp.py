"""BLiMP (Warstadt et al., arXiv 1912.00582), the official fast subset: 67 paradigms of 200 minimal pairs."""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results import Item
from babylm.evaluation.tasks import _minimal_pairs
from babylm.evaluation.tasks._minimal_pairs import score

__all__ = ["VERSION", "items", "score"]

VERSION = 1


def items(data: Path, limit: int | None = None) -> list[Item]:
    """The pairs of ``fast_eval/blimp_fast``."""
    return _minimal_pairs.official(data, ["fast_eval/blimp_fast", "blimp_fast"], limit)
