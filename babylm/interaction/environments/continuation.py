"""Beginnings of lines of the training text, to be continued."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from babylm.config.interaction import InteractionConfig
from babylm.interaction.environments._types import Environment

SHORTEST, LONGEST = 3, 12
"""Words of a prompt."""


class Continuation(Environment):
    """Prompts are the first words of lines of the corpus; what is good, only the teacher knows."""

    corpus_text = True

    def __init__(self, texts: Callable[[], Sequence[str]]) -> None:
        self._texts = texts
        self._lines: list[list[str]] = []

    def prompts(self, seed: int, count: int) -> list[str]:
        """The first words of random lines."""
        if not self._lines:
            self._lines = [
                words for text in self._texts() for line in text.split("\n") if len(words := line.split()) > SHORTEST
            ]
            if not self._lines:
                raise ValueError(
                    f"interaction.environment=continuation: no line of the corpus has {SHORTEST + 1} words"
                )
        generator = random.Random(seed)
        chosen = [generator.choice(self._lines) for _ in range(count)]
        return [" ".join(words[: generator.randint(SHORTEST, min(LONGEST, len(words) - 1))]) for words in chosen]


def build(config: InteractionConfig, texts: Callable[[], Sequence[str]]) -> Continuation:
    """The environment; it has no settings."""
    return Continuation(texts)
