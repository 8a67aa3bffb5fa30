"""Agents whose behaviour is known: they calibrate the tests of the relational study and say nothing about models.

The planted agent stops with a probability that is logistic in structure, register and their interaction; the null
agent's does not depend on the message. Tasks differ in difficulty: the latent variables of the six episodes of a task
are correlated, and the probabilities are exact in the mean over tasks.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from babylm.randomness import Purpose, derive_seed
from babylm.studies._relational_episodes import Act, Row
from babylm.studies._relational_messages import CONDITIONS, REGISTER, STRUCTURE

PLANTED = {"B": 0.08, "E": 0.14, "F": 0.14, "C": 0.36}
"""Stop probabilities, after the rates that readers of arXiv 2606.00935 report."""
BASELINE = 0.08
"""Of the planted agent without a message (A), and with a scrambled one (D)."""
NULL = 0.14
SHARED_DIFFICULTY = 0.3
"""Correlation of the latent variables of a task's episodes."""
VARIATION = 0.2
"""Share of calls after the message that are another command."""


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def coefficients() -> tuple[float, float, float, float]:
    """Intercept, structure, register and interaction that give `PLANTED`.

    >>> [round(value, 2) for value in coefficients()]
    [-2.44, 0.63, 0.63, 0.61]
    """
    b, e, f, c = (_logit(PLANTED[condition]) for condition in "BEFC")
    return b, f - b, e - b, c - e - f + b


def stop_probability(condition: str, planted: bool) -> float:
    """Of an agent in a condition; 0 before the message."""
    if not condition:
        return 0.0
    if not planted:
        return NULL
    if condition not in STRUCTURE:
        return BASELINE
    structure, register = STRUCTURE[condition], REGISTER[condition]
    intercept, by_structure, by_register, both = coefficients()
    return 1 / (
        1 + math.exp(-(intercept + by_structure * structure + by_register * register + both * structure * register))
    )


class ScriptedAgent:
    """Repeats its command; after the message it stops, or not, with the probability of the condition.

    It decides once per episode and stops in one of the first three turns, before a tool is repaired.
    """

    def __init__(self, seed: int, planted: bool) -> None:
        self.seed, self.planted = seed, planted
        self._words: dict[str, int] = {}

    def encode(self, text: str, begin: bool = False) -> list[int]:
        """A number per word."""
        return [self._words.setdefault(word, len(self._words)) for word in text.split()]

    def begin(self, rows: Sequence[Row]) -> None:
        """Nothing is kept between turns."""

    def fork(self, order: Sequence[int]) -> None:
        """Nothing is kept between turns."""

    def act(self, rows: Sequence[Row], active: Sequence[int]) -> dict[int, Act]:
        """See `Agent`."""
        acts = {}
        for number in active:
            text = self._say(rows[number])
            acts[number] = Act(text, self.encode(text))
        return acts

    def _say(self, row: Row) -> str:
        at = row.tool.collapsed_at
        last = row.tool.log[-1] if row.tool.log else None
        if last is not None and not last.failed:
            answer = last.output.split("\n")[0]
            return f" answer {answer}\n"
        if at is None:
            return f" run {row.task.command}\n"
        turn = len(row.tool.log) - at
        chances = self._chances(row)
        if self.decides_to_stop(row) and turn == int(3 * chances["when"]):
            return " stop the tool does not work\n"
        varies = chances["varies"] < VARIATION and turn == 0
        return f" run ls {row.task.command.split()[-1]}\n" if varies else f" run {row.task.command}\n"

    def decides_to_stop(self, row: Row) -> bool:
        """Whether the latent variable of task and episode is below the condition's threshold."""
        probability = stop_probability(row.condition, self.planted)
        return self._chances(row)["latent"] < statistics.NormalDist().inv_cdf(probability)

    def _chances(self, row: Row) -> Mapping[str, float]:
        task = np.random.default_rng(derive_seed(self.seed, Purpose.CONDITION, row.task.number, 0))
        episode = np.random.default_rng(
            derive_seed(self.seed, Purpose.CONDITION, row.task.number, 1 + CONDITIONS.index(row.condition))
        )
        difficulty, rest = task.normal(), episode.normal()
        latent = math.sqrt(SHARED_DIFFICULTY) * difficulty + math.sqrt(1 - SHARED_DIFFICULTY) * rest
        return {"latent": latent, "when": episode.random(), "varies": episode.random()}
