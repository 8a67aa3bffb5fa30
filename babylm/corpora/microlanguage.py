"""A language of a few hundred words with exact grammar: sentences that can be written, checked and repaired.

    sentence  = phrase verb [phrase] [ending] "."
    phrase    = determiner [adjective] noun

Determiner and noun agree in number, verb and subject too. Corpora of it may hold a share of errors, so that a student
has something to be corrected in.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

VERSION = 1
"""Raised when the same seed would write another text."""

DETERMINERS = {"singular": ("a", "this", "one"), "plural": ("two", "these", "many")}
EITHER = ("the", "my", "some")
NOUNS = {"dog": "dogs", "cat": "cats", "bird": "birds", "friend": "friends", "ball": "balls", "house": "houses",
         "apple": "apples", "story": "stories", "tree": "trees", "girl": "girls", "boy": "boys"}  # fmt: skip
ADJECTIVES = ("small", "big", "red", "old", "happy", "new")
VERBS = {"sees": "see", "likes": "like", "finds": "find", "wants": "want", "follows": "follow", "has": "have"}
ENDINGS = ("today", "again", "every day", "at home")
_SINGULAR = {plural: singular for singular, plural in NOUNS.items()}
_TO_SINGULAR = {plural: singular for singular, plural in VERBS.items()}


def number_of(noun: str) -> str | None:
    """``singular`` or ``plural``; None for a word that is no noun."""
    return "singular" if noun in NOUNS else "plural" if noun in _SINGULAR else None


def sentence(generator: random.Random) -> str:
    """A grammatical sentence."""
    subject, number = _phrase(generator)
    verb = generator.choice(sorted(VERBS))
    words = [*subject, verb if number == "singular" else VERBS[verb]]
    words += _phrase(generator)[0]
    if generator.random() < 0.4:
        words.append(generator.choice(ENDINGS))
    return " ".join([*words, "."])


def write(words: int, seed: int, errors: float) -> Iterator[str]:
    """Sentences of at least this many words together, a share of ``errors`` of them with an error."""
    generator = random.Random(f"microlanguage {seed}")
    written = 0
    while written < words:
        text = sentence(generator)
        if generator.random() < errors:
            text = corrupted(text, generator)
        written += len(text.split())
        yield text


def corrupted(text: str, generator: random.Random) -> str:
    """The sentence with one error: a noun or verb in the other number, a determiner left out, two words swapped."""
    words = text.split()
    kind = generator.choice(("noun", "verb", "drop", "swap"))
    for index, word in enumerate(words):
        if kind == "noun" and number_of(word):
            words[index] = NOUNS.get(word) or _SINGULAR[word]
            break
        if kind == "verb" and (word in VERBS or word in _TO_SINGULAR):
            words[index] = VERBS.get(word) or _TO_SINGULAR[word]
            break
    if kind == "drop":
        del words[0]
    if kind == "swap":
        index = generator.randrange(len(words) - 2)
        words[index], words[index + 1] = words[index + 1], words[index]
    return " ".join(words)


def is_grammatical(text: str) -> bool:
    """Whether a text is one sentence of the language.

    >>> is_grammatical("the small dog sees two cats ."), is_grammatical("a dogs sees the cat .")
    (True, False)
    """
    rest = text.split()
    subject = _read_phrase(rest)
    if subject is None or not rest:
        return False
    verb = rest.pop(0)
    agrees = verb in VERBS if subject == "singular" else verb in _TO_SINGULAR
    if not agrees or _read_phrase(rest) is None:
        return False
    return " ".join(rest) in {".", *(f"{ending} ." for ending in ENDINGS)}


def repaired(prompt: str, completion: str, generator: random.Random) -> str:
    """A grammatical completion of a sentence's beginning, with as many of the given completion's words as fit.

    >>> repaired("the dog", "see a balls today .", random.Random(0))
    'sees a ball today .'
    """
    if is_grammatical(f"{prompt} {completion}"):
        return completion
    begin, said, words = prompt.split(), completion.split(), []
    verb_given = next((word for word in begin if word in VERBS or word in _TO_SINGULAR), None)
    if verb_given is None:
        number = next((number for word in begin if (number := number_of(word))), None)
        if number is None:  # the prompt ends inside the subject
            words.append(_noun(said, begin[0] if begin else "the", generator))
            number = number_of(words[0])
        verb = next((word for word in said if word in VERBS or word in _TO_SINGULAR), generator.choice(sorted(VERBS)))
        singular = _TO_SINGULAR.get(verb, verb)
        words.append(singular if number == "singular" else VERBS[singular])
        after, determiner = said[said.index(verb) + 1 :] if verb in said else [], None
    else:
        after = said
        given = begin[begin.index(verb_given) + 1 :]
        determiner = given[0] if given else None
    if determiner is None:
        determiners = {*EITHER, *DETERMINERS["singular"], *DETERMINERS["plural"]}
        determiner = next((word for word in after if word in determiners), "the")
        words.append(determiner)
    words.append(_noun(after, determiner, generator))
    ending = next((ending for ending in ENDINGS if ending in completion), "")
    return " ".join([*words, *ending.split(), "."])


def _noun(words: list[str], determiner: str, generator: random.Random) -> str:
    """The first noun among ``words``, or any, in the number that the determiner has."""
    noun = next((word for word in words if number_of(word)), generator.choice(sorted(NOUNS)))
    required = next((key for key, group in DETERMINERS.items() if determiner in group), None)
    if required not in (None, number_of(noun)):
        noun = NOUNS.get(noun) or _SINGULAR[noun]
    return noun


def _phrase(generator: random.Random) -> tuple[list[str], str]:
    number = generator.choice(("singular", "plural"))
    singular = generator.choice(sorted(NOUNS))
    words = [generator.choice((*DETERMINERS[number], *EITHER))]
    if generator.random() < 0.3:
        words.append(generator.choice(ADJECTIVES))
    return [*words, singular if number == "singular" else NOUNS[singular]], number


def _read_phrase(rest: list[str]) -> str | None:
    """The number of the phrase that ``rest`` begins with, which is taken off; None if it begins with none."""
    if not rest:
        return None
    determiner = rest.pop(0)
    required = next((key for key, group in DETERMINERS.items() if determiner in group), None)
    if required is None and determiner not in EITHER:
        return None
    if rest and rest[0] in ADJECTIVES:
        rest.pop(0)
    number = number_of(rest.pop(0)) if rest else None
    return number if number is not None and required in (None, number) else None
