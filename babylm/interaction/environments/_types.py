"""What an environment is: single turns (`Environment`), or games of several turns (`Game`)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Environment:
    """Base of the environments in which the student completes prompts: one turn each, or a dialogue of several."""

    turns = 1
    """How often the student speaks in an episode. From the second turn on, a prompt is the dialogue so far."""

    corpus_text = False
    """Whether prompts are text of the corpus, whose words are counted already."""

    stop = ""
    """A completion ends with this text, which belongs to it; empty: with EOS alone."""

    def prompts(self, seed: int, count: int) -> list[str]:
        """``count`` prompts, a function of the seed."""
        raise NotImplementedError

    def following(self, prompt: str, completion: str, reply: str) -> str:
        """The next prompt of a dialogue: one line per utterance, and the beginning of another.

        >>> Environment().following("look\\n", "at the dog .", "yes .")
        'look\\nat the dog .\\nyes .\\n'
        """
        return prompt + "".join(f"{' '.join(text.split())}\n" for text in (completion, reply))

    def gold(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float] | None:
        """The true quality of completions, from 0 to 1, for measuring alone; None if it is not known."""
        return None


class Observation(NamedTuple):
    """What the student sees before it acts: words, some of which are items."""

    words: list[str]
    item_positions: list[int]
    """Of each item, as indices into ``words``."""
    labels: list[str]
    """The word that names each item."""
    pictures: list[int]
    """Number of each item's picture; empty if items are described by words."""


class ItemSet(Protocol):
    """What games are about: the drawn objects (`_objects`), or a folder of pictures (`interaction.picture_folder`).

    An item is given by a number.
    """

    def __hash__(self) -> int:
        """Bases are kept by what they were taught about."""

    @property
    def WORDS(self) -> tuple[str, ...]:
        """Every word that describes an item."""

    def pictures(self) -> Any:
        """All pictures, float32 (n, 3, size, size), from -1 to 1."""

    def show_items(self, items: Sequence[int], as_pictures: bool) -> Observation:
        """Each item as one picture or as words."""

    def draw_context(self, generator: random.Random, count: int, hard: bool) -> list[int]:
        """Different items; ``hard``: ones that are alike."""

    def describe(
        self, kind: int, others: Sequence[int], generator: random.Random, synonyms: bool = True, omit: float = 0.0
    ) -> list[str]:
        """Words that tell an item from others."""

    def full_description(self, kind: int) -> list[str]:
        """All that can be said of an item."""

    def caption(self, kind: int, others: Sequence[int], generator: random.Random, extra: float) -> list[str]:
        """Words that tell an item from others, and others with a probability."""

    def fits(self, word: str, kind: int) -> bool:
        """Whether a word is true of an item."""


class Outcome(NamedTuple):
    """What an action leads to."""

    reply: str
    """The partner's next utterance; empty if the game is over without one."""
    done: bool
    success: bool
    """Whether the game has been won."""
    gold: float
    """1 if the action was right, else 0; for measuring, and for the oracle control."""
    signal: str = ""
    """What the partner meant by the reply (praise, correction, ...); for measuring alone."""


@dataclass
class Episode:
    """A game that is being played; an environment reads and changes it."""

    generator: random.Random
    """Every random choice of the game comes from here."""
    items: list[int]
    """Objects in the order in which the student sees them."""
    targets: set[int]
    """Indices of the items that are to be selected; hidden from the student."""
    selected: set[int] = field(default_factory=set)
    messages: list[tuple[str, str]] = field(default_factory=list)
    """(speaker, words) so far."""
    request: frozenset[int] = frozenset()
    """Items that the last request is about."""
    turns: int = 0
    failures: int = 0
    """Wrong actions in a row."""


class Game:
    """Base of the environments of several turns: all episodes of a round advance together (`interaction.games`)."""

    words: tuple[str, ...] = ()
    """Every word that observations, replies and actions can have."""
    end = "."
    """The word that ends an action."""
    longest_action = 12
    """Words of an action, the end included, at most."""

    def reset(self, seed: int) -> Episode:
        """A new game, a function of the seed, with the partner's first utterance if the partner begins."""
        raise NotImplementedError

    def observe(self, episode: Episode) -> Observation:
        """What the student sees."""
        raise NotImplementedError

    def allowed(self, episode: Episode, words: Sequence[str]) -> list[str]:
        """The words that may follow ``words`` of an action; the last one is always ``end``."""
        raise NotImplementedError

    def step(self, episode: Episode, action: str) -> Outcome:
        """Let the student's ``action`` (words, the end left out or not) happen, and the partner answer."""
        raise NotImplementedError

    def demonstration(self, episode: Episode) -> str:
        """The right action to the last request, for seed data."""
        raise NotImplementedError


def played_in_studies(name: str, what: str, study: str) -> Environment:
    """Raise ValueError: ``python -m babylm.interact`` plays no games. ``what`` it is, and the study that plays it."""
    raise ValueError(
        f"interaction.environment={name}: {what}, which is played in a study: "
        f"python -m babylm.study configs/studies/{study}.yaml"
    )
