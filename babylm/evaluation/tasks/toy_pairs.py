"""The bundled corpus's own minimal pairs: its phenomena with lexical combinations that its texts never contain."""

from __future__ import annotations

from pathlib import Path

from babylm.corpora import toy
from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks import _minimal_pairs
from babylm.evaluation.tasks._multiple_choice import ChoiceTask

SEED = 0
"""The pairs are the same whatever text a model was trained on."""


def items(data: Path | None, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> list[Item]:
    """The pairs, written anew from their seed; ``data`` is not needed."""
    return _minimal_pairs.from_pairs(toy.minimal_pairs(SEED), limit)


TASK = ChoiceTask(name="toy_pairs", version=1, chance=0.5, read=items)
