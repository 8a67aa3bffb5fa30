"""Phrases with features, and clauses that agree: what every sentence of the bundled corpus is made of.

All chance comes from one ``random.Random`` and only from its ``random()``, whose sequence for a seed never changes
between Python versions.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import TypeVar

from babylm.corpora.toy import lexicon
from babylm.corpora.toy.inflection import article
from babylm.corpora.toy.vocabulary import ADJECTIVES, NAMES, NOUNS, VERBS, Adjective, Noun, Verb

T = TypeVar("T")

PEOPLE = ("male", "female", "person")
THINGS = ("toy", "object", "clothing", "food", "vehicle")
FRIENDS = 16
PLACES = ("in", "on")
TIMES = {
    "present": ("every day", "every morning", "in the morning", "at night", "every evening", "all the time"),
    "past": ("yesterday", "last night", "this morning", "last week", "yesterday morning", "last summer"),
    "future": ("tomorrow", "soon", "tonight", "next week", "after lunch"),
}
STATIVE = frozenset(lexicon.STATIVE.split())
"""Verbs that are not used in the progressive."""
MODALS = ("will", "can", "must", "should", "could", "would", "may", "might")
FORMS = ("present", "past", "progressive", "was progressive", "perfect", "will", "can", "must", "should")


@dataclass(frozen=True)
class Phrase:
    """A noun phrase with what agreement and reference need."""

    text: str
    plural: bool
    gender: str
    noun: Noun | None = None
    person: int = 3

    @property
    def singular_agreement(self) -> bool:
        """Whether a present-tense verb takes -s."""
        return not self.plural and self.person == 3

    def pronoun(self, case: str) -> str:
        """``subject`` she, ``object`` her, ``reflexive`` herself, ``possessive`` her."""
        return PRONOUNS["p" if self.plural else self.gender][
            ("subject", "object", "reflexive", "possessive").index(case)
        ]


PRONOUNS = {
    "m": ("he", "him", "himself", "his"),
    "f": ("she", "her", "herself", "her"),
    "n": ("it", "it", "itself", "its"),
    "p": ("they", "them", "themselves", "their"),
}
I = Phrase("I", False, "?", person=1)  # noqa: E741
YOU = Phrase("you", False, "?", person=2)
WE = Phrase("we", True, "p", person=1)
THEY = Phrase("they", True, "p")


@dataclass(frozen=True)
class Predicate:
    """A verb with its object and what follows."""

    verb: Verb
    object: Phrase | None = None
    tail: str = ""
    """Adverbs and places after the object."""

    def after(self, verb_form: str) -> str:
        """The predicate with its verb in this form."""
        return join(verb_form, self.object.text if self.object else "", self.tail)


def join(*parts: str) -> str:
    """The non-empty parts with one space between them."""
    return " ".join(part for part in parts if part)


def auxiliary(subject: Phrase, form: str) -> str:
    """The finite auxiliary of a form: ``does``, ``were``, ``has``, ``can``; with do-support in the simple tenses."""
    if form in ("progressive", "was progressive"):
        past = form == "was progressive"
        if subject.person == 1 and not subject.plural:
            return "was" if past else "am"
        plural = subject.plural or subject.person == 2
        return {(False, False): "is", (False, True): "are", (True, False): "was", (True, True): "were"}[past, plural]
    if form == "perfect":
        return "has" if subject.singular_agreement else "have"
    if form == "present":
        return "does" if subject.singular_agreement else "do"
    return "did" if form == "past" else form


def main_verb(verb: Verb, form: str) -> str:
    """The form of the main verb after the auxiliary of ``form``."""
    if form.endswith("progressive"):
        return verb.progressive
    return verb.participle if form == "perfect" else verb.base


def natural(form: str, verb: Verb) -> str:
    """The form, or the simple tense in place of a progressive the verb does not have."""
    if verb.base in STATIVE and form.endswith("progressive"):
        return "present" if form == "progressive" else "past"
    return form


def finite(subject: Phrase, verb: Verb, form: str) -> str:
    """Auxiliary and verb of a positive statement: ``eats``, ``ate``, ``is eating``, ``has eaten``, ``will eat``."""
    if form == "present":
        return verb.third if subject.singular_agreement else verb.base
    if form == "past":
        return verb.past
    return f"{auxiliary(subject, form)} {main_verb(verb, form)}"


def contract(auxiliary_verb: str) -> str:
    """``does`` -> ``doesn't``."""
    special = {"will": "won't", "can": "can't", "am": "am not", "may": "may not", "might": "might not"}
    return special.get(auxiliary_verb, f"{auxiliary_verb}n't")


