"""Decode feedback from what people say next: was the last action good, bad, or neither?

A linear classifier over the words of the next utterance and what it shares with the request before it. It is trained
once, on feedback to everyday requests ("bring me the salt"), and never on games: how people praise, correct and move on
does not depend on what they talk about. That is what ReSpect (arXiv 2410.13852) builds on, where a language model of 8B
parameters is asked instead.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch.nn import functional

POSITIVE, NEUTRAL, NEGATIVE = 1, 0, -1
Kind = Literal["binary", "ternary"]

PRAISE = (
    "great", "good", "yes", "perfect", "nice", "right", "that is right", "correct", "thanks", "thank you", "well done",
    "good job", "nice one", "exactly", "awesome", "excellent", "yep", "yeah", "cool", "you got it", "got it",
    "wow good", "ok good", "okay great", "lovely", "fine", "that is it", "nice job", "great job", "yes good", "super",
    "amazing",
)  # fmt: skip
MOVING_ON = ("", "", "", "", "now", "next", "then", "and", "also", "last one", "one more", "the next one")
VAGUE = ("okay", "hm", "ok", "well", "so", "uh", "um", "huh", "mm", "okay then")
NO = (
    "no", "wrong", "not that one", "nope", "no no", "incorrect", "that is wrong", "not that", "undo that", "oops",
    "no sorry", "that is not right", "not quite", "no not that", "wrong one", "it is not that one", "do not", "nah",
    "oh no",
    "that was not it", "not the one", "bad", "no try again", "try again", "you were wrong", "mistake",
)  # fmt: skip
AGAIN = ("i mean", "again", "i meant", "what i want is", "i said", "once more", "sorry i mean", "maybe", "actually", "")
FRUSTRATED = (
    "come on", "argh", "seriously", "what are you doing", "oh no", "please listen", "really", "ugh", "this is hopeless",
    "how hard can it be", "no way", "for the last time", "damn", "are you listening",
)  # fmt: skip
GIVING_UP = (
    "never mind",
    "forget it",
    "skip that one",
    "leave it",
    "i give up",
    "forget about it",
    "this does not work",
)
UNDO = (
    "put back",
    "undo",
    "remove",
    "drop",
    "deselect",
    "unselect",
    "take away",
    "get rid of",
    "leave out",
    "give back",
)
ASK = ("bring me", "get", "take", "find", "give me", "select", "pick", "show me", "choose", "open", "look at", "")
THINGS = (
    "salt", "pepper", "cup", "spoon", "door", "window", "book", "coat", "letter", "lamp", "chair", "apple", "shoe",
    "key", "bread", "towel", "blanket", "radio", "basket", "hammer", "kettle", "bottle", "hat", "broom", "carpet",
    "clock",
    "pillow", "mirror", "scissors", "umbrella", "ladder", "bucket", "newspaper", "pencil", "plate", "drawer",
)  # fmt: skip
MORE = ("old", "wooden", "warm", "clean", "heavy", "new", "broken", "soft", "other", "round", "long", "thin", "cheap")


class Exchange(NamedTuple):
    """A request, what is said after it was acted on, and what that means."""

    request: str
    follow_up: str
    feedback: int
    """`POSITIVE`, `NEUTRAL` or `NEGATIVE`."""


def everyday_exchange(generator: random.Random) -> Exchange:
    """One exchange about everyday things, of a random meaning.

    >>> everyday_exchange(random.Random(3))
    Exchange(request='get the other letter', follow_up='bad show me the drawer', feedback=-1)
    """

    def thing() -> str:
        return (
            f"the {generator.choice(MORE)} {generator.choice(THINGS)}"
            if generator.random() < 0.5
            else (f"the {generator.choice(THINGS)}")
        )

    def ask(what: str) -> str:
        return f"{generator.choice(ASK)} {what}"

    first = thing()
    other = generator.choice((ask(thing()), ask(thing()), f"{generator.choice(UNDO)} {thing()}"))
    same = generator.choice((ask(first), ask(thing()), first))  # a thing may get another name
    good = generator.random() < 0.55
    if good:
        kind = generator.choices(("praise", "moving_on", "vague"), (0.45, 0.45, 0.1))[0]
        lead = {"praise": PRAISE, "moving_on": MOVING_ON, "vague": VAGUE}[kind]
        text = f"{generator.choice(lead)} {'' if kind == 'praise' and generator.random() < 0.2 else other}"
        feedback = NEUTRAL if kind == "vague" else POSITIVE
    else:
        kind = generator.choices(("no", "again", "frustrated", "giving_up", "vague"), (0.36, 0.26, 0.16, 0.1, 0.12))[0]
        lead = {"no": NO, "again": AGAIN, "frustrated": FRUSTRATED, "giving_up": GIVING_UP, "vague": VAGUE}[kind]
        undo = f"{generator.choice(UNDO)} {generator.choice((first, thing(), 'that', 'it'))}"
        rest = other if kind in ("giving_up", "vague") else generator.choice((same, same, undo, ""))
        text = f"{generator.choice(lead)} {rest}"
        feedback = NEUTRAL if kind == "vague" else NEGATIVE
    return Exchange(_clean(ask(first)), _clean(text), feedback)


class FeedbackDecoder:
    """A decoder of one kind: ``binary`` (what is neutral counts as bad) or ``ternary``."""

    def __init__(self, kind: Kind, seed: int = 0, examples: int = 4000) -> None:
        """Train on ``examples`` everyday exchanges, a function of the seed."""
        generator = random.Random(seed)
        exchanges = [everyday_exchange(generator) for _ in range(examples)]
        self.kind = kind
        self.labels = (NEGATIVE, POSITIVE) if kind == "binary" else (NEGATIVE, NEUTRAL, POSITIVE)
        counts = Counter(name for exchange in exchanges for name in _features(exchange.request, exchange.follow_up))
        topical = {*THINGS, *MORE}
        names = sorted(
            name for name, count in counts.items() if count >= 5 and not topical & set(name.split(":")[1].split())
        )
        self.index = {name: number for number, name in enumerate(names)}
        inputs = self._inputs([(exchange.request, exchange.follow_up) for exchange in exchanges])
        targets = torch.tensor([self.labels.index(self._label(exchange.feedback)) for exchange in exchanges])
        self.weight = torch.zeros(len(self.labels), len(names) + 1, requires_grad=True)
        self._fit(inputs, targets)

    def decode(self, exchanges: Sequence[tuple[str, str]]) -> list[int]:
        """The feedback in each (request, follow-up)."""
        if not exchanges:
            return []
        with torch.no_grad():
            best = (self._inputs(exchanges) @ self.weight.T).argmax(-1).tolist()
        return [self.labels[index] for index in best]

    def _label(self, feedback: int) -> int:
        return NEGATIVE if self.kind == "binary" and feedback == NEUTRAL else feedback

    def _inputs(self, exchanges: Sequence[tuple[str, str]]) -> torch.Tensor:
        """(exchanges, features + 1) of zeros and ones; the last column is the constant."""
        inputs = torch.zeros(len(exchanges), len(self.index) + 1)
        inputs[:, -1] = 1
        for row, (request, follow_up) in enumerate(exchanges):
            columns = [self.index[name] for name in _features(request, follow_up) if name in self.index]
            inputs[row, columns] = 1.0
        return inputs

    def _fit(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Logistic regression with a weak penalty, by L-BFGS."""
        optimizer = torch.optim.LBFGS([self.weight], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = functional.cross_entropy(inputs @ self.weight.T, targets) + 1e-3 * self.weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]


