"""The lexicon with its forms, and the combinations of words that the bundled corpus never writes.

A pair (noun, verb) or (noun, adjective) is *reserved* by a checksum of the two lemmas: no sentence of the training
text holds both words, in any form, while every held-out minimal pair is built on such a combination. So a score on
the pairs is never memory.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from babylm.corpora.toy import inflection, lexicon

RESERVED_SHARE = 12
"""One combination in this many is reserved."""
_WORD = re.compile(r"[A-Za-z]+(?:-[a-z]+)*")


@dataclass(frozen=True)
class Noun:
    """A noun; names are nouns without a plural. ``kind`` is its list in the lexicon, ``name`` for names."""

    singular: str
    plural: str
    kind: str
    gender: str
    """``m``, ``f``, ``n`` (it), or ``?`` for people of either gender."""


@dataclass(frozen=True)
class Verb:
    """A verb's five forms."""

    base: str
    third: str
    past: str
    participle: str
    progressive: str


@dataclass(frozen=True)
class Adjective:
    """An adjective; comparatives made with *more* have no forms of their own."""

    base: str
    comparative: str
    superlative: str


def _noun(entry: str, kind: str) -> Noun:
    singular, _, irregular = entry.partition(":")
    gender = {"male": "m", "female": "f", "person": "?"}.get(kind, "n")
    return Noun(singular, irregular or inflection.plural(singular), kind, gender)


def _irregular_verbs() -> dict[str, tuple[str, str]]:
    entries = [entry.split(":") for group in (*lexicon.VERBS.values(), lexicon.REFLEXIVE) for entry in group.split()]
    return {entry[0]: (entry[1], entry[2]) for entry in entries if len(entry) == 3}


_IRREGULAR = _irregular_verbs()


def verb(lemma: str) -> Verb:
    """The forms of a verb given by its base form."""
    regular = inflection.past(lemma)
    past, participle = _IRREGULAR.get(lemma, (regular, regular))
    return Verb(lemma, inflection.third_person(lemma), past, participle, inflection.progressive(lemma))


def _adjective(lemma: str) -> Adjective:
    if lemma in lexicon.LONG.split():
        return Adjective(lemma, f"more {lemma}", f"most {lemma}")
    return Adjective(lemma, inflection.comparative(lemma), inflection.superlative(lemma))


NOUNS: dict[str, tuple[Noun, ...]] = {
    kind: tuple(_noun(entry, kind) for entry in entries.split()) for kind, entries in lexicon.NOUNS.items()
}
NAMES: dict[str, tuple[Noun, ...]] = {
    kind: tuple(Noun(name, name, "name", "m" if kind == "male" else "f") for name in names.split())
    for kind, names in lexicon.NAMES.items()
}
VERBS: dict[str, tuple[Verb, ...]] = {
    group: tuple(verb(entry.split(":")[0]) for entry in entries.split()) for group, entries in lexicon.VERBS.items()
}
REFLEXIVE: tuple[Verb, ...] = tuple(verb(entry.split(":")[0]) for entry in lexicon.REFLEXIVE.split())
ADJECTIVES: dict[str, tuple[Adjective, ...]] = {
    kind: tuple(_adjective(entry) for entry in entries.split()) for kind, entries in lexicon.ADJECTIVES.items()
}
BY_NAME: dict[str, Noun] = {noun.singular: noun for nouns in NOUNS.values() for noun in nouns}


def reserved(noun: str, other: str) -> bool:
    """Whether the lemmas of a noun and of a verb or adjective are kept apart in the training text."""
    return zlib.crc32(f"{noun} {other}".encode()) % RESERVED_SHARE == 0


def held_out(text: str) -> set[tuple[str, str]]:
    """The reserved combinations (noun, verb or adjective) whose two words, in any form, both occur in one sentence."""
    forms = _WORD.findall(text.lower())
    nouns = {lemma for form in forms for lemma in _NOUN_OF.get(form, ())}
    others = {lemma for form in forms for lemma in _OTHER_OF.get(form, ())}
    return {(noun, other) for noun, other in product(nouns, others) if (noun, other) in _RESERVED}


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    index: dict[str, dict[str, None]] = {}
    for form, lemma in pairs:
        index.setdefault(form.lower(), {})[lemma] = None
    return {form: tuple(lemmas) for form, lemmas in index.items()}


def _noun_forms() -> Iterable[tuple[str, str]]:
    for nouns in (*NOUNS.values(), *NAMES.values()):
        for noun in nouns:
            yield noun.singular, noun.singular
            yield noun.plural, noun.singular


def _other_forms() -> Iterable[tuple[str, str]]:
    for verbs in (*VERBS.values(), REFLEXIVE):
        for v in verbs:
            for form in (v.base, v.third, v.past, v.participle, v.progressive):
                yield form, v.base
    for adjectives in ADJECTIVES.values():
        for adjective in adjectives:
            for form in (adjective.base, adjective.comparative, adjective.superlative):
                yield form.rpartition(" ")[2], adjective.base


_NOUN_OF = _index(_noun_forms())
_OTHER_OF = _index(_other_forms())
_RESERVED = frozenset(
    (noun, other)
    for noun in {lemma for lemmas in _NOUN_OF.values() for lemma in lemmas}
    for other in {lemma for lemmas in _OTHER_OF.values() for lemma in lemmas}
    if reserved(noun, other)
)
