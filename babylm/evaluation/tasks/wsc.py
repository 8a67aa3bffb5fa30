"""WSC (Levesque et al., 2012; SuperGLUE): is this what the pronoun refers to? Thirty epochs on 554 examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from babylm.evaluation.tasks import _glue

__all__ = ["CHANCE", "VERSION", "identity", "items", "score"]

VERSION = _glue.VERSION
CHANCE = 0.5


def pair(line: Mapping[str, Any]) -> tuple[str, str]:
    """The question put in words, and the text."""
    return f'Does "{line["span2_text"]}" refer to "{line["span1_text"]}" in this passage?', line["text"]


TASK = _glue.Task("wsc", pair, epochs=30)
items, identity, score = TASK.items, TASK.identity, TASK.score
