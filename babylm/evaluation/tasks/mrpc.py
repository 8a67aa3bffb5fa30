"""MRPC (Dolan and Brockett, 2005): do two sentences say the same? Scored by F1."""

from __future__ import annotations

from babylm.evaluation.tasks import _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 0.5

TASK = _glue.Task("mrpc", _glue.fields("sentence1", "sentence2"), metric="f1")
items, identity, score = TASK.items, TASK.identity, TASK.score
