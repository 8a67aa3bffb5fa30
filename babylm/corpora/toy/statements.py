"""Statements of the bundled corpus: tenses, agreement over a distance, quantifiers, reflexives, comparisons, passives.

Every function takes a :class:`Grammar` and writes one sentence; its docstring is an example.
"""

from __future__ import annotations

from collections.abc import Callable

from babylm.corpora.toy import lexicon
from babylm.corpora.toy.grammar import (
    FORMS,
    MODALS,
    PEOPLE,
    THINGS,
    Grammar,
    Phrase,
    auxiliary,
    finite,
    join,
    natural,
    statement,
)
from babylm.corpora.toy.inflection import capitalize
from babylm.corpora.toy.vocabulary import REFLEXIVE, VERBS, Noun

Maker = Callable[[Grammar], str]


FREQUENCY = ("often", "always", "sometimes", "usually")


ATTRACTOR = ("near", "behind", "beside", "with", "next to")


def sentence(text: str, end: str = ".") -> str:
    """Capital and end mark."""
    return f"{capitalize(text)}{end}"


def simple(g: Grammar, subject: Phrase | None = None, form: str = "") -> str:
    """The dog chased a cat in the garden."""
    subject = subject or g.animate()
    predicate = g.predicate(subject)
    form = form or g.pick(("present", "present", "past", "past", "progressive", "was progressive", "perfect", "will"))
    form = natural(form, predicate.verb)
    if form == "present" and g.chance(0.3):
        adverb = g.pick(FREQUENCY)
        return sentence(join(subject.text, adverb, predicate.after(finite(subject, predicate.verb, form))))
    time = g.time(form) if g.chance(0.4) else ""
    if time and g.chance(0.35):
        return sentence(
            f"{time}, {statement(subject, predicate, form)}"
            if form != "progressive"
            else statement(subject, predicate, form)
        )
    return sentence(join(statement(subject, predicate, form), time))


def negated(g: Grammar, subject: Phrase | None = None) -> str:
    """The cats did not eat the soup."""
    subject = subject or g.animate()
    form = g.pick(FORMS)
    return sentence(statement(subject, g.predicate(subject), form, g.pick(("not", "not", "n't"))))


def modal(g: Grammar, subject: Phrase | None = None) -> str:
    """Tom could find the key."""
    subject = subject or g.animate()
    return sentence(statement(subject, g.predicate(subject), g.pick(MODALS), g.pick(("", "", "not"))))


def modified(g: Grammar, plural: bool, attractor_plural: bool) -> Phrase:
    """A subject with a noun between its head and the verb: the girl near the horses."""
    head = g.phrase(g.pick((PEOPLE, ("animal",))), plural, g.pick(("the", "the", "these" if plural else "this")))
    other = g.phrase(g.pick((("animal",), PEOPLE, THINGS)), attractor_plural, "the", 0.1)
    return Phrase(f"{head.text} {g.pick(ATTRACTOR)} {other.text}", head.plural, head.gender, head.noun)


def across_phrase(g: Grammar) -> str:
    """The girl near the horses smiles."""
    subject = modified(g, g.chance(0.5), g.chance(0.5))
    form = g.pick(("present", "present", "progressive", "was progressive", "perfect", "past"))
    return sentence(statement(subject, g.predicate(subject, 0.2, g.pick(("alone", ""))), form))


def relativized(g: Grammar, plural: bool, attractor_plural: bool) -> Phrase:
    """A subject with a relative clause: the boy who sees the ducks, the boys that the duck sees."""
    head = g.phrase(g.pick((PEOPLE, ("animal",))), plural, "the", 0.1)
    other = g.phrase(g.pick((("animal",), PEOPLE)), attractor_plural, "the", 0.1)
    verb = g.common(VERBS["animate meets"])
    form = g.pick(("present", "past"))
    assert head.noun is not None
    pronoun = "that" if head.noun.kind == "animal" or g.chance(0.3) else "who"
    if g.chance(0.65):
        clause = f"{pronoun} {finite(head, verb, form)} {other.text}"
    else:
        clause = f"that {other.text} {finite(other, verb, form)}"
    return Phrase(f"{head.text} {clause}", plural, head.gender, head.noun)


def across_relative(g: Grammar) -> str:
    """The boy who sees the ducks is smiling."""
    subject = relativized(g, g.chance(0.5), g.chance(0.5))
    form = g.pick(("present", "present", "progressive", "was progressive", "perfect", "past"))
    return sentence(statement(subject, g.predicate(subject, 0.15, g.pick(("alone", ""))), form))


def object_relative(g: Grammar) -> str:
    """The cake that Mia baked was sweet."""
    maker = g.animate()
    predicate = g.predicate(maker, 0, "object")
    thing = predicate.object
    if thing is None or thing.noun is None or thing.noun.kind == "name":
        return simple(g, maker)
    head = g.phrase_of(thing.noun, thing.plural, "the", 0.1)
    tense = g.pick(("past", "past", "present"))
    be = auxiliary(head, "was progressive" if tense == "past" else "progressive")
    return sentence(
        f"{head.text} that {maker.text} {finite(maker, predicate.verb, tense)} {be} {quality(g, thing.noun)}"
    )


