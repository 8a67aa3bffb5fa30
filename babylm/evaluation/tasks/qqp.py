"""QQP (Iyer et al., 2017): are two questions the same? Scored by F1."""

from __future__ import annotations

from babylm.evaluation.tasks import _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 0.5

TASK = _glue.Task("qqp", _glue.fields("question1", "question2"), metric="f1")
items, identity, score = TASK.items, TASK.identity, TASK.score
