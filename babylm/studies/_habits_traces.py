"""Traces of an honest search for a Countdown solution, in which four behaviours can be switched on and off.

    verification        3 + 7 = 10 != 21        a result is compared with the goal, here 21
    backtracking        back                    a path is left for another one
    subgoals            first 3 7               what is to be combined first is named, with a new goal: first 3 7 > 21 :
    backward chaining   from 26 - 5 = 21        a calculation begins at the target and gives a new goal

The search tries, in random order, until it hits the target or its words run out; it never knows where the solution is.
Of the calculations with the last two numbers it tries the one whose result is nearest to the goal: no other can hit it.
Without backtracking it makes one try. `count` reads the behaviours from any text; for the search's traces it gives
what the search itself logged.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from babylm.studies._habits_problems import ANSWER, Domain, Problem, calculate, steps

VERIFICATION, BACKTRACKING, SUBGOALS, BACKWARD = HABITS = (
    "verification",
    "backtracking",
    "subgoals",
    "backward chaining",
)
INVERSE = {"-": "+", "+": "-", "/": "*", "*": "/"}
"""``from 26 - 5 = 21`` solves ``... + 5 = 26``."""
_STEP = r"(?:^|(?<= ))\d+ [-+*/] \d+ = \d+"
_PATTERNS = {
    VERIFICATION: re.compile(rf"{_STEP} (?:==|!=) \d+(?= |$)"),
    BACKTRACKING: re.compile(r"(?<=\d )back(?= |$)"),
    SUBGOALS: re.compile(r"(?:^|(?<= ))first \d+ \d+(?= |$)"),
    BACKWARD: re.compile(rf"(?:^|(?<= ))from {_STEP}(?= |$)"),
}


class Term(NamedTuple):
    """A number at hand and how it was made."""

    value: int
    expression: str


class Event(NamedTuple):
    """A piece of the search."""

    kind: str
    """``first``, ``from``, ``step`` or ``leaf``; a leaf is a finished try."""
    words: str = ""
    is_hit: bool = False
    expression: str = ""
    goal: int = 0


@dataclass
class Trace:
    """What a search wrote, and its own log."""

    words: list[str] = field(default_factory=list)
    """The thought, without the answer."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HABITS, 0))
    solution: str | None = None
    """None if the words ran out."""
    failed: list[str] = field(default_factory=list)
    """The expressions of the tries that missed."""

    def text(self, answer: str) -> str:
        """Thought and answer."""
        return " ".join([*self.words, ANSWER, answer])


def count(text: str) -> dict[str, int]:
    """How often each behaviour is in a text, by its signs; the answer is not read.

    >>> count("from 26 - 5 = 21 first 3 7 > 21 : 3 + 7 = 10 != 21 back 3 * 7 = 21 == 21 answer ( 3 * 7 ) + 5")
    {'verification': 2, 'backtracking': 1, 'subgoals': 1, 'backward chaining': 1}
    """
    thought = re.split(rf"(?:^|(?<= )){ANSWER}(?= |$)", text)[0].strip()
    return {habit: len(pattern.findall(thought)) for habit, pattern in _PATTERNS.items()}


def wrong_calculations(text: str) -> tuple[int, int]:
    """Calculations in a text, and how many of them are wrong.

    >>> wrong_calculations("3 + 7 = 10 back 3 * 7 = 22")
    (2, 1)
    """
    calculations = [each.split() for each in re.findall(_STEP, text)]
    wrong = sum(calculate(int(x), operation, int(y)) != int(result) for x, operation, y, _, result in calculations)
    return len(calculations), wrong


def search(domain: Domain, problem: Problem, habits: Sequence[str], generator: random.Random, budget: int) -> Trace:
    """The trace of a search with some of `HABITS`, of at most ``budget`` words."""
    trace = Trace()
    terms = [Term(number, str(number)) for number in problem.numbers]
    explore = _backward if BACKWARD in habits else _forward
    missed = False
    for event in explore(domain, terms, problem.target, generator):
        words = _render(event, habits, missed and event.kind != "leaf")
        if len(trace.words) + len(words) > budget:
            break
        trace.words += words
        if words:
            _log(trace, event, habits, missed)
            missed = missed and event.kind == "leaf"
        if event.kind == "leaf":
            if event.is_hit:
                trace.solution = event.expression
                break
            trace.failed.append(event.expression)
            if BACKTRACKING not in habits:
                break
            missed = True
    return trace


