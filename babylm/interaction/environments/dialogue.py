"""Dialogues: student and teacher speak in turn, from a line of the training text on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from babylm.config.interaction import InteractionConfig
from babylm.interaction.environments._types import Environment

LONGEST = 12
"""Words of an opening, at most."""


class Dialogue(Environment):
    """Openings are short lines of the corpus; each utterance is a line, and the student reads all lines so far.

    What is good, only the teacher knows.
    """

    corpus_text = True
    stop = "\n"

    def __init__(self, turns: int, texts: Callable[[], Sequence[str]]) -> None:
        self.turns = turns
        documents = texts()
        if not any("\n" in text.strip() for text in documents):
            raise ValueError(
                "interaction.environment=dialogue: every document of the corpus is one line, so a student never read a "
                "line after another; use corpus.documents=blocks (the micro-language: corpus.toy.lines=8)"
            )
        lines = [line.split() for text in documents for line in text.split("\n")]
        self._openings = [" ".join(words) + "\n" for words in lines if 1 <= len(words) <= LONGEST]
        if not self._openings:
            raise ValueError(f"interaction.environment=dialogue: no line of the corpus has at most {LONGEST} words")

    def prompts(self, seed: int, count: int) -> list[str]:
        """Random lines of the corpus of at most `LONGEST` words, line ends included."""
        generator = random.Random(seed)
        return [generator.choice(self._openings) for _ in range(count)]


def build(config: InteractionConfig, texts: Callable[[], Sequence[str]]) -> Dialogue:
    """The environment; ``interaction.turns`` says how often the student speaks."""
    return Dialogue(config.turns, texts)
