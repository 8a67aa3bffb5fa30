"""Every construction of the bundled corpus with its weight: statements, embedding, questions, cases, amounts."""

from __future__ import annotations

from collections.abc import Callable

from babylm.corpora.toy import lexicon
from babylm.corpora.toy.grammar import (
    PEOPLE,
    THINGS,
    Grammar,
    Phrase,
    Predicate,
    auxiliary,
    finite,
    join,
    main_verb,
    question,
    statement,
)
from babylm.corpora.toy.inflection import article, possessive
from babylm.corpora.toy.statements import (
    Maker,
    across_phrase,
    across_relative,
    comparison,
    embedded_reflexive,
    existential,
    gendered,
    modal,
    negated,
    object_relative,
    passive,
    predicative,
    quality,
    quantified,
    reflexive,
    sentence,
    simple,
)
from babylm.corpora.toy.vocabulary import NOUNS, VERBS, Noun, held_out

WONDER = (VERBS["thinks"][0], *VERBS["thinks"][5:7])
"""know, remember, forget: verbs that take a question."""


def licensed(g: Grammar) -> str:
    """No bear has ever danced. Tom has never seen any whales. Nobody found any keys."""
    choice = g.between(0, 3)
    if choice == 0:
        singular = g.chance(0.6)
        subject = g.phrase(g.pick((PEOPLE, ("animal",))), not singular, "no", 0.1) if g.chance(0.6) else NOBODY
        predicate = g.predicate(subject if subject.noun else g.name(), 0.2)
        return sentence(
            f"{subject.text} {auxiliary(subject, 'perfect')} ever {predicate.after(predicate.verb.participle)}"
        )
    if choice == 1:
        subject = g.phrase(
            g.pick((PEOPLE, ("animal",))), g.chance(0.4), g.pick(("some", "every", "the", "the", "most")), 0.1
        )
        if subject.text.startswith(("every", "some", "most")):
            assert subject.noun is not None
            subject = g.phrase_of(subject.noun, not subject.text.startswith("every"), subject.text.split()[0], 0.1)
        predicate = g.predicate(subject, 0.2)
        adverb = g.pick(("always", "already", "often", "once"))
        return sentence(
            f"{subject.text} {auxiliary(subject, 'perfect')} {adverb} {predicate.after(predicate.verb.participle)}"
        )
    if choice == 2:
        subject = NOBODY if g.chance(0.3) else g.animate()
        negative = "" if subject is NOBODY else g.pick(("not", "never", "n't", "not"))
        verb, what = wanted(g, subject)
        return sentence(
            join(
                statement(
                    subject, Predicate(verb, any_of(g, what, "any")), g.pick(("past", "present", "past")), negative
                )
            )
        )
    subject = EVERYBODY if g.chance(0.2) else g.animate()
    verb, what = wanted(g, subject)
    return sentence(
        statement(
            subject, Predicate(verb, any_of(g, what, g.pick(("some", "some", "many")))), g.pick(("past", "present"))
        )
    )


NOBODY = Phrase("nobody", False, "?")


EVERYBODY = Phrase("everybody", False, "?")


SOMEBODY = Phrase("somebody", False, "?")


def wanted(g: Grammar, subject: Phrase) -> tuple:
    """A verb and the noun of its object."""
    if subject.noun is not None and subject.noun.kind == "animal":
        return g.common(VERBS["animal uses"]), g.noun(("toy", "object"))
    group, kinds = g.pick((("animate wants", THINGS), ("person uses", ("toy", "object")), ("person eats", ("food",))))
    return g.common(VERBS[group]), g.noun(kinds)


def any_of(g: Grammar, noun: Noun, determiner: str) -> Phrase:
    """any red balls."""
    return g.phrase_of(noun, noun.kind != "mass", determiner, 0.15)


def that_clause(g: Grammar) -> str:
    """Ben knows that the ducks found the bread."""
    outer, inner = g.animate(names=0.6), g.animate()
    clause = statement(inner, g.predicate(inner, 0.1, "object"), g.pick(("past", "past", "present", "will")))
    thinks = g.common(VERBS["thinks"])
    return sentence(f"{outer.text} {finite(outer, thinks, g.pick(('present', 'past')))} that {clause}")


