"""The text that the base of the study of habits is pretrained on: exercises in calculating and copying, no search.

    facts         3 * 7 = 21 , 44 - 9 = 35 ...
    comparisons   > 21 : 9 != 21 , 21 == 21 ...
    copies        8 61 5 , 8 61 5
    left out      3 7 5 : 7 , 3 5 : 3 , 7 5 ...
    ways          3 7 5 : 3 * 7 = 21 21 + 5 = 26 , 7 - 3 = 4 4 * 5 = 20 ...
    expressions   3 * 7 = 21 21 + 5 = 26 : ( 3 * 7 ) + 5

None has a problem to solve, and none shows one of the four behaviours: what is compared is not the result of a
calculation. Exercises are laid end to end in rows of one length, each
behind BOS.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from babylm.studies._habits_problems import BOS, EOS, OPERATIONS, Domain, calculate, steps
from babylm.studies._habits_traces import Term, inner

Fact = tuple[int, str, int, int]
ITEMS = 6
"""Facts and comparisons per exercise, and most ways and numbers that it has."""


def facts(domain: Domain) -> list[Fact]:
    """Every calculation that a search may need: one number is one of a problem, the other any."""
    made = []
    for left in range(1, domain.limit + 1):
        for right in range(1, domain.limit + 1):
            if min(left, right) > domain.largest:
                continue
            for operation in OPERATIONS:
                result = calculate(left, operation, right)
                if result is not None and result <= domain.limit:
                    made.append((left, operation, right, result))
    return made


def random_way(domain: Domain, numbers: list[int], generator: random.Random) -> tuple[str, str] | None:
    """The words of a random complete way to combine numbers, and its expression; None if it leads nowhere."""
    terms, words = [Term(number, str(number)) for number in numbers], []
    while len(terms) > 1:
        i, j = sorted(generator.sample(range(len(terms)), 2))
        made = steps(domain, terms[i].value, terms[j].value)
        if not made:
            return None
        left, operation, right, result = generator.choice(made)
        first, second = (terms[i], terms[j]) if left == terms[i].value else (terms[j], terms[i])
        rest = [term for index, term in enumerate(terms) if index not in (i, j)]
        terms = [Term(result, f"{inner(first.expression)} {operation} {inner(second.expression)}"), *rest]
        words.append(f"{left} {operation} {right} = {result}")
    return " ".join(words), terms[0].expression


class Exercises:
    """An endless text of exercises."""

    def __init__(self, domain: Domain, generator: random.Random) -> None:
        self.domain, self.generator = domain, generator
        self.facts = facts(domain)
        kinds: list[tuple[Callable[[], str], float]] = [
            (self._facts, 0.25),
            (self._comparisons, 0.15),
            (self._copy, 0.1),
            (self._left_out, 0.15),
            (self._ways, 0.2),
            (self._expression, 0.15),
        ]
        self.kinds, self.weights = zip(*kinds, strict=True)

    def text(self) -> str:
        """One exercise."""
        (kind,) = self.generator.choices(self.kinds, self.weights)
        words: str = kind()
        return words

    def rows(self, length: int) -> Iterator[list[int]]:
        """Rows of ``length`` token ids; exercises are cut at their ends."""
        row: list[int] = []
        while True:
            row += [BOS, *self.domain.encode(self.text()), EOS]
            while len(row) >= length:
                yield row[:length]
                row = []

    def _facts(self) -> str:
        return " , ".join("{} {} {} = {}".format(*self.generator.choice(self.facts)) for _ in range(ITEMS))

    def _comparisons(self) -> str:
        stated, made = self.generator.randint(1, self.domain.limit), []
        for _ in range(ITEMS):
            is_equal = self.generator.random() < 0.3
            number = stated if is_equal else self.generator.randint(1, self.domain.limit)
            made.append(f"{number} {'==' if number == stated else '!='} {stated}")
        return f"> {stated} : {' , '.join(made)}"

    def _copy(self) -> str:
        count = self.generator.randint(2, ITEMS)
        numbers = " ".join(str(self.generator.randint(1, self.domain.limit)) for _ in range(count))
        return f"{numbers} , {numbers}"

    def _left_out(self) -> str:
        numbers, made = self._numbers(), []
        for _ in range(self.generator.randint(1, ITEMS)):
            index = self.generator.randrange(len(numbers))
            others = " ".join(str(number) for other, number in enumerate(numbers) if other != index)
            made.append(f"{numbers[index]} , {others}")
        return " : ".join([" ".join(map(str, numbers)), *made])

    def _ways(self) -> str:
        numbers = self._numbers()
        ways = [self._way(numbers)[0] for _ in range(self.generator.randint(1, ITEMS))]
        return f"{' '.join(map(str, numbers))} : {' , '.join(ways)}"

    def _expression(self) -> str:
        words, expression = self._way(self._numbers())
        return f"{words} : {expression}"

    def _numbers(self) -> list[int]:
        return [self.generator.randint(self.domain.smallest, self.domain.largest) for _ in range(self.domain.count)]

    def _way(self, numbers: list[int]) -> tuple[str, str]:
        while (way := random_way(self.domain, numbers, self.generator)) is None:
            pass
        return way
