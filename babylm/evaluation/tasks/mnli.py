"""MNLI (Williams et al., arXiv 1704.05426): does the premise entail the hypothesis, say nothing of it, or deny it?"""

from __future__ import annotations

from babylm.evaluation.tasks import _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 1 / 3

TASK = _glue.Task("mnli", _glue.fields("premise", "hypothesis"), labels=3)
items, identity, score = TASK.items, TASK.identity, TASK.score
