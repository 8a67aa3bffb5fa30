"""WSC (Levesque et al., 2012; SuperGLUE): is this what the pronoun refers to? Thirty epochs on 554 examples."""

from __future__ import annotations

from babylm.evaluation.tasks import _data, _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 0.5


def pair(record: _data.Record) -> tuple[str, str]:
    """The question put in words, and the text."""
    pronoun, noun = record.text("span2_text"), record.text("span1_text")
    return f'Does "{pronoun}" refer to "{noun}" in this passage?', record.text("text")


TASK = _glue.Task("wsc", pair, epochs=30)
items, identity, score = TASK.items, TASK.identity, TASK.score
