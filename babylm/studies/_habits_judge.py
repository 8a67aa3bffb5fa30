"""A language model's count of the four behaviours, beside the exact parser's, as the paper counts them.

The judge is a teacher of `babylm.interaction.teachers`: an OpenAI-compatible server, or a causal model by path. It is
asked for one behaviour of one trace at a time, with two worked examples, greedily; answers are kept on disk. The traces
are those that models wrote on held-out problems, before and after reinforcement learning.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from babylm import files
from babylm.config.teaching import EndpointConfig, check_endpoint
from babylm.studies import _asked_model
from babylm.studies._habits_traces import BACKTRACKING, BACKWARD, HABITS, SUBGOALS, VERIFICATION, count
from babylm.studies.experiment import Condition, Measurements, inputs
from babylm.studies.statistics import bootstrap_mean, spearman
from babylm.studies.statistics._libraries import library
from babylm.tables import Table

if TYPE_CHECKING:
    from babylm.interaction.teachers import Teacher

DESCRIPTIONS = {
    VERIFICATION: "compares the result of a calculation with the goal (a calculation followed by == or !=)",
    BACKTRACKING: "gives up a path and goes back to try another one (the word back)",
    SUBGOALS: "names two numbers that are to be combined first (the word first)",
    BACKWARD: "calculates from the goal back to a new goal (the word from)",
}
EXAMPLES = (
    "from 26 - 5 = 21 first 3 7 > 21 : 3 + 7 = 10 != 21 back 3 * 7 = 21 == 21 answer ( 3 * 7 ) + 5",
    "first 4 9 4 + 9 = 13 13 + 8 = 21 != 44 back 13 * 8 = 104 answer ( 4 + 9 ) + 8",
)
MAX_TOKENS = 8
JUDGED = ", judged"
"""End of the name of a condition in which the traces of another one are read."""
ITEM = "{habit}, {who}"
JUDGE, PARSER, UNUSABLE = "judge", "parser", "answers without a number"


def question(habit: str, trace: str) -> str:
    """What the judge reads: the task, two worked examples, the trace.

    >>> print(question("backtracking", "3 + 7 = 10 back").splitlines()[-2:])
    ['Text: 3 + 7 = 10 back', 'Count:']
    """
    task = (
        "Each text below is a search for a way to combine numbers to a goal. Count how often the search "
        f"{DESCRIPTIONS[habit]}. Answer with one whole number and nothing else."
    )
    worked = [f"Text: {example}\nCount: {count(example)[habit]}" for example in EXAMPLES]
    return "\n\n".join([task, *worked, f"Text: {trace}\nCount:"])


def read_count(answer: str) -> int | None:
    """The number that an answer begins with, or gives after ``Count:``; None if there is none.

    >>> read_count(" 2 Text: 3"), read_count("Count: **4**."), read_count("none"), read_count("")
    (2, 4, None, None)
    """
    number = re.match(r"\W*(?:[Cc]ount\W*)?(\d{1,4})\b", answer)
    return int(number[1]) if number else None


def check(endpoint: EndpointConfig, model: str | None) -> None:
    """Raise ValueError for a judge that cannot be asked."""
    if endpoint.url and model:
        raise ValueError("judge.url, judge_model: give one of them")
    if endpoint.url:
        check_endpoint(endpoint, "judge")


def conditions(
    endpoint: EndpointConfig, model: str | None, traces: int, of: Sequence[Condition], seconds: float
) -> list[Condition]:
    """A condition per condition of ``of``, in which the judge reads so many of its traces."""
    judged_by = {"judge": endpoint.model or "", "api": endpoint.api, "traces": traces}
    read = {"model": inputs.contents(model), "question": [DESCRIPTIONS, EXAMPLES]}
    return [
        Condition(
            f"{each.name}{JUDGED}",
            {"stage": "judge", "of": dict(each.settings), **judged_by},
            each.seeds,
            seconds,
            "judge",
            resumable=True,
            inputs={**read, "of": each.inputs},
        )
        for each in of
    ]


def build(endpoint: EndpointConfig, model: str | None, folder: Path) -> Teacher:
    """The judge at a server, or the model at a path; its answers are kept in ``folder``."""
    return _asked_model.build(endpoint, model, "judge", folder, MAX_TOKENS)


def counts_of(judge: Teacher, traces: Sequence[str]) -> dict[str, list[int | None]]:
    """Behaviour -> the judge's number per trace; None for an answer without one."""
    questions = [question(habit, trace) for habit in HABITS for trace in traces]
    answers = iter(judge.complete(questions, 0))
    return {habit: [read_count(next(answers)) for _ in traces] for habit in HABITS}


