"""MultiRC (Khashabi et al., 2018): is this answer to a question about a paragraph right?"""

from __future__ import annotations

from babylm.evaluation.tasks import _data, _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 0.5


def pair(record: _data.Record) -> tuple[str, str]:
    """Question with answer, and the paragraph."""
    return f"Question: {record.text('question')} Answer: {record.text('answer', blank=True)}", record.text("paragraph")


TASK = _glue.Task("multirc", pair, batch=16)
items, identity, score = TASK.items, TASK.identity, TASK.score
