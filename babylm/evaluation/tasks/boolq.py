"""BoolQ (Clark et al., arXiv 1905.10044): does the passage answer the question with yes?"""

from __future__ import annotations

from babylm.evaluation.tasks import _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 0.5

TASK = _glue.Task("boolq", _glue.fields("question", "passage"), batch=16)
items, identity, score = TASK.items, TASK.identity, TASK.score
