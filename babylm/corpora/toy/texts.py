"""Documents of the bundled corpus: little stories and plain facts here, dialogues in ``dialogues.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from babylm.corpora.toy import lexicon, statements
from babylm.corpora.toy.dialogues import dialogue
from babylm.corpora.toy.grammar import (
    Grammar,
    Phrase,
    Predicate,
    auxiliary,
    finite,
    join,
    statement,
)
from babylm.corpora.toy.inflection import article, capitalize, plural, third_person
from babylm.corpora.toy.sentences import allowed, any_sentence
from babylm.corpora.toy.statements import sentence
from babylm.corpora.toy.vocabulary import BY_NAME, NOUNS, VERBS, held_out, verb


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
    for _ in range(g.between(7, 15)):
        add(lambda: g.pick(_EVENTS)(g, hero))
    add(lambda: _ending(g, hero))
    return "\n".join(lines) if g.chance(0.3) else " ".join(lines)


def _opening(g: Grammar, hero: Phrase, kind: str) -> str:
    possessive, adjective = hero.pronoun("possessive"), g.adjective(BY_NAME[kind]).base
    described = f"{adjective} {kind}"
    if g.chance(0.5):
        name = f"{capitalize(possessive)} name was {hero.text}."
        return f"Once upon a time there was {article(described)} {described}. {name}"
    return f"{hero.text} was {article(described)} {described} who lived {g.place()}."


def _same(g: Grammar, hero: Phrase) -> Phrase:
    """The hero by name or by pronoun."""
    return hero if g.chance(0.35) else Phrase(hero.pronoun("subject"), False, hero.gender, hero.noun)


def _act(g: Grammar, hero: Phrase) -> str:
    who = _same(g, hero)
    return statements.simple(g, who, g.pick(("past", "past", "past", "was progressive")))


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
    return statements.predicative(g, Phrase(_same(g, hero).text, False, hero.gender, hero.noun))


def _self(g: Grammar, hero: Phrase) -> str:
    v = g.common(statements.REFLEXIVE)
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
    _act, _act, _act, _act_negated, _two_steps, _felt, _self, _spoke, _spoke, _own,
    *(_other,) * 7,
)  # fmt: skip


def _ending(g: Grammar, hero: Phrase) -> str:
    pronoun, mood = hero.pronoun("subject"), g.common(lexicon.ADJECTIVES["animate"].split())
    return g.pick(
        (
            f"In the end {hero.text} went home, and {pronoun} was very {mood}.",
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
    for _ in range(g.between(4, 8)):
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
            return sentence(f"{subject.text} {auxiliary(subject, 'progressive')} {statements.quality(g, noun)}")
        maker = g.phrase(("person",), None, "", 0)
        return sentence(
            statement(maker, Predicate(g.common(VERBS["animate wants"]), subject), g.pick(("present", "past")))
        )
    subject = g.phrase_of(
        noun, many, g.pick(("all", "some", "many", "most", "-", "no") if many else ("every", "a", "no", "each")), 0.1
    )
    predicate = g.predicate(subject, 0.2)
    if many and g.chance(0.3) and not subject.text.startswith(("no ", "all ")):
        return sentence(statement(subject, predicate, "present", "not"))
    if g.chance(0.3):
        other = g.phrase(("animal",), many, "-" if many else "a", 0)
        adjective = g.adjective(noun, 0.7)
        return sentence(f"{subject.text} {auxiliary(subject, 'progressive')} {adjective.comparative} than {other.text}")
    adverb = "" if subject.text.startswith("no ") else g.pick(("", "", "often", "sometimes", "always", "usually"))
    return sentence(join(subject.text, adverb, predicate.after(finite(subject, predicate.verb, "present"))))


KINDS: tuple[tuple[str, Callable[[Grammar], str], int], ...] = (
    ("dialogue", dialogue, 2),
    ("stories", story, 2),
    ("facts", facts, 1),
)


"""The three sources with their weights."""
