"""Nouns of invented adjectives (Hofmann et al., arXiv 2411.07990), *-ability* or *-ableness*? Rules of 2025."""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks import _wug
from babylm.evaluation.tasks._wug import CHANCE, score

__all__ = ["CHANCE", "VERSION", "items", "score"]

VERSION = 1
FOLDER = "wug_adj_nominalization"


def items(data: Path, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> list[Item]:
    """Pairs of forms; the same in both suites."""
    return _wug.read(data, suite, FOLDER, "wug_adj", limit)
