"""Makers of minimal pairs for agreement and reference: a right and a wrong sentence that differ in one phenomenon.

Each maker takes a side: pairs are made half on each (singular and plural, he and she, with and without a licensor), so
that a word that is right on one side is wrong on the other. Neither length nor word frequency tells right from wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from babylm.corpora.toy.grammar import (
    PEOPLE,
    THINGS,
    Grammar,
    Phrase,
    Predicate,
    auxiliary,
    finite,
    join,
    question,
    statement,
)
from babylm.corpora.toy.sentences import wanted
from babylm.corpora.toy.statements import (
    gendered,
    modified,
    relativized,
    sentence,
)
from babylm.corpora.toy.vocabulary import NOUNS, REFLEXIVE, VERBS

T = TypeVar("T")

Pair = tuple[str, str]
"""A right and a wrong sentence."""


ANIMATE = ((*PEOPLE,), ("animal",))


def both(write: Callable[[T], str], right: T, wrong: T, end: str = ".") -> Pair:
    """The two sentences of a pair that differ in one choice."""
    return sentence(write(right), end), sentence(write(wrong), end)


def _disagreeing(subject: Phrase) -> Phrase:
    """The same words with the other number's agreement."""
    return replace(subject, plural=not subject.plural)


def _agreement(subject: Phrase, predicate: Predicate, form: str) -> Pair:
    return sentence(statement(subject, predicate, form)), sentence(statement(_disagreeing(subject), predicate, form))


def _subject(g: Grammar, plural: bool) -> Phrase:
    return g.phrase(g.pick(ANIMATE), plural, "the", 0.2)


def subject_verb(g: Grammar, plural: bool) -> Pair:
    """The dog sleeps. / The dog sleep."""
    subject = _subject(g, plural)
    return _agreement(subject, g.predicate(subject, 0.2), "present")


def auxiliary_verb(g: Grammar, plural: bool) -> Pair:
    """The dogs are eating. / The dogs is eating."""
    subject = _subject(g, plural)
    return _agreement(subject, g.predicate(subject, 0.2), g.pick(("progressive", "was progressive", "perfect")))


def across_phrase(g: Grammar, plural: bool) -> Pair:
    """The girl near the horses smiles. / The girl near the horses smile."""
    subject = modified(g, plural, g.chance(0.5))
    return _agreement(
        subject, g.predicate(subject, 0.1), g.pick(("present", "progressive", "was progressive", "perfect"))
    )


def across_relative(g: Grammar, plural: bool) -> Pair:
    """The boy who saw the ducks smiles. / The boy who saw the ducks smile."""
    subject = relativized(g, plural, g.chance(0.5))
    return _agreement(
        subject, g.predicate(subject, 0.1), g.pick(("present", "progressive", "was progressive", "perfect"))
    )


def irregular_plural(g: Grammar, plural: bool) -> Pair:
    """The mice run. / The mice runs."""
    noun = g.pick(
        [
            n
            for kind in (*PEOPLE, "animal")
            for n in NOUNS[kind]
            if not n.plural.endswith("s") and n.plural != n.singular
        ]
    )
    subject = g.phrase_of(noun, plural, "the", 0.2)
    return _agreement(subject, g.predicate(subject, 0.2), g.pick(("present", "present", "progressive")))


def question_agreement(g: Grammar, plural: bool) -> Pair:
    """Does the dog sing? / Do the dog sing?"""
    subject = _subject(g, plural)
    predicate = g.predicate(subject, 0.1)
    form = g.pick(("present", "present", "progressive", "perfect"))
    wh = g.pick(("", "", "why", "where"))
    return both(lambda s: question(s, predicate, form, wh), subject, _disagreeing(subject), "?")


def existential_agreement(g: Grammar, plural: bool) -> Pair:
    """There is a hungry dog in the park. / There are a hungry dog in the park."""
    determiner = g.pick(("two", "three", "some", "many") if plural else ("a", "a", "no"))
    what = g.phrase(g.pick((("animal",), THINGS)), plural, determiner, 1)
    place, form = g.place(), g.pick(("progressive", "was progressive"))
    return both(lambda w: f"there {auxiliary(w, form)} {w.text} {place}", what, _disagreeing(what))


def _determined(g: Grammar, plural: bool, determiner: str, adjective: float) -> Pair:
    who = g.animate(names=0.6)
    used, noun = wanted(g, who)
    while noun.kind == "mass":
        used, noun = wanted(g, who)
    words = g.adjective(noun).base if g.chance(adjective) else ""
    start = join(who.text, used.past, determiner, words)
    good, bad = (noun.plural, noun.singular) if plural else (noun.singular, noun.plural)
    return sentence(f"{start} {good}"), sentence(f"{start} {bad}")


def determiner_noun(g: Grammar, plural: bool) -> Pair:
    """Tom washed these cups. / Tom washed these cup."""
    return _determined(g, plural, g.pick(("these", "those") if plural else ("this", "that")), 0)


def determiner_adjective_noun(g: Grammar, plural: bool) -> Pair:
    """Tom washed these dirty cups. / Tom washed these dirty cup."""
    return _determined(g, plural, g.pick(("these", "those") if plural else ("this", "that")), 1)


def quantifier_noun(g: Grammar, plural: bool) -> Pair:
    """Every dog slept. / Every dogs slept."""
    noun = g.noun(g.pick(ANIMATE))
    determiner = g.pick(("all", "many", "most", "few") if plural else ("every", "each"))
    subject = g.phrase_of(noun, plural, determiner, 0)
    wrong = g.phrase_of(noun, not plural, determiner, 0)
    predicate = g.predicate(subject, 0.2)
    return sentence(statement(subject, predicate, "past")), sentence(statement(wrong, predicate, "past"))


def _reflexive(g: Grammar, subject: Phrase, right: str, wrong: str) -> Pair:
    v, tail, form = g.common(REFLEXIVE), g.pick(("", g.place())), g.pick(("past", "past", "can", "will"))
    start = f"{subject.text} {finite(subject, v, form)}"
    return sentence(join(start, right, tail)), sentence(join(start, wrong, tail))


def anaphor_gender(g: Grammar, male: bool) -> Pair:
    """The queen saw herself. / The queen saw himself."""
    subject = gendered(g, "m" if male else "f")
    return _reflexive(g, subject, *(("himself", "herself") if male else ("herself", "himself")))


def anaphor_number(g: Grammar, plural: bool) -> Pair:
    """The girls washed themselves. / The girls washed herself."""
    gender = g.pick(("m", "f"))
    subject = gendered(g, gender, plural)
    one = "himself" if gender == "m" else "herself"
    return _reflexive(g, subject, *(("themselves", one) if plural else (one, "themselves")))


def reflexive_domain(g: Grammar, male: bool) -> Pair:
    """Anna knows that the boy hurt himself. / Anna knows that the boy hurt herself."""
    outer, inner = gendered(g, "f" if male else "m"), gendered(g, "m" if male else "f")
    start = f"{outer.text} {finite(outer, g.common(VERBS['thinks']), g.pick(('present', 'past')))} that"
    v = g.common(REFLEXIVE)
    clause = f"{start} {inner.text} {finite(inner, v, g.pick(('past', 'will')))}"
    return sentence(f"{clause} {inner.pronoun('reflexive')}"), sentence(f"{clause} {outer.pronoun('reflexive')}")
