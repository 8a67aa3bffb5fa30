"""MultiRC (Khashabi et al., 2018): is this answer to a question about a paragraph right?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from babylm.evaluation.tasks import _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 0.5


def pair(line: Mapping[str, Any]) -> tuple[str, str]:
    """Question with answer, and the paragraph."""
    return f"Question: {line['question']} Answer: {line['answer']}", line["paragraph"]


TASK = _glue.Task("multirc", pair, batch=16)
items, identity, score = TASK.items, TASK.identity, TASK.score
