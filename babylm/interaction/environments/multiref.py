"""MultiRef (ReSpect, arXiv 2410.13852): select three to five of ten objects, as a speaker describes them turn by turn.

The speaker sees the targets and what is selected. It asks for one or two objects per turn, or for a wrong one to be
given back, and reacts to the last action as people do: praise, moving on, silence, correction, rephrasing, frustration,
giving up. An action is ``deselect B select A D .``: letters of items in order, each list at most once. The game is won
when exactly the targets are selected, and lost after ten turns or when the speaker has had enough.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from babylm.config.interaction import InteractionConfig
from babylm.interaction.environments import _objects, _speaker
from babylm.interaction.environments._types import (
    Environment,
    Episode,
    Game,
    ItemSet,
    Observation,
    Outcome,
    played_in_studies,
)

ITEMS, TURNS = 10, 10
FEWEST_TARGETS, MOST_TARGETS = 3, 5
SHOWN_MESSAGES = 3
"""The last messages, the student's own among them, that it sees."""
TWO_OBJECTS, GIVE_BACK, STOPS = 0.3, 0.75, 0.25
"""Probabilities: two objects in one request; a wrong object, if there is one, is asked back first; the speaker ends the
game after each wrong action from the fourth in a row."""
PATIENCE = 4
EXTRA = 0.3
"""Probability that a plain speaker names an attribute that is not needed."""


class MultiRef(Game):
    """The game; see the module's docstring."""

    def __init__(self, pictures: bool = True, plain: bool = False, items: ItemSet = _objects) -> None:
        self.items = items
        spoken = (*items.WORDS, *_speaker.WORDS, "deselect", "select", ".")
        self.words = tuple(dict.fromkeys((*_objects.ITEM_WORDS, *spoken)))
        self.pictures = pictures
        """Whether objects are seen as pictures, else as the canonical words of their attributes."""
        self.plain = plain
        """A speaker of canonical words who never reacts, for the language that students begin with."""

    def reset(self, seed: int) -> Episode:
        """Ten objects, three to five of them targets, and the first request."""
        generator = random.Random(seed)
        items = self.items.draw_context(generator, ITEMS, hard=False)
        targets = set(generator.sample(range(ITEMS), generator.randint(FEWEST_TARGETS, MOST_TARGETS)))
        episode = Episode(generator, items, targets)
        self._say(episode, "")
        return episode

    def observe(self, episode: Episode) -> Observation:
        """The items, which of them are selected, and the last messages."""
        view = self.items.show_items(episode.items, self.pictures)
        selected = ["selected", *(_objects.LABELS[item] for item in sorted(episode.selected))]
        words = [word for role, text in episode.messages[-SHOWN_MESSAGES:] for word in (role, *text.split())]
        return view._replace(words=[*view.words, *selected, *words, "listener"])

    def allowed(self, episode: Episode, words: Sequence[str]) -> list[str]:
        """``[deselect X...] [select Y...] .`` with letters in order, of items that are and are not selected."""
        if len(words) and words[-1] == self.end:
            return []
        last = words[-1] if words else ""
        lists = [word for word in words if word in ("deselect", "select")]
        following: list[str] = []
        if lists:
            after = _objects.LABELS.index(last) if last in _objects.LABELS else -1
            pool = episode.selected if lists[-1] == "deselect" else set(range(ITEMS)) - episode.selected
            following += [_objects.LABELS[item] for item in sorted(pool) if item > after]
        if last not in ("deselect", "select"):
            if not lists and episode.selected:
                following.append("deselect")
            if "select" not in lists and len(episode.selected) < ITEMS:
                following.append("select")
            if lists:
                following.append(self.end)
        return following

    def step(self, episode: Episode, action: str) -> Outcome:
        """Toggle what the action names; letters that cannot be toggled are passed over."""
        toggled = toggles(action, episode.selected)
        right = {item for item in toggled if (item in episode.selected) != (item in episode.targets)}
        good = bool(toggled) and right == toggled
        episode.selected ^= toggled
        episode.messages.append(("listener", action.removesuffix(self.end).strip()))
        episode.turns += 1
        episode.failures = 0 if good else episode.failures + 1
        if episode.selected == episode.targets:
            return Outcome("", done=True, success=True, gold=float(good))
        if episode.failures >= PATIENCE and episode.generator.random() < STOPS:
            episode.messages.append(("speaker", _speaker.FAREWELL))
            return Outcome(_speaker.FAREWELL, done=True, success=False, gold=float(good), signal="giving_up")
        if episode.turns == TURNS:
            return Outcome("", done=True, success=False, gold=float(good))
        signal = _speaker.signal(episode.generator, good)
        return Outcome(self._say(episode, signal), False, False, float(good), signal)

    def demonstration(self, episode: Episode) -> str:
        """The toggles that the last request asks for, and no others."""
        drop = sorted(episode.request & episode.selected)
        take = sorted(episode.request - episode.selected)
        words = [["deselect", *(_objects.LABELS[item] for item in drop)]] if drop else []
        words += [["select", *(_objects.LABELS[item] for item in take)]] if take else []
        return " ".join(word for part in words for word in [*part]) + f" {self.end}"

    def _say(self, episode: Episode, signal: str) -> str:
        """The speaker's next utterance: a reaction and a request."""
        generator = episode.generator
        wrong, missing = sorted(episode.selected - episode.targets), sorted(episode.targets - episode.selected)
        drop = bool(wrong) and (not missing or generator.random() < GIVE_BACK)
        if drop:
            chosen = [generator.choice(wrong)]
        else:
            again = [item for item in missing if item in episode.request]
            if signal == "giving_up":  # another one first
                again, missing = [], [item for item in missing if item not in episode.request] or missing
            pool = again or missing
            two = len(pool) > 1 and generator.random() < TWO_OBJECTS
            chosen = generator.sample(pool, 2 if two else 1)
        episode.request = frozenset(chosen)
        descriptions = []
        for item in sorted(chosen):
            others = [kind for index, kind in enumerate(episode.items) if index != item]
            kind = episode.items[item]
            plain = self.items.caption(kind, others, generator, EXTRA) if self.plain else []
            descriptions.append(plain or self.items.describe(kind, others, generator))
        text = _speaker.utterance(generator, "" if self.plain else signal, descriptions, drop)
        episode.messages.append(("speaker", text))
        return text


def toggles(action: str, selected: set[int]) -> set[int]:
    """The items that an action changes, of those that it names in the right list.

    >>> sorted(toggles("deselect B select A C .", {1, 2}))
    [0, 1]
    """
    kind, changed = "", set()
    for word in action.split():
        if word in ("deselect", "select"):
            kind = word
        elif kind and word in _objects.LABELS:
            item = _objects.LABELS.index(word)
            changed |= {item} if (item in selected) == (kind == "deselect") else set()
    return changed


def build(config: InteractionConfig, texts: Callable[[], Sequence[str]]) -> Environment:
    """Raises ValueError: studies play this game."""
    return played_in_studies("multiref", "a game of several turns over sets of objects", "respect")
