"""The scripted speaker's language: how people react to what a listener did, and how they ask.

What a reaction means is clear from its words alone in most cases, but not in all: a good action may be passed over in
silence, and so may a bad one.
"""

from __future__ import annotations

import random

SIGNALS_GOOD = {"praise": 0.45, "moving_on": 0.45, "silence": 0.10}
"""Probabilities of the reactions to a right action."""
SIGNALS_BAD = {"correction": 0.34, "rephrasing": 0.28, "frustration": 0.16, "giving_up": 0.10, "silence": 0.12}
"""Probabilities of the reactions to a wrong action."""

REACTIONS: dict[str, tuple[str, ...]] = {
    "praise": ("great", "yes", "good job", "perfect", "nice", "that is right", "thanks", "well done"),
    "moving_on": ("", "", "now", "next"),
    "silence": ("", "okay", "hm"),
    "correction": ("no", "wrong", "not that one", "no no", "undo that"),
    "rephrasing": ("i mean", "again", "i meant", "what i want is", ""),
    "frustration": ("come on", "oh no", "argh", "seriously", "what are you doing"),
    "giving_up": ("never mind", "forget it", "skip that one"),
}
"""What is said before the next request."""
ASK = ("get", "take", "select", "pick")
DROP = ("drop", "remove", "deselect", "undo")
FAREWELL = "i give up"

WORDS = tuple(
    dict.fromkeys(
        word
        for text in (*(text for texts in REACTIONS.values() for text in texts), *ASK, *DROP, FAREWELL, "the and")
        for word in text.split()
    )
)
"""Every word of the speaker but those that name objects."""


def signal(generator: random.Random, good: bool) -> str:
    """A reaction to a right or wrong action."""
    probabilities = SIGNALS_GOOD if good else SIGNALS_BAD
    return generator.choices(list(probabilities), list(probabilities.values()))[0]


def utterance(generator: random.Random, reaction: str, descriptions: list[list[str]], drop: bool) -> str:
    """A reaction (a key of `REACTIONS`, or empty) and a request for the described objects, as words.

    >>> utterance(random.Random(1), "praise", [["red", "ball"]], drop=False)
    'good job get the red ball'
    """
    words = [generator.choice(REACTIONS[reaction])] if reaction else []
    words.append(generator.choice(DROP if drop else ASK))
    words += ["the", " and the ".join(" ".join(description) for description in descriptions)]
    return " ".join(" ".join(words).split())