def wh_clause(g: Grammar) -> str:
    """Ben knows what the ducks found. Mia remembers who the baker met. They wonder where Tom slept."""
    outer, inner = g.animate(names=0.6), g.animate()
    form = g.pick(("past", "past", "present"))
    thinks = g.common(WONDER)
    if g.chance(0.75):
        predicate = g.predicate(inner, 0, "object")
        what = predicate.object
        people = what is not None and what.noun is not None and what.noun.kind in (*PEOPLE, "name")
        clause = join("who" if people else "what", inner.text, finite(inner, predicate.verb, form))
    else:
        predicate = g.predicate(inner, 0, "alone")
        clause = f"{g.pick(('why', 'where', 'when'))} {statement(inner, predicate, form)}"
    return sentence(f"{outer.text} {finite(outer, thinks, g.pick(('present', 'past')))} {clause}")


def joined(g: Grammar) -> str:
    """Mia sang and the birds listened. When the dog barked, the cat ran."""
    one, other = g.animate(), g.animate()
    form = g.pick(("past", "past", "present"))
    first = statement(one, g.predicate(one, 0.1, g.pick(("", "alone"))), form)
    second = statement(other, g.predicate(other, 0.1, "alone"), form)
    if g.chance(0.35):
        return sentence(f"{g.pick(('when', 'because', 'after', 'while'))} {first}, {second}")
    return sentence(f"{first} {g.pick(('and', 'but', 'because', 'when', 'while', 'so'))} {second}")


def gave(g: Grammar) -> str:
    """Anna gave the horse an apple. Tom showed his map to her."""
    giver, taker = g.animate(names=0.6), g.animate()
    what = g.phrase(("toy", "food", "object", "clothing"), None, g.pick(("a", "the")) if g.chance(0.5) else "")
    taker_text = taker.text if g.chance(0.7) else taker.pronoun("object") if taker.gender != "?" else "me"
    verb = finite(giver, g.common(VERBS["gives"]), g.pick(("past", "past", "present", "will")))
    if g.chance(0.5) and not verb.endswith(("offer", "offered")):
        return sentence(f"{giver.text} {verb} {what.text} to {taker_text}")
    return sentence(f"{giver.text} {verb} {taker_text} {what.text}")


def cases(g: Grammar) -> str:
    """He likes her. The queen thanked them. We followed him."""
    pronouns = ("he", "she", "they", "we", "I")
    objects = ("him", "her", "them", "us", "me")
    verb = g.common(VERBS["animate meets"])
    one, other = g.between(0, 4), g.between(0, 4)
    form = g.pick(("past", "present", "will", "past"))
    subject = Phrase(pronouns[one], one in (2, 3), "?", person=3 if one < 3 else 1)
    if g.chance(0.45):
        named = gendered(g, plural=g.chance(0.3))
        return sentence(
            join(named.text, finite(named, verb, form), objects[other], g.pick(("", g.time(form), g.tail())))
        )
    what = objects[other] if other != one and g.chance(0.5) else g.animate().text
    return sentence(join(subject.text, finite(subject, verb, form), what, g.pick(("", g.time(form), g.tail()))))


def owned(g: Grammar) -> str:
    """Lily lost her blue hat. The farmer's tractor is old."""
    owner = gendered(g, plural=g.chance(0.2))
    thing = g.phrase(("toy", "object", "clothing"), None, owner.pronoun("possessive"), 0.3)
    if g.chance(0.25):
        assert thing.noun is not None
        named = g.phrase_of(thing.noun, thing.plural, possessive(owner.text), 0)
        return sentence(
            f"{named.text} {auxiliary(named, g.pick(('progressive', 'was progressive')))} {quality(g, thing.noun)}"
        )
    predicate = Predicate(g.common(VERBS["person uses"]), thing, g.tail() if g.chance(0.3) else "")
    return sentence(statement(owner, predicate, g.pick(("past", "past", "present", "perfect"))))