def measure(judge: Teacher, traces: Sequence[str]) -> list[tuple[float, str, str]]:
    """(value, item, measure): the parser's and the judge's numbers per trace, and how many answers had none."""
    counts, measured = counts_of(judge, traces), []
    for index, trace in enumerate(traces):
        exact = count(trace)
        for habit in HABITS:
            said = counts[habit][index]
            for who, value in ((PARSER, exact[habit]), (JUDGE, float("nan") if said is None else float(said))):
                measured.append((float(value), f"p{index}", ITEM.format(habit=habit, who=who)))
    unusable = sum(said is None for of_habit in counts.values() for said in of_habit)
    return [*measured, (float(unusable), "", UNUSABLE)]


def write_traces(file: Path, traces: Sequence[str]) -> None:
    """Keep the traces that a judge may read later."""
    files.write_text(file, "".join(f"{trace}\n" for trace in traces))


def read_traces(file: Path) -> list[str]:
    """The traces of `write_traces`; ValueError if the models were measured before traces were kept."""
    if not file.is_file():
        raise ValueError(f"judge: {file} is missing: give the study another name=, so that its models are run again")
    return files.read_text(file).splitlines()


def agreement(measurements: Measurements) -> Table:
    """How far the judge agrees with the parser, per behaviour, over all traces that it has read.

    ``equal``: share of traces with the same number, and its interval over traces. ``kappa``: Cohen's kappa of whether
    the behaviour is there, and of the numbers with quadratic weights; empty where one of the two never varies.
    """
    names = [name for name in measurements.conditions if name.endswith(JUDGED)]
    rows = []
    for habit in HABITS:
        pairs = _pairs(measurements, names, habit)
        if not len(pairs):
            continue
        usable = pairs[~np.isnan(pairs).any(axis=1)]
        row = [habit, len(pairs), 100 * (1 - len(usable) / len(pairs))]
        if len(usable) < 3:
            rows.append([*row, *[None] * 8])
            continue
        parser, judge = usable.T
        equal = bootstrap_mean(100.0 * (parser == judge))
        varies = len(set(parser)) > 1 and len(set(judge)) > 1
        rho = spearman(parser, judge) if varies else None
        rows.append(
            [
                *row,
                float(parser.mean()),
                float(judge.mean()),
                *(equal.estimate, equal.low, equal.high),
                _kappa(parser > 0, judge > 0),
                _kappa(parser, judge, "quadratic"),
                None if rho is None else f"{rho.estimate:.2f} ({rho.low:.2f} to {rho.high:.2f})",
            ]
        )
    of_counts = ("behaviour", "traces", "no number (%)", "parser", "judge", "equal (%)", "low", "high")
    titles = (*of_counts, "kappa, present", "kappa, number", "Spearman")
    formats = ("", "", ".1f", ".2f", ".2f", ".1f", ".1f", ".1f", ".2f", ".2f")
    return Table.of(titles, rows, formats=formats, caption="a language model's counts beside the parser's")


def _pairs(measurements: Measurements, names: Sequence[str], habit: str) -> NDArray[np.float64]:
    """(traces, 2) the parser's and the judge's number."""
    columns = []
    for who in (PARSER, JUDGE):
        measure = ITEM.format(habit=habit, who=who)
        columns.append(np.concatenate([measurements.matrix(name, measure).ravel() for name in names] or [np.empty(0)]))
    pairs = np.stack(columns, axis=1)
    return pairs[~np.isnan(pairs[:, 0])]


def _kappa(first: NDArray[np.float64], second: NDArray[np.float64], weights: str | None = None) -> float | None:
    """Cohen's kappa by scikit-learn; None if one of the two has the same value everywhere."""
    if len(set(first.tolist())) < 2 or len(set(second.tolist())) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers that only one of the two has
        return float(library("sklearn.metrics").cohen_kappa_score(first, second, weights=weights))