def statement(subject: Phrase, predicate: Predicate, form: str, negative: str = "") -> str:
    """A declarative clause without its full stop. ``negative``: empty, ``not``, ``n't`` or ``never``."""
    form = natural(form, predicate.verb)
    if not negative:
        return join(subject.text, predicate.after(finite(subject, predicate.verb, form)))
    if negative == "never":
        words = finite(subject, predicate.verb, form).split()
        words.insert(len(words) - 1, "never")
        return join(subject.text, predicate.after(" ".join(words)))
    helper = auxiliary(subject, form)
    helper = contract(helper) if negative == "n't" else f"{helper} not"
    return join(subject.text, helper, predicate.after(main_verb(predicate.verb, form)))


def question(subject: Phrase, predicate: Predicate, form: str, wh: str = "") -> str:
    """A question without its mark; with ``wh`` in front, and then without an object where ``wh`` asks for it."""
    form = natural(form, predicate.verb)
    asked = replace(predicate, object=None) if wh.startswith(("what", "which", "who")) else predicate
    return join(wh, auxiliary(subject, form), subject.text, asked.after(main_verb(predicate.verb, form)))


@cache
def _weights(size: int) -> list[float]:
    return list(accumulate(1 / (rank + 5) for rank in range(size)))


class Grammar:
    """Chooses words and builds phrases. ``share`` keeps to the more frequent part of each word list."""

    def __init__(self, generator: random.Random, share: float = 1.0) -> None:
        self._random = generator.random
        self.share = share

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each as likely."""
        return items[int(self._random() * len(items))]

    def common(self, items: Sequence[T]) -> T:
        """One of the items, the earlier the likelier, among the first ``share`` of them."""
        size = max(min(len(items), 8), int(len(items) * self.share))
        weights = _weights(size)
        return items[min(bisect(weights, self._random() * weights[-1]), size - 1)]

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self._random() * (high - low + 1))

    def noun(self, kinds: Sequence[str]) -> Noun:
        """A noun of one of these kinds."""
        return self.common(NOUNS[self.pick(kinds)])

    def name(self, gender: str = "") -> Phrase:
        """A person's name."""
        names = NAMES[{"m": "male", "f": "female"}.get(gender) or self.pick(("male", "female"))]
        # A few friends come again and again, as in a real child's life; the others visit.
        noun = self.common(names[:FRIENDS] if self.chance(0.6) else names)
        return Phrase(noun.singular, False, noun.gender, noun)

    def adjective(self, noun: Noun, size: float = 0.35) -> Adjective:
        """An adjective that suits the noun."""
        if noun.kind in (*PEOPLE, "name", "animal"):
            kind = "size" if self.chance(size) and noun.kind == "animal" else "animate"
        else:
            kind = "food" if noun.kind in ("food", "mass") else self.pick(("size", "color", "thing"))
        return self.common(ADJECTIVES[kind])

    def phrase(
        self, kinds: Sequence[str], plural: bool | None = None, determiner: str = "", adjective: float = 0.2
    ) -> Phrase:
        """A noun phrase, singular or plural as asked or by chance, with a determiner that fits its number."""
        noun = self.noun(kinds)
        return self.phrase_of(noun, self.chance(0.35) if plural is None else plural, determiner, adjective)

    def phrase_of(self, noun: Noun, plural: bool, determiner: str = "", adjective: float = 0.2) -> Phrase:
        """The same for a given noun. Mass nouns are singular, without ``a``; the determiner ``-`` is none."""
        if noun.kind == "mass":
            plural, determiner = False, determiner or self.pick(("the", "some", "the", "my"))
        determiner = determiner or self.determiner(plural)
        form = noun.plural if plural else noun.singular
        words = join(self.adjective(noun).base if self.chance(adjective) else "", form)
        if determiner == "a":
            determiner = article(words)
        return Phrase(join("" if determiner == "-" else determiner, words), plural, noun.gender, noun)

    def determiner(self, plural: bool) -> str:
        """A determiner of this number."""
        if self.chance(0.5):
            return "the"
        if plural:
            return self.pick(("some", "these", "those", "many", "two", "my", "your", *lexicon.NUMBERS.split()[:4]))
        return self.pick(("a", "a", "a", "this", "that", "my", "your", "our"))

    def animate(self, plural: bool | None = None, names: float = 0.3) -> Phrase:
        """Somebody: a name, a person or an animal."""
        if not plural and self.chance(names):
            return self.name()
        return self.phrase(self.pick((PEOPLE, ("animal",))), plural)

    def thing(self, plural: bool | None = None) -> Phrase:
        """Something to see, want or find."""
        return self.phrase(THINGS, plural)

    def place(self) -> str:
        """``in the garden``, ``on the hill``, ``near the big tree``."""
        kind = self.pick(PLACES)
        preposition = kind if self.chance(0.7) else self.pick(("near", "behind", "beside"))
        return f"{preposition} the {self.common(NOUNS[kind]).singular}"

    def near_thing(self) -> str:
        """``on the table``, ``under the chair``."""
        furniture = self.common(NOUNS["object"][:12]).singular
        return f"{self.pick(('on', 'under', 'near', 'behind', 'beside'))} the {furniture}"

    def predicate(self, subject: Phrase, tail: float = 0.35, kind: str = "") -> Predicate:
        """Something the subject can do. ``kind``: ``alone`` (no object), ``object`` (with one), or empty for either."""
        group, objects = self._frame(subject, kind)
        verb = self.common(VERBS[group])
        what = None
        if objects:
            what = self.animate() if objects == ("animate",) else self.phrase(objects)
            if what.noun is not None and subject.noun is not None and what.noun.singular == subject.noun.singular:
                what = self.phrase(("toy",) if objects == ("animate",) else objects)
        return Predicate(verb, what, self.tail() if self.chance(tail) else "")

    def _frame(self, subject: Phrase, kind: str) -> tuple[str, tuple[str, ...]]:
        noun = subject.noun
        if noun is not None and noun.kind not in (*PEOPLE, "name", "animal"):
            return "thing alone", ()
        if kind == "alone" or (not kind and self.chance(0.35)):
            return "animate alone", ()
        if noun is not None and noun.kind == "animal":
            return self.pick(ANIMAL_FRAMES)
        return self.pick(PERSON_FRAMES)

    def tail(self) -> str:
        """A place or a manner."""
        return self.place() if self.chance(0.65) else self.common(lexicon.ADVERBS.split())

    def time(self, form: str) -> str:
        """A time that goes with a form, or nothing."""
        tense = {"past": "past", "was progressive": "past", "present": "present", "will": "future"}.get(form)
        return self.pick(TIMES[tense]) if tense else "now" if form == "progressive" and self.chance(0.5) else ""


_FrameList = tuple[tuple[str, tuple[str, ...]], ...]
PERSON_FRAMES: _FrameList = (
    ("animate meets", ("animate",)),
    ("animate meets", ("animate",)),
    ("animate wants", THINGS),
    ("person uses", ("toy", "object")),
    ("person uses", ("toy", "object")),
    ("person eats", ("food", "food", "mass")),
    ("person wears", ("clothing",)),
    ("person rides", ("vehicle",)),
)
ANIMAL_FRAMES: _FrameList = (
    ("animate meets", ("animate",)),
    ("animate meets", ("animate",)),
    ("animal eats", ("food",)),
    ("animal uses", ("toy", "object")),
    ("animate wants", ("food", "toy")),
)