def _clean(text: str) -> str:
    """Lower case, words alone, some contractions written out.

    >>> _clean("No, that's WRONG!")
    'no that is wrong'
    """
    kept = "".join(letter if letter.isalnum() or letter in "' " else " " for letter in text.lower().replace("’", "'"))
    return " ".join(kept.replace("that's", "that is").replace("it's", "it is").replace("don't", "do not").split())


def _features(request: str, follow_up: str) -> set[str]:
    """Names of what is true of a follow-up: its words and pairs of words, how it begins, what it repeats.

    >>> sorted(_features("get the cup", "no the cup"))[:3]
    ['first:no', 'length:3', 'pair:no the']
    """
    words, before = _clean(follow_up).split(), set(_clean(request).split())
    names = {f"word:{word}" for word in words} | {f"pair:{a} {b}" for a, b in itertools.pairwise(words)}
    names.add(f"first:{words[0] if words else 'nothing'}")
    content = {word for word in words if len(word) > 3}
    shared = len(content & before)
    names.add(f"repeats:{'nothing' if not shared else 'all' if shared == len(content) else 'some'}")
    names.add(f"length:{min(len(words), 4)}")
    return names


def confusion(decoded: Sequence[int], gold: Sequence[float]) -> dict[tuple[int, int], int]:
    """(decoded, gold) -> count, with gold 1 for a right action and 0 for a wrong one.

    >>> confusion([1, 1, -1], [1.0, 0.0, 0.0])[1, 0]
    1
    """
    counts = Counter((mark, int(right)) for mark, right in zip(decoded, gold, strict=True))
    return {(mark, right): counts[mark, right] for mark in (POSITIVE, NEUTRAL, NEGATIVE) for right in (1, 0)}


def precision(decoded: Sequence[int], gold: Sequence[float]) -> float:
    """Share of right actions among those decoded as good; NaN if there is none.

    >>> precision([1, 1, -1], [1.0, 0.0, 0.0])
    0.5
    """
    right = [value for mark, value in zip(decoded, gold, strict=True) if mark == POSITIVE]
    return sum(right) / len(right) if right else float("nan")