def _render(event: Event, habits: Sequence[str], goes_back: bool) -> list[str]:
    words = event.words.split()
    if event.kind == "first" and SUBGOALS not in habits:
        words = []
    if event.kind == "leaf":
        words = ["==" if event.is_hit else "!=", str(event.goal)] if VERIFICATION in habits else []
    return ["back", *words] if words and goes_back else words


def _log(trace: Trace, event: Event, habits: Sequence[str], goes_back: bool) -> None:
    habit = {"first": SUBGOALS, "from": BACKWARD, "leaf": VERIFICATION}.get(event.kind)
    if habit is not None:
        trace.counts[habit] += 1
    if goes_back and event.kind != "leaf":
        trace.counts[BACKTRACKING] += 1


def _forward(domain: Domain, terms: Sequence[Term], goal: int, generator: random.Random) -> Iterator[Event]:
    """From the numbers to the target, depth first: pair after pair, operation after operation."""
    for (x, y), rest in _shuffled_pairs(terms, generator):
        if rest:
            yield Event("first", f"first {x.value} {y.value}")
        for made, words in _combined(domain, x, y, generator, None if rest else goal):
            yield Event("step", words)
            if rest:
                yield from _forward(domain, [made, *rest], goal, generator)
            else:
                yield Event("leaf", "", made.value == goal, made.expression, goal)


def _backward(domain: Domain, terms: Sequence[Term], goal: int, generator: random.Random) -> Iterator[Event]:
    """From the target to a goal for the last two numbers; their combinations are then tried."""
    if len(terms) == 2:
        yield Event("first", f"first {terms[0].value} {terms[1].value} > {goal} :")
        for made, words in _combined(domain, terms[0], terms[1], generator, goal):
            yield Event("step", words)
            yield Event("leaf", "", made.value == goal, made.expression, goal)
        return
    order = generator.sample(range(len(terms)), len(terms))
    for index in order:
        last, rest = terms[index], [term for number, term in enumerate(terms) if number != index]
        inverses = [operation for operation in INVERSE if INVERSE[operation] in domain.operations]
        for operation in generator.sample(inverses, len(inverses)):
            new_goal = calculate(goal, operation, last.value)
            if new_goal is None or new_goal > domain.limit:
                continue
            yield Event("from", f"from {goal} {operation} {last.value} = {new_goal}")
            for event in _backward(domain, rest, new_goal, generator):
                expression = f"{inner(event.expression)} {INVERSE[operation]} {last.expression}"
                yield event._replace(expression=expression) if event.kind == "leaf" else event


def _shuffled_pairs(terms: Sequence[Term], generator: random.Random) -> Iterator[tuple[tuple[Term, Term], list[Term]]]:
    pairs = [(i, j) for i in range(len(terms)) for j in range(i + 1, len(terms))]
    for i, j in generator.sample(pairs, len(pairs)):
        yield (terms[i], terms[j]), [term for index, term in enumerate(terms) if index not in (i, j)]


def _combined(
    domain: Domain, x: Term, y: Term, generator: random.Random, goal: int | None
) -> Iterator[tuple[Term, str]]:
    """Every calculation with two terms, in random order, and its words; with a goal that which comes nearest to it."""
    made = steps(domain, x.value, y.value)
    ordered = generator.sample(made, len(made))
    if goal is not None and ordered:
        ordered = [min(ordered, key=lambda step: abs(step[3] - goal))]
    for left, operation, right, result in ordered:
        first, second = (x, y) if (left, right) == (x.value, y.value) else (y, x)
        expression = f"{inner(first.expression)} {operation} {inner(second.expression)}"
        yield Term(result, expression), f"{left} {operation} {right} = {result}"


def inner(expression: str) -> str:
    """An expression as part of a larger one.

    >>> inner("3 * 7"), inner("5")
    ('( 3 * 7 )', '5')
    """
    return f"( {expression} )" if " " in expression else expression
