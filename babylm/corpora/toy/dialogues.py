"""Dialogues of the bundled corpus: a parent and a child, in the manner of transcripts (``*MOT:``, ``*CHI:``)."""

from __future__ import annotations

from collections.abc import Callable

from babylm.corpora.toy import lexicon, sentences
from babylm.corpora.toy.grammar import (
    THINGS,
    YOU,
    Grammar,
    Phrase,
    auxiliary,
    join,
    question,
    statement,
)
from babylm.corpora.toy.inflection import article, capitalize
from babylm.corpora.toy.sentences import any_sentence
from babylm.corpora.toy.statements import sentence
from babylm.corpora.toy.vocabulary import VERBS, held_out

_TRIES = 40


def dialogue(g: Grammar) -> str:
    """Turns of a mother (or father) and a child; the child answers in short."""
    adult = g.pick(("*MOT:", "*MOT:", "*FAT:"))
    lines: list[str] = []
    for _ in range(g.between(3, 7)):
        turns = _allowed_turns(lambda: g.pick(_EXCHANGES)(g))
        lines += [f"{adult if number % 2 == 0 else '*CHI:'}\t{turn}" for number, turn in enumerate(turns)]
    return "\n".join(lines)


def _allowed_turns(make: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    for _ in range(_TRIES):
        turns = make()
        if not any(held_out(turn) for turn in turns):
            return turns
    return ()


def _doing(g: Grammar) -> tuple[str, ...]:
    who = g.phrase(g.pick((("animal",), ("male",), ("female",))), None, "the", 0.1) if g.chance(0.7) else g.name()
    doing = g.predicate(who, 0.1)
    other = g.predicate(who, 0, "alone")
    be = auxiliary(who, "progressive")
    subject = who.pronoun("subject") if who.gender != "?" else who.text
    ask = sentence(f"what {be} {who.text} doing", "?")
    tell = sentence(statement(Phrase(subject, who.plural, who.gender), doing, "progressive"))
    if g.chance(0.5):
        return ask, tell
    check = sentence(question(who, other, "progressive"), "?")
    return check, f"No, {subject} {be}n't {other.verb.progressive}. {tell}"


def _yes_no(g: Grammar) -> tuple[str, ...]:
    who = g.animate()
    form = g.pick(("present", "present", "past", "can", "perfect"))
    what = g.predicate(who, 0)
    subject = who.pronoun("subject") if who.gender != "?" or who.plural else ""
    if not subject:
        return sentence(question(who, what, form), "?"), sentence(statement(who, what, form, g.pick(("", "not"))))
    helper = auxiliary(who, form)
    pronoun = Phrase(subject, who.plural, who.gender)
    if g.chance(0.5):
        return sentence(
            question(who, what, form), "?"
        ), f"Yes, {subject} {helper}. {sentence(statement(pronoun, what, form))}"
    return sentence(question(who, what, form), "?"), f"No, {subject} {helper.replace('can', 'ca')}n't."


def _where(g: Grammar) -> tuple[str, ...]:
    what = g.phrase(THINGS, None, g.pick(("the", "my", "your")))
    be = auxiliary(what, "progressive")
    subject = what.pronoun("subject")
    return sentence(f"where {be} {what.text}", "?"), sentence(f"{subject} {be} {g.near_thing()}")


def _who(g: Grammar) -> tuple[str, ...]:
    who = g.animate()
    did = g.predicate(who, 0.1)
    tense = g.pick(("past", "past", "progressive"))
    asked = sentences.predicate_question(Phrase("who", False, "?"), did, tense)
    return sentence(asked, "?"), sentence(statement(who, did, tense))


def _how_many(g: Grammar) -> tuple[str, ...]:
    what = g.noun(("animal", *THINGS))
    count = g.pick(lexicon.NUMBERS.split()[:7])
    place = g.place()
    if g.chance(0.5):
        return f"How many {what.plural} are there {place}?", f"There are {count} {what.plural}."
    return (
        f"Is there {article(what.singular)} {what.singular} {place}?",
        f"Yes, there {'is one' if g.chance(0.5) else f'are {count}'}.",
    )


def _want(g: Grammar) -> tuple[str, ...]:
    what = g.noun(("mass", "food"))
    form = what.singular if what.kind == "mass" else what.plural
    if g.chance(0.5):
        return f"Do you want some {form}?", g.pick(
            (f"No, I don't want any {form}.", f"Yes, I want some {form}, please.")
        )
    much = "much" if what.kind == "mass" else "many"
    return f"How {much} {form} do you want?", f"Not too {much}, please."


def _look(g: Grammar) -> tuple[str, ...]:
    what = g.phrase(("animal", *THINGS), g.chance(0.4), "-", 0.5)
    words = what.text
    assert what.noun is not None
    if what.plural:
        return (
            f"Look, {words}! What are these?",
            f"Those are {what.noun.plural}. They are {g.adjective(what.noun, 0.5).base}.",
        )
    one = f"{article(what.noun.singular)} {what.noun.singular}"
    return "Look at that! What is it?", f"It is {one}. {sentence(f'this is {article(words)} {words}')}"


def _please(g: Grammar) -> tuple[str, ...]:
    thing = g.phrase(("toy", "object", "clothing"), None, g.pick(("the", "your", "this")))
    if thing.plural and thing.text.startswith("this"):
        thing = Phrase(f"these{thing.text[4:]}", True, "n", thing.noun)
    do = g.common(VERBS["person uses"])
    ask = f"Please {do.base} {thing.text}." if g.chance(0.6) else f"Can you {do.base} {thing.text}?"
    them = thing.pronoun("object")
    return ask, g.pick(
        (f"I can {do.base} {them} myself.", f"I don't want to {do.base} {them}.", f"I will {do.base} {them} now.")
    )


def _did(g: Grammar) -> tuple[str, ...]:
    verb_used, what = sentences.wanted(g, YOU)
    form = what.singular if what.kind == "mass" else what.plural
    ask = f"Did you {verb_used.base} any {form}?"
    one = g.phrase_of(what, False, "a", 0).text
    return ask, g.pick(
        (
            f"No, I didn't {verb_used.base} any {form}.",
            f"Yes, I {verb_used.past} {one}.",
            f"Yes, I {verb_used.past} some {form}.",
        )
    )


def _know(g: Grammar) -> tuple[str, ...]:
    who = g.animate(names=0.5)
    did = g.predicate(who, 0, "object")
    if did.object is None:
        return _who(g)
    wh = "who" if did.object.noun is not None and did.object.gender != "n" else "what"
    asked = f"Do you know {wh} {join(who.text, did.verb.past)}?"
    answer = f"{capitalize(who.text)} {did.verb.past} {did.object.text}."
    return (asked, answer) if g.chance(0.7) else (asked, "No. Please tell me!", answer)


def _compare(g: Grammar) -> tuple[str, ...]:
    noun = g.noun(("toy", "clothing", "vehicle"))
    one, two = g.adjective(noun, 0), g.adjective(noun, 1)
    be = "is"
    return (
        f"Which {noun.singular} {be} {two.comparative}?",
        f"The {one.base} {noun.singular} {be} {two.comparative} than the other {noun.singular}.",
    )


def _statement(g: Grammar) -> tuple[str, ...]:
    return any_sentence(g), g.pick(("Really?", "I know that.", "Why?", "Yes!", "Oh no!", "I saw it.", "Tell me more."))


_EXCHANGES = (
    _doing, _doing, _yes_no, _yes_no, _where, _who, _how_many, _want, _look, _please, _did, _know, _compare, _statement,
    _statement, _statement,
)  # fmt: skip


# -- stories -----------------------------------------------------------------------------------------------------------
