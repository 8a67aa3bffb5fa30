"""Makers of minimal pairs for licensing, gaps, arguments and forms (see ``agreement_pairs.py``)."""

from __future__ import annotations

from babylm.corpora.toy import lexicon
from babylm.corpora.toy.agreement_pairs import ANIMATE, Pair, both
from babylm.corpora.toy.grammar import (
    PEOPLE,
    THINGS,
    Grammar,
    auxiliary,
    finite,
    join,
    main_verb,
)
from babylm.corpora.toy.inflection import article
from babylm.corpora.toy.sentences import WONDER, any_of, wanted
from babylm.corpora.toy.statements import sentence
from babylm.corpora.toy.vocabulary import VERBS, Noun, Verb, verb

TRANSITIVE = tuple(verb(lemma) for lemma in lexicon.TRANSITIVE.split())
INTRANSITIVE = tuple(verb(lemma) for lemma in lexicon.INTRANSITIVE.split())


def npi_ever(g: Grammar, licensed: bool) -> Pair:
    """No dog has ever danced. / The dog has ever danced.   And: Every dog has always danced. / ... has ever danced."""
    singular = g.chance(0.5)
    noun = g.noun(g.pick(ANIMATE))
    none = g.phrase_of(noun, not singular, "no", 0)
    other = g.phrase_of(
        noun, not singular, g.pick(("the", "every", "some", "each") if singular else ("the", "most", "some", "all")), 0
    )
    predicate = g.predicate(none, 0.2)
    done, has = predicate.after(predicate.verb.participle), auxiliary(none, "perfect")
    if licensed:
        return sentence(f"{none.text} {has} ever {done}"), sentence(f"{other.text} {has} ever {done}")
    adverb = g.pick(("always", "already", "often"))
    return sentence(f"{other.text} {has} {adverb} {done}"), sentence(f"{other.text} {has} ever {done}")


def npi_any(g: Grammar, licensed: bool) -> Pair:
    """Mia never found any keys. / Mia often found any keys.   And: Mia found some keys. / Mia found any keys."""
    who = g.animate(names=0.6)
    used, noun = wanted(g, who)
    found = f"{used.past} {any_of(g, noun, 'any').text}"
    if licensed:
        adverb = g.pick(("always", "often", "already", "usually"))
        return sentence(f"{who.text} never {found}"), sentence(f"{who.text} {adverb} {found}")
    amount = "some" if noun.kind == "mass" else g.pick(("some", "many", "some", "many", "three", "two", "eight"))
    some = f"{used.past} {amount} {found.split(' any ')[1]}"
    return sentence(f"{who.text} {some}"), sentence(f"{who.text} {found}")


def filler_gap(g: Grammar, gap: bool) -> Pair:
    """Ben knows what the ducks found. / ... that the ducks found.   And the other way round with an object."""
    outer, inner = g.animate(names=0.7), g.animate()
    predicate = g.predicate(inner, 0, "object")
    while predicate.object is None or predicate.object.noun is None:
        predicate = g.predicate(inner, 0, "object")
    wh = "what" if predicate.object.noun.kind not in (*PEOPLE, "name") else "who"
    start = f"{outer.text} {finite(outer, g.common(WONDER), g.pick(('present', 'past')))}"
    clause = join(inner.text, finite(inner, predicate.verb, "past"), "" if gap else predicate.object.text)
    right, wrong = (wh, "that") if gap else ("that", wh)
    return sentence(f"{start} {right} {clause}"), sentence(f"{start} {wrong} {clause}")


def argument_structure(g: Grammar, transitive: bool) -> Pair:
    """The dog chased the cat. / The dog slept the cat.   And: The dog slept in bed. / The dog chased in bed."""
    subject = g.animate()
    form = g.pick(("past", "past", "was progressive", "can"))
    one, two = g.common(TRANSITIVE), g.common(INTRANSITIVE)
    right, wrong = (one, two) if transitive else (two, one)
    rest = g.animate().text if transitive else g.place()
    return both(lambda v: join(subject.text, finite(subject, v, form), rest), right, wrong)