def again(g: Grammar) -> str:
    """Tom said that he was tired. The queen has a kite. She likes it."""
    who = gendered(g, plural=g.chance(0.2))
    pronoun = Phrase(who.pronoun("subject"), who.plural, who.gender, who.noun)
    if g.chance(0.5):
        says = finite(who, g.common(VERBS["thinks"]), "past")
        return sentence(f"{who.text} {says} that {statement(pronoun, g.predicate(pronoun, 0.1), 'past')}")
    first = sentence(statement(who, g.predicate(who, 0.2), "past"))
    return f"{first} {sentence(statement(pronoun, g.predicate(pronoun, 0.2), 'past'))}"


def amounts(g: Grammar) -> str:
    """There is too much salt in the soup. Many children want an orange. He buys much bread and many eggs."""
    who = g.animate(names=0.7)
    verb = g.common(VERBS["animate wants"][1:4])
    some, things = g.noun(("mass",)), g.noun(("food", "object", "toy"))
    form = g.pick(("present", "past"))
    if g.chance(0.4):
        if g.chance(0.5):
            return sentence(f"how much {some.singular} {question(who, Predicate(verb), form)}", "?")
        return sentence(f"how many {things.plural} {question(who, Predicate(verb), form)}", "?")
    amount = f"too much {some.singular}" if g.chance(0.5) else f"too many {things.plural}"
    return sentence(f"{who.text} {finite(who, verb, form)} {amount}")


def asked(g: Grammar) -> str:
    """Does the dog like bones? Where are the boys sleeping? What did Mia find? Who ate the cake?"""
    subject = g.animate()
    form = g.pick(("present", "present", "past", "past", "progressive", "progressive", "perfect", "can", "will"))
    choice = g.between(0, 9)
    if choice < 4:
        return sentence(question(subject, g.predicate(subject, 0.2), form), "?")
    if choice < 6:
        predicate = g.predicate(subject, 0, "object")
        what = predicate.object
        people = what is not None and what.noun is not None and what.noun.kind in (*PEOPLE, "name")
        return sentence(question(subject, predicate, form, "who" if people else "what"), "?")
    if choice < 8:
        return sentence(
            question(subject, g.predicate(subject, 0, "alone"), form, g.pick(("where", "why", "when"))), "?"
        )
    if choice == 8:
        predicate = g.predicate(subject, 0.2)
        who = Phrase("who" if subject.noun is None or subject.noun.kind != "animal" else "which animal", False, "?")
        tense = g.pick(("past", "past", "present", "progressive", "can"))
        return sentence(predicate_question(who, predicate, tense), "?")
    return sentence(
        f"where {auxiliary(thing := g.thing(), g.pick(('progressive', 'was progressive')))} {thing.text}", "?"
    )


def predicate_question(who: Phrase, predicate: Predicate, form: str) -> str:
    """A question for the subject: who ate the cake."""
    if form in ("past", "present"):
        return join(who.text, predicate.after(finite(who, predicate.verb, form)))
    return join(who.text, auxiliary(who, form), predicate.after(main_verb(predicate.verb, form)))


def listed(g: Grammar) -> str:
    """Mia bought an apple, two pears and some milk."""
    who = g.animate(names=0.7)
    foods = [g.phrase(("food",), None, g.pick(("a", "a", "")), 0) for _ in range(2)]
    foods = [
        f if f.text.split()[0] not in ("a", "an") or not f.plural else g.phrase_of(f.noun, True, "some", 0)
        for f in foods
        if f.noun
    ]
    more = g.phrase(("mass",), False, "some", 0)
    verb = g.common(VERBS["person eats"] if who.noun and who.noun.kind != "animal" else VERBS["animal eats"])
    eats = finite(who, verb, g.pick(("past", "past", "present", "will")))
    return sentence(f"{who.text} {eats} {foods[0].text}, {foods[1].text} and {more.text}")


