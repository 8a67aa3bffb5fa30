"""Beginnings of sentences of the micro-language: the subject, or a part of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from babylm.config.interaction import InteractionConfig
from babylm.corpora import microlanguage
from babylm.interaction.environments._types import Environment


class MicroLanguage(Environment):
    """Prompts are beginnings of grammatical sentences; gold is grammaticality."""

    stop = "."

    def prompts(self, seed: int, count: int) -> list[str]:
        """The first one to three words of a sentence each."""
        generator = random.Random(seed)
        return [" ".join(microlanguage.sentence(generator).split()[: generator.randint(1, 3)]) for _ in range(count)]

    def gold(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """1 for a grammatical sentence, else 0."""
        return [
            float(microlanguage.is_grammatical(f"{prompt} {text}"))
            for prompt, text in zip(prompts, completions, strict=True)
        ]


def build(config: InteractionConfig, texts: Callable[[], Sequence[str]]) -> MicroLanguage:
    """The environment; it has no settings."""
    return MicroLanguage()