def comparative(g: Grammar, than: bool) -> Pair:
    """The bear is bigger than the fox. / ... big than ...   And: as big as / as bigger as."""
    kinds = g.pick((("animal",), ("animal",), THINGS, PEOPLE))
    one, other = g.phrase(kinds, None, "the", 0), g.phrase(kinds, None, "the", 0)
    assert one.noun is not None
    adjective = g.adjective(one.noun, 0.6)
    while adjective.comparative.startswith("more"):
        adjective = g.adjective(one.noun, 0.6)
    be = auxiliary(one, "progressive")
    if than:
        return both(lambda a: f"{one.text} {be} {a} than {other.text}", adjective.comparative, adjective.base)
    return both(lambda a: f"{one.text} {be} as {a} as {other.text}", adjective.base, adjective.comparative)


def irregular_participle(g: Grammar, perfect: bool) -> Pair:
    """Tom has eaten a pear. / Tom has ate a pear.   And: Tom ate a pear. / Tom eaten a pear."""
    subject = g.animate(names=0.6)
    predicate = g.predicate(subject, 0.1)
    while predicate.verb.past == predicate.verb.participle or predicate.verb.participle == predicate.verb.base:
        predicate = g.predicate(subject, 0.1)
    start = f"{subject.text} {auxiliary(subject, 'perfect')}" if perfect else subject.text
    forms = (predicate.verb.participle, predicate.verb.past)
    return both(lambda form: f"{start} {predicate.after(form)}", *(forms if perfect else forms[::-1]))


def verb_form(g: Grammar, helped: bool) -> Pair:
    """Mia did not eat the pear. / Mia did not ate the pear.   And: Mia ate the pear. / Mia eat the pear."""
    subject = g.animate(False, names=0.6)
    predicate = g.predicate(subject, 0.2)
    while predicate.verb.past == predicate.verb.base:
        predicate = g.predicate(subject, 0.2)
    forms = (predicate.verb.base, predicate.verb.past)
    if helped:
        helper = g.pick(("did not", "will", "can", "could not"))
        return both(lambda form: f"{subject.text} {helper} {predicate.after(form)}", *forms)
    return both(lambda form: f"{subject.text} {predicate.after(form)}", *forms[::-1])


def pronoun_case(g: Grammar, subject: bool) -> Pair:
    """He saw the duck. / Him saw the duck.   And: The duck saw him. / The duck saw he."""
    nominative, accusative = g.pick((("he", "him"), ("they", "them"), ("we", "us"), ("I", "me")))
    other, v = g.animate(), g.common(VERBS["animate meets"])
    if subject:
        tail = f"{v.past} {other.text}"
        return sentence(f"{nominative} {tail}"), sentence(f"{accusative} {tail}")
    tail = g.pick(("", g.place()))
    start = f"{other.text} {v.past}"
    return sentence(join(start, accusative, tail)), sentence(join(start, nominative, tail))


def indefinite_article(g: Grammar, vowel: bool) -> Pair:
    """Tom ate an apple. / Tom ate a apple."""
    who = g.animate(names=0.6)
    right, wrong = ("an", "a") if vowel else ("a", "an")
    used, noun = wanted(g, who)
    words = noun.singular
    while noun.kind == "mass" or article(words) != right:
        used, noun = wanted(g, who)
        words = join(g.adjective(noun).base if g.chance(0.4) else "", noun.singular)
    return both(lambda a: f"{who.text} {used.past} {a} {words}", right, wrong)


def much_many(g: Grammar, much: bool) -> Pair:
    """How much milk does Anna want? / How many milk does Anna want?"""
    who = g.animate(names=0.7)
    noun: Noun = g.noun(("mass",) if much else ("food", "object", "toy"))
    v: Verb = g.common(VERBS["animate wants"][1:4])
    form, ask = g.pick(("present", "past")), g.chance(0.5)
    words = noun.singular if much else noun.plural

    def say(amount: str) -> str:
        if ask:
            return sentence(f"how {amount} {words} {auxiliary(who, form)} {who.text} {main_verb(v, form)}", "?")
        return sentence(f"{who.text} {finite(who, v, form)} too {amount} {words}")

    return (say("much"), say("many")) if much else (say("many"), say("much"))
