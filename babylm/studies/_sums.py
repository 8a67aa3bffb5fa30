"""Sums of small numbers, solved in steps that are written in three styles of different reliability.

    question   BOS 3 + 5 + 7 ?
    explicit   3 + 5 = 8 ; 8 + 7 = 15 ; # 15 EOS
    repeating  3 + 5 = 8 , 8 ; 8 + 7 = 15 , 15 ; # 15 EOS
    terse      8 15 # 15 EOS

Each number is one token. In the corpus a step of each style is wrong with its own probability (`Style.noise`), and what
follows continues from the wrong number. That the style of a trace says how reliable it is, is **planted**: it is what
a signal beyond correctness can find among traces that are all right.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

LARGEST = 60
"""Numbers go from 0 to this."""
SPECIAL = ("<s>", "</s>", "<pad>", "<mask>")
BOS, EOS, PAD, MASK = range(4)
TOKENS = (*SPECIAL, "+", "=", ";", ",", "?", "#", "|", "first", "second", *map(str, range(LARGEST + 1)))
"""The vocabulary; ``|``, ``first`` and ``second`` are for judgements alone."""
ID = {token: number for number, token in enumerate(TOKENS)}


@dataclass(frozen=True)
class Style:
    """A way to write the steps of a sum."""

    name: str
    noise: float
    """Share of its steps in the corpus whose result is wrong."""


STYLES = (Style("explicit", 0.01), Style("repeating", 0.08), Style("terse", 0.15))
NOISE = {style.name: style.noise for style in STYLES}


@dataclass(frozen=True)
class Question:
    """A sum of terms from 1 to 9."""

    terms: tuple[int, ...]

    @property
    def answer(self) -> int:
        """The right answer."""
        return sum(self.terms)

    @property
    def prompt_ids(self) -> list[int]:
        """Its tokens, BOS included."""
        return [BOS, *encode(" + ".join(map(str, self.terms)) + " ?")]


def encode(text: str) -> list[int]:
    """Token ids of words with blanks between them.

    >>> decode(encode("3 + 5 = 8 ;"))
    '3 + 5 = 8 ;'
    """
    return [ID[word] for word in text.split()]


def decode(ids: Sequence[int]) -> str:
    """The words of token ids, without special tokens."""
    return " ".join(TOKENS[token] for token in ids if token >= len(SPECIAL))


def questions(count: int, terms: Sequence[int], generator: random.Random, distinct: bool = False) -> list[Question]:
    """Random questions with one of the numbers of ``terms``; each once if ``distinct``."""
    drawn: list[Question] = []
    seen: set[Question] = set()
    while len(drawn) < count:
        question = Question(tuple(generator.randint(1, 9) for _ in range(generator.choice(list(terms)))))
        if not distinct or question not in seen:
            drawn.append(question)
            seen.add(question)
    return drawn


def trace(question: Question, style: Style, generator: random.Random) -> str:
    """A solution in a style, with its errors.

    >>> trace(Question((3, 5, 7)), Style("explicit", 0.0), random.Random(0))
    '3 + 5 = 8 ; 8 + 7 = 15 ; # 15'
    """
    total, words = question.terms[0], []
    for term in question.terms[1:]:
        result = total + term
        if generator.random() < style.noise:
            result = min(LARGEST, max(0, result + generator.choice((-3, -2, -1, 1, 2, 3))))
        if style.name == "terse":
            words.append(f"{result}")
        else:
            repeated = f" , {result}" if style.name == "repeating" else ""
            words.append(f"{total} + {term} = {result}{repeated} ;")
        total = result
    return " ".join([*words, "#", str(total)])


def answer_of(ids: Sequence[int]) -> int | None:
    """The number after the last ``#`` of a finished trace; None if there is none.

    >>> answer_of([*encode("8 15 # 15"), EOS]), answer_of(encode("8 15 # 15")), answer_of([*encode("8 15"), EOS])
    (15, None, None)
    """
    if not ids or ids[-1] != EOS:
        return None
    words = decode(ids).split()
    if len(words) < 2 or words[-2] != "#" or not words[-1].isdigit():
        return None
    return int(words[-1])


def style_of(ids: Sequence[int]) -> str:
    """The style of a trace, by its signs."""
    words = decode(ids).split()
    return "repeating" if "," in words else "explicit" if "=" in words else "terse"


def quality(ids: Sequence[int]) -> float:
    """Gold quality of a trace that is right: how reliable its style is. No learner reads it."""
    return 1 - NOISE[style_of(ids)]


def rubric(ids: Sequence[int], question: Question) -> float:
    """The scripted judge: share of the additions that are written out, minus half of the share of superfluous words."""
    words = decode(ids).split()
    steps = len(question.terms) - 1
    needed = 6 * steps + 2
    return min(words.count("="), steps) / steps - 0.5 * max(0, len(words) - needed) / max(len(words), 1)
