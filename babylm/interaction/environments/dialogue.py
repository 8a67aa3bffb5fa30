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
        self._texts = texts
        self._openings: list[str] = []

    def prompts(self, seed: int, count: int) -> list[str]:
        """Random lines of the corpus of at most `LONGEST` words, line ends included."""
        if not self._openings:
            lines = [line.split() for text in self._texts() for line in text.split("\n")]
            self._openings = [" ".join(words) + "\n" for words in lines if 1 <= len(words) <= LONGEST]
            if not self._openings:
                raise ValueError(f"interaction.environment=dialogue: no line of the corpus has at most {LONGEST} words")
        generator = random.Random(seed)
        return [generator.choice(self._openings) for _ in range(count)]


def build(config: InteractionConfig, texts: Callable[[], Sequence[str]]) -> Dialogue:
    """The environment; ``interaction.turns`` says how often the student speaks."""
    return Dialogue(config.turns, texts)
