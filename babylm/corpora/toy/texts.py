"""Documents of the bundled corpus: dialogues between a mother and a child, little stories, plain facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from babylm.corpora.toy import lexicon, sentences
from babylm.corpora.toy.grammar import (
    THINGS,
    YOU,
    Grammar,
    Phrase,
    Predicate,
    auxiliary,
    finite,
    join,
    question,
    statement,
)
from babylm.corpora.toy.inflection import article, capitalize, plural, third_person
from babylm.corpora.toy.sentences import sentence
from babylm.corpora.toy.vocabulary import BY_NAME, NOUNS, VERBS, held_out, verb

_TRIES = 40
_MAKERS = tuple(maker for maker, weight in sentences.MAKERS for _ in range(weight))


def allowed(make: Callable[[], str]) -> str:
    """What ``make`` writes, made anew until it holds no reserved combination."""
    for _ in range(_TRIES):
        if not held_out(text := make()):
            return text
    return ""


def any_sentence(g: Grammar) -> str:
    """A sentence of any construction."""
    return allowed(lambda: g.pick(_MAKERS)(g))


# -- dialogues ---------------------------------------------------------------------------------------------------------


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
    return f"Look at that! What is it?", f"It is {one}. {sentence(f'this is {article(words)} {words}')}"


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


def story(g: Grammar) -> str:
    """Somebody, a place, some things that happen, an end; pronouns refer to the hero."""
    hero = g.name()
    kind = (
        g.common(NOUNS["animal"]).singular
        if g.chance(0.4)
        else g.common(NOUNS["male" if hero.gender == "m" else "female"]).singular
    )
    lines: list[str] = []

    def add(make: Callable[[], str]) -> None:
        if text := allowed(make):
            lines.append(text)

    add(lambda: _opening(g, hero, kind))
    for _ in range(g.between(6, 13)):
        add(lambda: g.pick(_EVENTS)(g, hero))
    add(lambda: _ending(g, hero))
    return "\n".join(lines) if g.chance(0.3) else " ".join(lines)


def _opening(g: Grammar, hero: Phrase, kind: str) -> str:
    possessive, adjective = hero.pronoun("possessive"), g.adjective(BY_NAME[kind]).base
    described = f"{adjective} {kind}"
    if g.chance(0.5):
        return f"Once upon a time there was {article(described)} {described}. {capitalize(possessive)} name was {hero.text}."
    return f"{hero.text} was {article(described)} {described} who lived {g.place()}."


def _same(g: Grammar, hero: Phrase) -> Phrase:
    """The hero by name or by pronoun."""
    return hero if g.chance(0.35) else Phrase(hero.pronoun("subject"), False, hero.gender, hero.noun)


def _act(g: Grammar, hero: Phrase) -> str:
    who = _same(g, hero)
    return sentences.simple(g, who, g.pick(("past", "past", "past", "was progressive")))


def _act_negated(g: Grammar, hero: Phrase) -> str:
    who = _same(g, hero)
    return sentence(statement(who, g.predicate(who), g.pick(("past", "past", "can")).replace("can", "could"), "not"))


def _two_steps(g: Grammar, hero: Phrase) -> str:
    who = _same(g, hero)
    first = g.predicate(who, 0, "object")
    if first.object is None or first.object.gender == "?":
        return _act(g, hero)
    again = g.common(VERBS["person uses"] if first.object.gender == "n" else VERBS["animate meets"])
    then = f"then {hero.pronoun('subject')} {again.past} {first.object.pronoun('object')}"
    return f"{sentence(statement(who, first, 'past'))} {sentence(then)}"


def _felt(g: Grammar, hero: Phrase) -> str:
    return sentences.predicative(g, Phrase(_same(g, hero).text, False, hero.gender, hero.noun))


def _self(g: Grammar, hero: Phrase) -> str:
    v = g.common(sentences.REFLEXIVE)
    return sentence(f"{_same(g, hero).text} {v.past} {hero.pronoun('reflexive')} {g.tail()}")


def _spoke(g: Grammar, hero: Phrase) -> str:
    says = g.common(VERBS["says"]).past
    quoted = any_sentence(g)
    if not quoted:
        return ""
    who = _same(g, hero).text
    if quoted.endswith("?") or g.chance(0.5):
        return f'"{quoted if quoted.endswith("?") else quoted[:-1] + ","}" {who} {says}.'
    return f'{capitalize(who)} {says}, "{quoted}"'


def _own(g: Grammar, hero: Phrase) -> str:
    thing = g.phrase(("toy", "object", "clothing", "food"), None, hero.pronoun("possessive"), 0.3)
    who = _same(g, hero)
    return sentence(
        statement(who, Predicate(g.common(VERBS["person uses"]), thing, g.tail() if g.chance(0.3) else ""), "past")
    )


def _other(g: Grammar, hero: Phrase) -> str:
    return any_sentence(g)


_EVENTS: tuple[Callable[[Grammar, Phrase], str], ...] = (
    _act, _act, _act, _act_negated, _two_steps, _felt, _self, _spoke, _spoke, _own, _other, _other, _other, _other,
)  # fmt: skip


def _ending(g: Grammar, hero: Phrase) -> str:
    pronoun = hero.pronoun("subject")
    return g.pick(
        (
            f"In the end {hero.text} went home, and {pronoun} was very {g.common(lexicon.ADJECTIVES['animate'].split())}.",
            f"That night {pronoun} slept well.",
            f"{hero.text} was happy again.",
            f"And {pronoun} never forgot that day.",
            f"Then {hero.text} and {hero.pronoun('possessive')} friends lived happily ever after.",
        )
    )


# -- facts -------------------------------------------------------------------------------------------------------------


def _table(name: str) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for entry in lexicon.FEATURES[name].split():
        thing, _, fact = entry.partition(":")
        table.setdefault(thing, []).append(fact)
    return table


_HAS, _SOUND, _MOVES, _HOME = (_table(name) for name in ("has", "sound", "moves", "home"))
_SUBJECTS = tuple(dict.fromkeys([*_HAS, *_SOUND, *_MOVES, *_HOME]))


def facts(g: Grammar) -> str:
    """A short article about one kind of animal or thing under a heading, as in a children's encyclopedia."""
    thing = BY_NAME[g.common(_SUBJECTS)]
    one = f"{article(thing.singular)} {thing.singular}"
    lines = [f"= = = {thing.singular.capitalize()} = = ="]
    what = (
        "an animal" if thing.kind == "animal" else f"something {g.pick(('people use', 'children know', 'you can see'))}"
    )
    known = [sentence(f"{one} is {what}")]
    part = {"tooth": "teeth"}
    for feature in _HAS.get(thing.singular, ()):
        many = part.get(feature, plural(feature))
        known += [
            f"Every {thing.singular} has {article(feature)} {feature}.",
            f"{capitalize(thing.plural)} have {many}.",
        ]
    for sound in _SOUND.get(thing.singular, ()):
        known += [
            f"{capitalize(one)} {third_person(sound)}.",
            f"All {thing.plural} {sound}.",
            f"Can {one} {sound}? Yes, it can.",
        ]
    for move in _MOVES.get(thing.singular, ()):
        known += [
            f"{capitalize(thing.plural)} can {move}.",
            f"Most {thing.plural} {move} well.",
            f"This {thing.singular} is {verb(move).progressive}.",
        ]
    for home in _HOME.get(thing.singular, ()):
        known += [
            f"{capitalize(one)} lives in {article(home)} {home}.",
            f"{capitalize(thing.plural)} live in {plural(home)}.",
        ]
    for _ in range(g.between(3, 7)):
        known.append(allowed(lambda: _fact(g, thing.singular)))
    for _ in range(g.between(2, 5)):
        known.append(any_sentence(g))
    lines += [line for line in known if line and not held_out(line)]
    return "\n".join([lines[0], *(_shuffled_tail(g, lines[1:]))])


