"""Countdown: combine all given numbers, each once, to reach a target. Problems, their words, and exact verification.

    problem   3 7 5 > 26 :
    answer    answer ( 3 * 7 ) + 5

Every number is one token. `reward_of` reads the last answer of a completion by Python's grammar and computes it with
fractions.
"""

from __future__ import annotations

import ast
import operator
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

OPERATIONS = "+-*/"
COMPUTE: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
SPECIAL = ("<s>", "</s>", "<pad>", "<mask>")
BOS, EOS, PAD, MASK = range(4)
ANSWER, DOT = "answer", "."
WORDS = (*OPERATIONS, "=", "==", "!=", "(", ")", ">", ":", ",", "first", "from", "back", ANSWER, DOT)


@dataclass(frozen=True)
class Domain:
    """Which problems there are."""

    count: int = 3
    """Numbers per problem."""
    smallest: int = 1
    largest: int = 15
    least_target: int = 16
    greatest_target: int = 60
    limit: int = 99
    """Largest number that a calculation of the searches may reach: the vocabulary ends there."""
    operations: str = "+-*"
    """Of solutions; calculations from the target backwards may divide."""
    greatest_share: float = 0.06
    """Problems of which a larger share of all complete ways is a solution are left out: guessing would do."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The vocabulary: special tokens, words, the numbers from 0."""
        return (*SPECIAL, *WORDS, *map(str, range(self.limit + 1)))

    def encode(self, text: str) -> list[int]:
        """Token ids of words with blanks between them.

        >>> domain = Domain()
        >>> domain.decode(domain.encode("3 7 5 > 26 :"))
        '3 7 5 > 26 :'
        """
        first = len(SPECIAL) + len(WORDS)
        return [first + int(word) if word.isdigit() else len(SPECIAL) + WORDS.index(word) for word in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        """The words of token ids, without special tokens."""
        tokens = self.tokens
        return " ".join(tokens[token] for token in ids if token >= len(SPECIAL))


@dataclass(frozen=True)
class Problem:
    """Numbers, in the order in which they are shown, and a target."""

    numbers: tuple[int, ...]
    target: int

    @property
    def text(self) -> str:
        """What the model reads."""
        return f"{' '.join(map(str, self.numbers))} > {self.target} :"

    @property
    def key(self) -> tuple[tuple[int, ...], int]:
        """The same for all orders of the numbers."""
        return tuple(sorted(self.numbers)), self.target


def calculate(left: int, operation: str, right: int) -> int | None:
    """A positive whole result; None if there is none.

    >>> calculate(6, "/", 4), calculate(6, "/", 3), calculate(3, "-", 7)
    (None, 2, None)
    """
    match operation:
        case "+":
            return left + right
        case "-":
            return left - right if left > right else None
        case "*":
            return left * right
        case "/":
            return left // right if right and left % right == 0 and left else None
        case _:
            raise AssertionError(operation)


def steps(domain: Domain, left: int, right: int) -> list[tuple[int, str, int, int]]:
    """All calculations (left, operation, right, result) with two numbers in either order, each once.

    Sums and products are in the given order alone.

    >>> steps(Domain(), 3, 7)
    [(3, '+', 7, 10), (3, '*', 7, 21), (7, '-', 3, 4)]
    """
    ordered = [(left, operation, right) for operation in domain.operations]
    turned = [(right, operation, left) for operation in domain.operations if operation in "-/" and left != right]
    results = [(*each, calculate(*each)) for each in [*ordered, *turned]]
    return [(x, o, y, result) for x, o, y, result in results if result is not None and result <= domain.limit]


def solutions(domain: Domain, numbers: Sequence[int]) -> Iterator[int]:
    """The result of every complete way to combine the numbers, once per way."""
    if len(numbers) == 1:
        yield numbers[0]
    for i in range(len(numbers)):
        for j in range(i + 1, len(numbers)):
            rest = [number for index, number in enumerate(numbers) if index not in (i, j)]
            for *_, result in steps(domain, numbers[i], numbers[j]):
                yield from solutions(domain, [result, *rest])


def draw(domain: Domain, generator: random.Random) -> Problem:
    """A random problem that can be solved, but not by too many of the ways (`Domain.greatest_share`)."""
    while True:
        numbers = tuple(generator.randint(domain.smallest, domain.largest) for _ in range(domain.count))
        ways = Counter(solutions(domain, numbers))
        most = domain.greatest_share * ways.total()
        in_range = range(domain.least_target, domain.greatest_target + 1)
        targets = sorted(value for value, hits in ways.items() if value in in_range and hits <= most)
        if targets:
            return Problem(numbers, generator.choice(targets))


def value_of(words: Sequence[str], numbers: Sequence[int]) -> Fraction | None:
    """The value of an expression that has each of ``numbers`` exactly once; None if it is none or divides by zero.

    Products before sums, from the left; every number may be in parentheses.

    >>> value_of("( 3 * 7 ) + 5".split(), (3, 7, 5)), value_of("3 * 7".split(), (3, 7, 5))
    (Fraction(26, 1), None)
    """
    if sorted(_numbers(words)) != sorted(numbers):
        return None
    try:
        return _value(ast.parse(" ".join(words), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):  # the last two: deep nesting
        return None


def _numbers(words: Sequence[str]) -> list[int]:
    """The numbers among words; ``²`` is a digit, and no number."""
    return [int(word) for word in words if word.isdecimal()]


def _value(node: ast.expr) -> Fraction:
    """The value of a syntax tree of the four operations; ValueError for any other."""
    match node:
        case ast.Constant(int(number)):
            return Fraction(number)
        case ast.BinOp(left, operation, right) if type(operation) in COMPUTE:
            return COMPUTE[type(operation)](_value(left), _value(right))
        case _:
            raise ValueError(f"{type(node).__name__} is no part of an answer")


def answer_of(text: str) -> list[str] | None:
    """The words after the last ``answer``; None if there is none."""
    words = text.split()
    if ANSWER not in words:
        return None
    return words[len(words) - words[::-1].index(ANSWER) :]


def is_right(problem: Problem, text: str) -> bool:
    """Whether the last answer of a completion uses each number once and is exactly the target."""
    words = answer_of(text)
    return words is not None and value_of(words, problem.numbers) == problem.target


def is_expression(text: str) -> bool:
    """Whether the last answer of a completion can be read as an expression, of whatever numbers."""
    words = answer_of(text)
    return words is not None and value_of(words, _numbers(words)) is not None


def reward_of(problem: Problem, text: str, format_reward: float) -> float:
    """1 for a right answer, ``format_reward`` for another expression, 0 without one (the paper's table: 1, 0.1, 0)."""
    if is_right(problem, text):
        return 1.0
    return format_reward if is_expression(text) else 0.0
