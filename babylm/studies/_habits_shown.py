"""A model from outside on Countdown: it reads worked problems, and what it writes for the next one is verified exactly.

The worked problems are those of a priming set, so that their thoughts show the behaviours, none of them, or nothing.
The weights do not change: this is the prompt alone, beside which priming and reinforcement learning can be seen. The
subject may be a revision of ours, a Hugging Face folder, a ``.gguf`` file, or a server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.config.teaching import EndpointConfig, check_endpoint
from babylm.studies import _asked_model
from babylm.studies import _habits_models as models
from babylm.studies import _habits_sets as sets
from babylm.studies import _habits_tables as tables
from babylm.studies._habits_problems import ANSWER, Domain, Problem, is_expression, is_right
from babylm.studies._habits_traces import HABITS, count
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, inputs
from babylm.studies.statistics import bootstrap_mean
from babylm.tables import Table

if TYPE_CHECKING:
    from babylm.studies._subjects import Subject

PREFIX = "shown "
"""Beginning of the names of conditions; a set's name follows."""
INTRODUCTION = (
    "Each line combines the numbers before >, each of them once, to the number after it. "
    f"It thinks, then says {ANSWER}."
)
TITLE = "Countdown by a given model, after worked problems that show habits of thought or do not"
REMARK = (
    "The given model answers greedily, each held-out problem once per seed; a seed decides the worked problems. Its "
    "weights do not change, so that this is the prompt alone."
)
LINE_ALONE = "Write the rest of the last line, and nothing else."
"""What a chat model is told."""
WORDS = 60
"""Words of the longest thought that is shown: contexts are short."""
MAX_NEW_TOKENS = 256
"""Of an answer; a tokenizer may need two tokens for a number or a sign."""
READABLE = "answers that can be read"
SECONDS = 600.0
"""Declared cost of a condition and seed."""
_WORD = re.compile(r"\d+|[a-z]+|[=!]=|\S")


def conditions(
    arms: Sequence[str], model: str | None, endpoint: EndpointConfig, shots: int, problems: int
) -> list[Condition]:
    """A condition per priming set among ``arms``; none without a subject."""
    if not (model or endpoint.url):
        return []
    deciding = {"stage": "shown", "shots": shots, "problems": problems, "words": WORDS, "tokens": MAX_NEW_TOKENS}
    deciding |= {"introduction": INTRODUCTION, "told": LINE_ALONE, "version": models.VERSION}
    if endpoint.url:
        deciding |= {"model": endpoint.model, "api": endpoint.api}
    read = {"model": inputs.contents(model)}
    return [
        Condition(
            PREFIX + name,
            {**deciding, "arm": name},
            seconds=SECONDS,
            kind="shown",
            detail=model or endpoint.url or "",
            inputs=read,
        )
        for name in arms
        if name in sets.SETS
    ]


def check(model: str | None, endpoint: EndpointConfig, has_students: bool, arms: Sequence[str]) -> None:
    """Raise ValueError for a given model that cannot be asked, or if there is no subject at all."""
    if model and endpoint.url:
        raise ValueError("model, endpoint.url: give one of them; name= keeps two studies apart")
    if endpoint.url:
        check_endpoint(endpoint, "endpoint")
    if not (has_students or model or endpoint.url):
        raise ValueError("student=false: give model= or endpoint.url=, as there is no other subject")
    if not has_students and not set(arms) & set(sets.SETS):
        raise ValueError(f"arms: {list(arms)}: a given model needs at least one of {', '.join(sets.SETS)}")


def prompt(shown: Sequence[sets.Example], problem: Problem) -> str:
    """Worked problems, one per line, and the beginning of the next line."""
    return "\n".join([INTRODUCTION, "", *(f"{each.problem.text} {each.text}" for each in shown), problem.text])


def first_line(text: str) -> str:
    """What an answer says in its first line that says anything, with blanks between words and signs.

    >>> first_line("\\n 3*7=21, answer (3*7)+5\\nnext")
    '3 * 7 = 21 , answer ( 3 * 7 ) + 5'
    """
    line = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join(_WORD.findall(line.lower()))


def examples(domain: Domain, name: str, shots: int, seed: int, held_out: Sequence[Problem]) -> list[sets.Example]:
    """The worked problems of a seed, the same in all sets, none of them held out."""
    excluded = {problem.key for problem in held_out}
    chosen = sets.problems(domain, shots, models.generator_of(seed, models.SHOWN), excluded)
    number = sets.SETS.index("all" if name in sets.DERIVED else name)
    return list(sets.examples(domain, name, chosen, models.generator_of(seed, models.SHOWN, 1 + number), WORDS))