def _shuffled_tail(g: Grammar, lines: list[str]) -> Iterator[str]:
    first, rest = lines[:1], lines[1:]
    yield from first
    while rest:
        yield rest.pop(g.between(0, len(rest) - 1))


def _fact(g: Grammar, singular: str) -> str:
    noun = BY_NAME[singular]
    many = g.chance(0.5)
    if noun.kind != "animal":
        subject = g.phrase_of(
            noun, many, g.pick(("all", "some", "many", "most", "-") if many else ("every", "a", "this", "each")), 0.2
        )
        if g.chance(0.3):
            return sentence(f"{subject.text} {auxiliary(subject, 'progressive')} {sentences.quality(g, noun)}")
        maker = g.phrase(("person",), None, "", 0)
        return sentence(
            statement(maker, Predicate(g.common(VERBS["animate wants"]), subject), g.pick(("present", "past")))
        )
    subject = g.phrase_of(
        noun, many, g.pick(("all", "some", "many", "most", "-", "no") if many else ("every", "a", "no", "each")), 0.1
    )
    predicate = g.predicate(subject, 0.2)
    if many and g.chance(0.3) and not subject.text.startswith("no "):
        return sentence(statement(subject, predicate, "present", "not"))
    if g.chance(0.3):
        other = g.phrase(("animal",), many, "-" if many else "a", 0)
        adjective = g.adjective(noun, 0.7)
        return sentence(f"{subject.text} {auxiliary(subject, 'progressive')} {adjective.comparative} than {other.text}")
    return sentence(
        join(
            subject.text,
            g.pick(("", "often", "sometimes")),
            predicate.after(finite(subject, predicate.verb, "present")),
        )
    )


KINDS: tuple[tuple[str, Callable[[Grammar], str], int], ...] = (
    ("dialogue", dialogue, 2),
    ("stories", story, 2),
    ("facts", facts, 1),
)
"""The three sources with their weights."""