def happens(g: Grammar) -> str:
    """The candle glowed in the kitchen. Two balls are rolling."""
    what = g.phrase(("toy", "object", "vehicle"))
    form = g.pick(("past", "present", "progressive", "was progressive", "past"))
    return sentence(statement(what, Predicate(g.common(VERBS["thing alone"]), None, g.pick(("", g.place()))), form))


def is_a(g: Grammar) -> str:
    """That is an umbrella. These are two red boats."""
    plural = g.chance(0.4)
    what = g.phrase(
        (*THINGS, "animal"),
        plural,
        g.pick(("my", "your", "some", "the")) if plural else g.pick(("a", "a", "the", "my")),
        0.4,
    )
    subject, be = (
        g.pick((("these", "are"), ("those", "are")))
        if plural
        else g.pick((("this", "is"), ("that", "is"), ("it", "is")))
    )
    return sentence(f"{subject} {be} {what.text}")


def weather(g: Grammar) -> str:
    """It was snowy on Monday. In summer it is hot."""
    kind = g.pick(lexicon.WEATHER.split())
    if g.chance(0.5):
        return sentence(f"it was {kind} on {g.pick(lexicon.DAYS.split())}")
    when = g.pick((f"in {g.pick(lexicon.SEASONS.split())}", f"in {g.pick(lexicon.MONTHS.split())}"))
    return sentence(f"{when} it is often {kind}")


def far_away(g: Grammar) -> str:
    """Nina comes from Peru. In April we traveled to Norway."""
    who = g.animate(names=0.7)
    land = g.pick(lexicon.LANDS.split())
    if g.chance(0.4):
        return sentence(f"{who.text} {'comes' if who.singular_agreement else 'come'} from {land}")
    when = g.pick(
        (f"in {g.pick(lexicon.MONTHS.split())}", f"on {g.pick(lexicon.DAYS.split())}", "last year", "next summer")
    )
    did = "will travel" if when.startswith("next") else g.pick(("traveled", "went", "came"))
    return sentence(f"{when}, {who.text} {did} to {land}")


def counted(g: Grammar) -> str:
    """The shepherd has thirty sheep."""
    who = g.animate(names=0.5)
    noun = NOUNS[g.pick(("toy", "object", "animal"))]
    have = {"present": ("has", "have"), "past": ("had", "had")}[g.pick(("present", "past"))][not who.singular_agreement]
    return sentence(f"{who.text} {have} {g.pick(lexicon.NUMBERS.split())} {g.common(noun).plural}")


def has_one(g: Grammar) -> str:
    """Kim has an orange umbrella. The rabbits have a home."""
    who = g.animate(names=0.5)
    what = g.common(NOUNS[g.pick(("toy", "object", "clothing", "food"))])
    words = join(g.adjective(what).base if g.chance(0.6) else "", what.singular)
    return sentence(f"{who.text} {'has' if who.singular_agreement else 'have'} {article(words)} {words}")


MAKERS: tuple[tuple[Maker, int], ...] = (
    (simple, 14), (negated, 5), (modal, 3), (across_phrase, 11), (across_relative, 12), (object_relative, 3),
    (predicative, 4), (quantified, 6), (reflexive, 9), (embedded_reflexive, 5), (licensed, 11), (that_clause, 5),
    (wh_clause, 6), (existential, 5), (comparison, 6), (passive, 4), (joined, 5), (gave, 3), (cases, 5), (owned, 5),
    (again, 8), (amounts, 4), (asked, 9), (listed, 2), (happens, 2), (is_a, 3), (weather, 1), (far_away, 2),
    (counted, 1), (has_one, 2),
)  # fmt: skip


"""Every construction with its weight in running text."""


_TRIES = 40
_MAKERS = tuple(maker for maker, weight in MAKERS for _ in range(weight))


def allowed(make: Callable[[], str]) -> str:
    """What ``make`` writes, made anew until it holds no reserved combination; empty when it never does."""
    for _ in range(_TRIES):
        if not held_out(text := make()):
            return text
    return ""


def any_sentence(g: Grammar) -> str:
    """A sentence of any construction."""
    return allowed(lambda: g.pick(_MAKERS)(g))