def run(piece: Piece, domain: Domain, model: str | None, endpoint: EndpointConfig) -> list[Measurement]:
    """Ask the given model, as the piece's condition says, and verify its answers."""
    given = piece.settings
    problems = models.problems_for_all(domain, given["problems"])
    worked = examples(domain, given["arm"], given["shots"], piece.seed, problems)
    texts = answers(model, endpoint, [prompt(worked, problem) for problem in problems], piece.folder / "endpoint")
    measured = [piece.measurement(value, item, name) for value, item, name in measure(problems, texts)]
    right = [row.value for row in measured if row.measure == tables.RIGHT]
    piece.log(f"{100 * sum(right) / len(right):.1f} % right; the first answer: {first_line(texts[0])!r}")
    return measured


def answers(model: str | None, endpoint: EndpointConfig, prompts: Sequence[str], folder: Path) -> list[str]:
    """What the given model writes after each prompt; a server's answers are kept in ``folder``."""
    if model is None:
        return _answers_of_server(endpoint, prompts, folder)
    from babylm.studies._subjects import load_once

    return _answers_of_model(load_once(model), prompts)


def _answers_of_model(subject: Subject, prompts: Sequence[str]) -> list[str]:
    """Greedily, up to the end of the line; ValueError if the model has too few positions."""
    rows = [subject.ids(each) for each in prompts]
    needed = max(map(len, rows)) + MAX_NEW_TOKENS
    positions = getattr(subject.model.config, "max_position_embeddings", None)
    if positions is not None and needed > positions:
        raise ValueError(f"model={subject.name}: it has {positions} positions, {needed} are needed: give fewer shots=")
    decode = subject.tokenizer.decode

    def ended(ids: Sequence[int]) -> bool:
        return "\n" in decode(ids[-1:])

    made = subject.generate(rows, MAX_NEW_TOKENS, stop=ended, rows=64)
    return [decode(ids, skip_special_tokens=True) for ids in made]


def _answers_of_server(endpoint: EndpointConfig, prompts: Sequence[str], folder: Path) -> list[str]:
    is_chat = endpoint.api == "chat"
    instruction = "{prompt}\n\n" + LINE_ALONE if is_chat else "{prompt}"
    teacher = _asked_model.build(
        endpoint, None, "endpoint", folder, MAX_NEW_TOKENS, instruction, "" if is_chat else "\n"
    )
    return list(teacher.complete(prompts, 0))


def measure(problems: Sequence[Problem], texts: Sequence[str]) -> list[tuple[float, str, str]]:
    """(value, item, measure) per problem: right, readable, and the number of each behaviour."""
    measured: list[tuple[float, str, str]] = []
    for index, (problem, answer) in enumerate(zip(problems, texts, strict=True)):
        text, item = first_line(answer), f"p{index}"
        measured += [
            (float(is_right(problem, text)), item, tables.RIGHT),
            (float(is_expression(text)), item, READABLE),
            *((float(number), item, habit) for habit, number in count(text).items()),
        ]
    return measured


def _measured(measurements: Measurements, arms: Sequence[str]) -> list[str]:
    """The arms that have answers: a piece that failed has none."""
    return [name for name in arms if len(measurements.select(PREFIX + name, tables.RIGHT))]


def table(measurements: Measurements, arms: Sequence[str]) -> Table:
    """Accuracy by what was shown, its difference from thoughts without a behaviour, and the behaviours per answer."""
    rows = []
    reference = PREFIX + tables.REFERENCE
    for name in _measured(measurements, arms):
        condition = PREFIX + name
        values = 100 * measurements.matrix(condition, tables.RIGHT)
        right, seeds = bootstrap_mean(values), sum(not np.isnan(of_seed).all() for of_seed in values)
        is_reference = condition == reference
        against = None if is_reference else tables.difference(measurements, condition, reference, tables.RIGHT)
        readable = 100 * measurements.select(condition, READABLE).values.mean()
        habits = [float(measurements.select(condition, habit).values.mean()) for habit in HABITS]
        difference = (against.estimate, against.low, against.high) if against else (None,) * 3
        rows.append([name, seeds, right.estimate, right.low, right.high, *difference, readable, *habits])
    titles = ("shown", "seeds", "right (%)", "low", "high", "minus none", "difference low", "difference high")
    formats = ("", "", *[".1f"] * 3, *["+.1f"] * 3, ".1f", *[".2f"] * 4)
    caption = "a given model after worked problems, weights unchanged; behaviours per answer"
    return Table.of((*titles, "readable (%)", *HABITS), rows, formats=formats, caption=caption)


def draw(measurements: Measurements, arms: Sequence[str]) -> Callable[[Any], None]:
    """A bar per set that was shown, with its interval."""

    def draw_on(axes: Any) -> None:
        names = _measured(measurements, arms)
        intervals = [bootstrap_mean(100 * measurements.matrix(PREFIX + name, tables.RIGHT)) for name in names]
        for position, interval in enumerate(intervals):
            axes.bar(position, interval.estimate, width=0.6)
            axes.vlines(position, interval.low, interval.high, colors="black")
        axes.set_xticks(range(len(names)), names)
        axes.set_xlabel("thoughts in the worked problems")
        axes.set_ylabel("right on held-out problems (%)")
        axes.set_ylim(bottom=0)

    return draw_on
