"""The two-player reference game (CoGen, arXiv 2408.15992): one of ten similar objects is meant, by word or by choice.

The student plays either role with a scripted partner. As listener it reads the partner's description and names an
object (``B``); as speaker it sees the target first and describes it (``striped red ball .``), and the partner chooses.
The partner describes as people do: just enough, in one of three words per attribute, at 10 % with an attribute too few;
it chooses the object that fits the most words, and at 5 % any object.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Literal

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

ITEMS, LONGEST = 10, 6
OMIT, LAPSE = 0.10, 0.05
Role = Literal["listener", "speaker"]


class Reference(Game):
    """The game; see the module's docstring. An episode's ``items`` are in the listener's order, whoever that is."""

    words = (*_objects.ITEM_WORDS, "describe", ".", *_objects.WORDS)
    """Those of the drawn objects."""
    longest_action = LONGEST + 1

    def __init__(
        self, role: Role, pictures: bool = True, hard: bool = True, plain: bool = False, items: ItemSet = _objects
    ) -> None:
        self.role, self.pictures, self.items = role, pictures, items
        self.words = (*_objects.ITEM_WORDS, "describe", ".", *items.WORDS)
        self.hard = hard
        """Whether objects of a game share most attributes."""
        self.plain = plain
        """Whether the partner uses all attributes and canonical words alone: what students begin with."""

    def reset(self, seed: int) -> Episode:
        """Ten objects, one of them the target; if the student listens, the partner's description."""
        generator = random.Random(seed)
        items = self.items.draw_context(generator, ITEMS, self.hard)
        target = generator.randrange(ITEMS)
        episode = Episode(generator, items, {target})
        episode.messages.append(("speaker", " ".join(self.partner_description(episode))))
        return episode

    def partner_description(self, episode: Episode) -> list[str]:
        """What the partner says for the target."""
        (target,) = episode.targets
        kind, others = episode.items[target], [item for index, item in enumerate(episode.items) if index != target]
        if self.plain:
            return self.items.full_description(kind)
        return self.items.describe(kind, others, episode.generator, omit=OMIT)

    def partner_choice(self, episode: Episode, words: Sequence[str]) -> int:
        """The item that the partner takes a description for; ties at random."""
        if episode.generator.random() < LAPSE:
            return episode.generator.randrange(ITEMS)
        fits = [sum(self.items.fits(word, kind) for word in words) for kind in episode.items]
        return episode.generator.choice([index for index, count in enumerate(fits) if count == max(fits)])

    def observe(self, episode: Episode) -> Observation:
        """Listener: the objects and the description. Speaker: the objects with the target first."""
        if self.role == "listener":
            view = self.items.show_items(episode.items, self.pictures)
            return view._replace(words=[*view.words, "speaker", *episode.messages[0][1].split(), "listener"])
        (target,) = episode.targets
        others = [kind for index, kind in enumerate(episode.items) if index != target]
        view = self.items.show_items([episode.items[target], *others], self.pictures)
        return view._replace(words=[*view.words, "describe"])

    def allowed(self, episode: Episode, words: Sequence[str]) -> list[str]:
        """Listener: a label. Speaker: at least one word and at most six, then the end."""
        if self.role == "listener":
            return [] if words else list(_objects.LABELS)
        if not words:
            return list(self.items.WORDS)
        return [self.end] if len(words) >= LONGEST else [*self.items.WORDS, self.end]

    def step(self, episode: Episode, action: str) -> Outcome:
        """The game ends: it is won if the listener has chosen the target."""
        if self.role == "listener":
            chosen = _objects.LABELS.index(action.split()[0])
        else:
            chosen = self.partner_choice(episode, action.removesuffix(self.end).split())
        won = chosen in episode.targets
        return Outcome("", done=True, success=won, gold=float(won))

    def demonstration(self, episode: Episode) -> str:
        """Listener: the target. Speaker: what the partner would say."""
        (target,) = episode.targets
        return _objects.LABELS[target] if self.role == "listener" else f"{episode.messages[0][1]} {self.end}"


def build(config: InteractionConfig, texts: Callable[[], Sequence[str]]) -> Environment:
    """Raises ValueError: studies play this game."""
    return played_in_studies("reference", "a game of two players over ten objects", "coupling")