def quality(g: Grammar, noun: Noun) -> str:
    """very big, not hungry, round."""
    return join(g.pick(("", "", "", "very", "so", "not", "too")), g.adjective(noun, 0.5).base)


def predicative(g: Grammar, subject: Phrase | None = None) -> str:
    """These apples are sweet."""
    subject = subject or (g.animate() if g.chance(0.5) else g.phrase((*THINGS, "mass")))
    assert subject.noun is not None
    be = auxiliary(subject, g.pick(("progressive", "was progressive")))
    return sentence(f"{subject.text} {be} {quality(g, subject.noun)}")


def quantified(g: Grammar) -> str:
    """Every rabbit hops. Most children like cookies. No dog was hungry."""
    singular = g.chance(0.5)
    determiner = g.pick(
        ("every", "each", "no", "every") if singular else ("all", "some", "no", "many", "few", "most", "both")
    )
    subject = g.phrase(g.pick((PEOPLE, ("animal",), ("animal",))), not singular, determiner, 0.15)
    if g.chance(0.25):
        assert subject.noun is not None
        be = auxiliary(subject, g.pick(("progressive", "was progressive")))
        return sentence(f"{subject.text} {be} {g.adjective(subject.noun).base}")
    return sentence(statement(subject, g.predicate(subject, 0.3), g.pick(("present", "present", "past", "perfect"))))


def gendered(g: Grammar, gender: str = "", plural: bool = False) -> Phrase:
    """Somebody whose gender is plain: Mia, the king, the girls."""
    gender = gender or g.pick(("m", "f"))
    if not plural and g.chance(0.55):
        return g.name(gender)
    return g.phrase(
        ("male" if gender == "m" else "female",), plural, g.pick(("the", "the", "these" if plural else "this")), 0.15
    )


def reflexive(g: Grammar) -> str:
    """The princess saw herself in the mirror. The boys washed themselves."""
    subject = gendered(g, plural=g.chance(0.4))
    verb = g.common(REFLEXIVE)
    tail = g.pick(("", "in the mirror", g.place(), g.common(lexicon.ADVERBS.split())))
    form = natural(g.pick(("past", "past", "present", "can", "was progressive", "will")), verb)
    return sentence(join(subject.text, finite(subject, verb, form), subject.pronoun("reflexive"), tail))


def embedded_reflexive(g: Grammar) -> str:
    """Anna thinks that the boy hurt himself."""
    outer, inner = gendered(g), gendered(g, plural=g.chance(0.3))
    thinks, verb = g.common(VERBS["thinks"]), g.common(REFLEXIVE)
    clause = f"{inner.text} {finite(inner, verb, g.pick(('past', 'will')))} {inner.pronoun('reflexive')}"
    return sentence(f"{outer.text} {finite(outer, thinks, g.pick(('present', 'past')))} that {clause}")


def existential(g: Grammar) -> str:
    """There are two cups on the table. There was no bear in the cave."""
    plural = g.chance(0.5)
    determiner = g.pick(("some", "many", "two", "three", "no", "four") if plural else ("a", "a", "no", "a"))
    what = g.phrase(g.pick((("animal",), THINGS, PEOPLE)), plural, determiner, 0.4)
    be = auxiliary(what, g.pick(("progressive", "was progressive")))
    return sentence(f"there {be} {what.text} {g.place() if g.chance(0.6) else g.near_thing()}")


def comparison(g: Grammar) -> str:
    """The bear is bigger than the fox. The soup is as hot as the tea. Mia is the fastest girl."""
    kinds = g.pick((("animal",), THINGS, PEOPLE))
    one, other = g.phrase(kinds, None, "the", 0), g.phrase(kinds, None, "the", 0)
    if kinds == PEOPLE and g.chance(0.5):
        one, other = g.name(), g.name()
    assert one.noun is not None
    adjective = g.adjective(one.noun, 0.6)
    be = auxiliary(one, g.pick(("progressive", "progressive", "was progressive")))
    choice = g.between(0, 4)
    if choice < 2:
        return sentence(f"{one.text} {be} {adjective.comparative} than {other.text}")
    if choice < 4:
        return sentence(f"{one.text} {be} {g.pick(('as', 'as', 'not as'))} {adjective.base} as {other.text}")
    return sentence(f"{one.text} {be} the {adjective.superlative} of all")


def passive(g: Grammar) -> str:
    """The ball was thrown by Tom. The cakes were eaten."""
    agent = g.animate()
    predicate = g.predicate(agent, 0, "object")
    patient = predicate.object
    if patient is None:
        return sentence(statement(agent, predicate, "past"))
    be = auxiliary(patient, g.pick(("was progressive", "was progressive", "progressive")))
    by = f"by {agent.text}" if g.chance(0.7) else g.tail()
    return sentence(f"{patient.text} {be} {predicate.verb.participle} {by}")
