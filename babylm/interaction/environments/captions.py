"""Captions: one object of ten is described by most of its attributes, in canonical words; what listeners begin with.

A game of one turn: a request, an action, and no reply.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from babylm.config.interaction import InteractionConfig
from babylm.interaction.environments import _objects
from babylm.interaction.environments._types import (
    Environment,
    Episode,
    Game,
    ItemSet,
    Observation,
    Outcome,
    played_in_studies,
)

ITEMS = 10


class Captions(Game):
    """The game; see the module's docstring."""

    longest_action = 3

    def __init__(self, pictures: bool = True, extra: float = 1.0, items: ItemSet = _objects) -> None:
        self.items = items
        self.words = tuple(dict.fromkeys((*_objects.ITEM_WORDS, *items.WORDS, "get", "the", "select", ".")))
        self.pictures, self.extra = pictures, extra
        """Whether objects are seen as pictures, else as the canonical words of their attributes; probability that an
        attribute is named that is not needed."""

    def reset(self, seed: int) -> Episode:
        """Ten objects, one of them described."""
        generator = random.Random(seed)
        items = self.items.draw_context(generator, ITEMS, hard=False)
        target = generator.randrange(ITEMS)
        words = self.items.caption(items[target], items[:target] + items[target + 1 :], generator, self.extra)
        return Episode(generator, items, {target}, messages=[("speaker", f"get the {' '.join(words)}")])

    def observe(self, episode: Episode) -> Observation:
        """The objects and the request, in the form of MultiRef."""
        view = self.items.show_items(episode.items, self.pictures)
        return view._replace(words=[*view.words, "selected", "speaker", *episode.messages[0][1].split(), "listener"])

    def allowed(self, episode: Episode, words: Sequence[str]) -> list[str]:
        """``select X .``"""
        return [["select"], list(_objects.LABELS), [self.end], []][min(len(words), 3)]

    def step(self, episode: Episode, action: str) -> Outcome:
        """The end of the game."""
        right = action == self.demonstration(episode)
        return Outcome("", done=True, success=right, gold=float(right))

    def demonstration(self, episode: Episode) -> str:
        """The right object."""
        return f"select {_objects.LABELS[min(episode.targets)]} {self.end}"


def build(config: InteractionConfig, texts: Callable[[], Sequence[str]]) -> Environment:
    """Raises ValueError: studies play this game."""
    return played_in_studies("captions", "a task of one turn that listeners of games begin with", "respect")
