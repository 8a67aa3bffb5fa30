"""Priming sets and texts: the same problems with traces that show some behaviours, none, or no thought at all.

    all          the search with the four behaviours         wrong    the same traces with a wrong final answer
    none         one straight calculation that hits          empty    the same answers without a thought
    dots         as many dots as the thought of ``all`` has words

Every row holds one problem with its trace and is filled up to one length with exercises of the base's own text. So all
sets have the same problems, traces and tokens, and all of them rehearse.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from babylm.studies._habits_exercises import Exercises, random_way
from babylm.studies._habits_problems import BOS, DOT, EOS, Domain, Problem, draw, value_of
from babylm.studies._habits_scales import Scale
from babylm.studies._habits_traces import BACKTRACKING, BACKWARD, HABITS, SUBGOALS, VERIFICATION, Trace, search

SEARCHES: dict[str, tuple[str, ...]] = {
    "all": HABITS,
    "verification": (VERIFICATION, BACKTRACKING),
    "subgoals": (BACKTRACKING, SUBGOALS),
    "backward chaining": (BACKTRACKING, BACKWARD),
    "backtracking": (BACKTRACKING,),
    "none": (),
}
"""Set -> behaviours of its traces. As in the paper, the others come with backtracking: without it there is one try."""
DERIVED = ("wrong", "dots", "empty")
"""Sets that are made from the traces of ``all``."""
SETS = (*SEARCHES, *DERIVED)
EXHAUSTIVE, TRIES = 1_000_000, 20_000
"""Words of a search that leaves nothing out; searches in other orders until one has hit within its words."""
DRAWS = 100
"""Draws per needed problem after which there are taken to be too few."""


@dataclass(frozen=True)
class Example:
    """A problem with the completion that a model is to imitate."""

    problem: Problem
    text: str
    trace: Trace
    """The search that wrote it, with its log."""


def draw_searchable(domain: Domain, generator: random.Random) -> Problem:
    """A random problem that every search of `SEARCHES` can solve.

    Backwards, one number after the other is split off the target: of four numbers, ``1 * 2 + 3 * 4`` cannot be found.
    """
    while True:
        problem = draw(domain, generator)
        if search(domain, problem, HABITS, random.Random(0), EXHAUSTIVE).solution is not None:
            return problem


def problems(domain: Domain, count: int, generator: random.Random, excluded: Collection[object] = ()) -> list[Problem]:
    """Random problems, each once up to the order of its numbers, none of which has a key in ``excluded``.

    Raises:
        ValueError: There are not so many.
    """
    made: dict[object, Problem] = {}
    drawn = 0
    while len(made) < count:
        problem, drawn = draw_searchable(domain, generator), drawn + 1
        if problem.key not in excluded:
            made.setdefault(problem.key, problem)
        if drawn > DRAWS * count:
            raise ValueError(
                f"numbers, largest, targets: {count} different problems are needed, and {DRAWS * count} draws gave "
                f"{len(made)}: widen them"
            )
    return list(made.values())


def examples(
    domain: Domain, name: str, chosen: Sequence[Problem], generator: random.Random, thought: int
) -> Iterator[Example]:
    """The traces of a set, one per problem: honest searches that hit within ``thought`` words.

    A search that does not is thrown away whole and repeated in another order.

    Raises:
        ValueError: A problem is not solved in `TRIES` searches.
    """
    habits, answers = SEARCHES.get(name, HABITS), random.Random(generator.getrandbits(63))
    for problem in chosen:
        searches = (search(domain, problem, habits, generator, thought) for _ in range(TRIES))
        trace = next((made for made in searches if made.solution is not None), None)
        if trace is None or trace.solution is None:
            raise ValueError(
                f"numbers={domain.count}: none of {TRIES} searches solves {problem.text} within {thought} words: give "
                "fewer numbers"
            )
        match name:
            case "wrong":
                yield Example(problem, trace.text(_wrong_answer(domain, problem, trace, answers)), trace)
            case "empty":
                yield Example(problem, Trace().text(trace.solution), trace)
            case "dots":
                yield Example(problem, replace(trace, words=[DOT] * len(trace.words)).text(trace.solution), trace)
            case _:
                yield Example(problem, trace.text(trace.solution), trace)


def _wrong_answer(domain: Domain, problem: Problem, trace: Trace, generator: random.Random) -> str:
    """One of the tries that missed, or a random way that does if the first try hit."""
    answer = generator.choice(trace.failed) if trace.failed else None
    while answer is None or value_of(answer.split(), problem.numbers) == problem.target:
        way = random_way(domain, list(problem.numbers), generator)
        answer = way[1] if way else None
    return answer


def rows(
    domain: Domain, scale: Scale, made: Sequence[Example], generator: random.Random
) -> list[tuple[list[int], list[int]]]:
    """(prompt, completion) token ids per example; the completion is filled up with exercises to one length."""
    filling = Exercises(domain, generator)
    pairs = []
    for example in made:
        prompt = prompt_ids(domain, example.problem)
        completion = [*domain.encode(example.text), EOS]
        room = scale.row_length(domain.count) - len(prompt) - len(completion)
        assert room >= 0, example
        pairs.append((prompt, completion + (next(filling.rows(room)) if room else [])))
    return pairs


def prompt_ids(domain: Domain, problem: Problem) -> list[int]:
    """What a model completes."""
    return [BOS, *domain.encode(problem.text)]
