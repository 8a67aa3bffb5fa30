"""A scripted teacher that knows the micro-language: it repairs sentences, or says whether they are grammatical."""

from __future__ import annotations

import random
from collections.abc import Sequence

from babylm.config.interaction import InteractionConfig
from babylm.corpora import microlanguage
from babylm.interaction.teachers._types import Teacher


class Grammarian(Teacher):
    """Exact, seeded, and free."""

    def correct(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[str]:
        """The completion itself if the sentence is grammatical, else a repaired one."""
        generator = random.Random(seed)
        return [
            microlanguage.repaired(prompt, text, generator) for prompt, text in zip(prompts, completions, strict=True)
        ]

    def score(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[float]:
        """1 for a grammatical sentence, else 0."""
        return [
            float(microlanguage.is_grammatical(f"{prompt} {text}"))
            for prompt, text in zip(prompts, completions, strict=True)
        ]


def build(config: InteractionConfig) -> Grammarian:
    """The teacher; it has no settings."""
    return Grammarian()
