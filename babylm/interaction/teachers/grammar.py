"""A scripted teacher that knows the micro-language: it repairs sentences, or says whether they are grammatical.

A prompt is the beginning of a sentence. In a dialogue that is its last line, which is empty: the student says whole
sentences.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from babylm.config.interaction import InteractionConfig
from babylm.corpora import microlanguage
from babylm.interaction.teachers._types import Identity, Teacher

ASKS_BACK = (0.1, 0.6)
"""Probability of a clarification request after a grammatical and after an ungrammatical sentence."""
REQUESTS, ACKNOWLEDGEMENTS, OTHERS = (
    ("what ?", "sorry ?", "who ?"),
    ("yes .", "right .", "good ."),
    ("look .", "come on ."),
)


class Grammarian(Teacher):
    """Exact, seeded, and free."""

    identity = Identity("grammar")

    def complete(self, prompts: Sequence[str], seed: int) -> list[str]:
        """The rest of a grammatical sentence."""
        return self.correct(prompts, [""] * len(prompts), seed)

    def reply(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[str]:
        """What a caregiver says: asks back, mostly after an error; else acknowledges or goes on, half each."""
        generator = random.Random(seed)
        replies = []
        for grammatical in self.score(prompts, completions, seed):
            asks = generator.random() < ASKS_BACK[0 if grammatical else 1]
            kinds = REQUESTS if asks else ACKNOWLEDGEMENTS if generator.random() < 0.5 else OTHERS
            replies.append(generator.choice(kinds))
        return replies

    def judge_pair(self, prompts: Sequence[str], first: Sequence[str], second: Sequence[str], seed: int) -> list[float]:
        """The grammatical one is better."""
        scores = zip(self.score(prompts, first, seed), self.score(prompts, second, seed), strict=True)
        return [(1 + a - b) / 2 for a, b in scores]

    def correct(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[str]:
        """The completion itself if the sentence is grammatical, else a repaired one."""
        generator = random.Random(seed)
        pairs = zip(map(_begun, prompts), completions, strict=True)
        return [_repaired(begun, text, generator) for begun, text in pairs]

    def score(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[float]:
        """1 for a grammatical sentence, else 0."""
        pairs = zip(map(_begun, prompts), completions, strict=True)
        return [float(microlanguage.is_grammatical(f"{begun} {text}")) for begun, text in pairs]


def _begun(prompt: str) -> str:
    """The part of the prompt that belongs to the sentence."""
    return prompt.rpartition("\n")[2]


def _repaired(begun: str, text: str, generator: random.Random) -> str:
    """The rest of a grammatical sentence; a whole one begins with the determiner that it has, or with ``the``."""
    if begun or microlanguage.is_grammatical(text):
        return microlanguage.repaired(begun, text, generator)
    words = text.split()
    determiners = {*microlanguage.EITHER, *(word for group in microlanguage.DETERMINERS.values() for word in group)}
    first, rest = (words[0], words[1:]) if words and words[0] in determiners else ("the", words)
    return f"{first} {microlanguage.repaired(first, ' '.join(rest), generator)}"


def build(config: InteractionConfig) -> Grammarian:
    """The teacher; it has no settings."""
    return Grammarian()
