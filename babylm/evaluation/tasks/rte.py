"""RTE (Dagan et al., 2005, and later rounds): does the first sentence entail the second (0) or not (1)?"""

from __future__ import annotations

from babylm.evaluation.tasks import _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 0.5

TASK = _glue.Task("rte", _glue.fields("sentence1", "sentence2"))
items, identity, score = TASK.items, TASK.identity, TASK.score
