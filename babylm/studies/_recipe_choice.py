"""Which recipe is best so far: the state of the search, computed from what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from babylm.studies._recipe_scales import BOTH, Question, Scale
from babylm.studies.experiment import Measurements

CLOSE = 0.01
"""Nats. Runs whose losses are closer are told apart by the fast suite. At full size it is two to three standard
deviations of seeds; in the miniature of ``scale=cpu`` two seeds are 0.03 to 0.12 apart, which `noise` says."""
RULE = (
    "Of each question the run with the smallest mean held-out loss over the question's modes is chosen; of runs within "
    f"{CLOSE:g} nats of it, the one with the best mean of the fast suite, the first of equal ones. What is chosen may "
    "have the lower score."
)
BACKENDS = ("causal", "mntp")
LOSS, SPEED = "loss", "tokens per second"


@dataclass(frozen=True)
class Trial:
    """A run of the comparison and what was measured of it."""

    changes: tuple[str, ...]
    """Over the recipe."""
    loss: dict[str, float] = field(default_factory=dict)
    """Mode -> held-out loss in nats; empty if the run failed."""
    fast: dict[str, dict[str, float]] = field(default_factory=dict)
    """Backend -> task -> official score."""
    tokens_per_second: float = math.nan

    @property
    def fast_mean(self) -> float:
        """Mean over both backends and all tasks; NaN if nothing was scored."""
        return mean(score for scores in self.fast.values() for score in scores.values())


@dataclass(frozen=True)
class Row:
    """A trial with the question it belongs to."""

    question: str
    trial: Trial
    is_chosen: bool
    compared: float = math.nan
    """Mean loss over the question's modes, by which runs are compared; NaN without one."""


@dataclass(frozen=True)
class Search:
    """How far the search is."""

    rows: list[Row]
    """Trials of the questions that are answered."""
    best: tuple[str, ...]
    """The winner's changes, so far."""
    open_trials: list[tuple[str, ...]]
    """Changes of the runs that the next question needs; empty if all are answered."""
    open_question: str = ""
    backend: str = ""
    """How the winner's models will be scored: declared before they are trained. Empty until all are answered."""


def condition_name(changes: Sequence[str]) -> str:
    """The condition of a compared run.

    >>> condition_name(()), condition_name(["optimizer.lr=0.01"])
    ('compare: recipe', 'compare: optimizer.lr=0.01')
    """
    return f"compare: {' '.join(changes) or 'recipe'}"


def search(measurements: Measurements, scale: Scale, seeds: Sequence[int]) -> Search:
    """Answer one question after the other, as far as its runs were tried.

    Raises:
        ValueError: No run of a question came to its end.
    """
    best: tuple[str, ...] = ()
    rows: list[Row] = []
    backend = ""
    for question in scale.questions:
        candidates = changes_of(question, best)
        if not all(measurements.has_run(condition_name(changes), seeds[0]) for changes in candidates):
            return Search(rows, best, candidates, question.title)
        trials = [read_trial(measurements, changes, seeds[0]) for changes in candidates]
        winner = choose(trials, question.modes)
        best = winner.changes
        rows += [
            Row(question.title, trial, trial is winner, mean(trial.loss.get(mode, math.nan) for mode in question.modes))
            for trial in trials
        ]
        backend = max(winner.fast, key=lambda name, fast=winner.fast: mean(fast[name].values()))  # type: ignore[misc]
    return Search(rows, best, [], "", backend)


def changes_of(question: Question, best: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The runs of a question: the best so far, which has the recipe's value, and one per other value.

    >>> changes_of(Question("rate", "optimizer.lr", ("0.02", "0.01")), ("seed=2",))
    [('seed=2',), ('seed=2', 'optimizer.lr=0.01')]
    """
    return [best, *((*best, f"{question.key}={value}") for value in question.values[1:])]


def read_trial(measurements: Measurements, changes: tuple[str, ...], seed: int) -> Trial:
    """What was measured of a compared run."""
    name = condition_name(changes)
    rows = measurements.select(name, seed=seed)
    return Trial(
        changes,
        rows.by_item(name, LOSS),
        {backend: rows.by_item(name, f"fast {backend}") for backend in BACKENDS},
        rows.by_item(name, SPEED).get("", math.nan),
    )


def noise(measurements: Measurements, seeds: Sequence[int]) -> str:
    """A sentence on how far the seeds of the recipe are apart in both losses; empty for one seed."""
    trials = [read_trial(measurements, (), seed) for seed in seeds]
    losses = [trial.loss for trial in trials if trial.loss]
    if len(losses) < 2:
        return ""
    apart = {mode: max(loss[mode] for loss in losses) - min(loss[mode] for loss in losses) for mode in losses[0]}
    shown = ", ".join(f"{apart[mode]:.3f} ({mode})" for mode in BOTH if mode in apart)
    return f"{len(losses)} seeds of the recipe are up to {shown} nats apart: differences within that are not told."


def choose(trials: Sequence[Trial], modes: Sequence[str]) -> Trial:
    """The trial with the smallest mean loss over ``modes``; of those within `CLOSE` of it, the best on the fast suite.

    Without ``modes`` the fast suite alone decides.

    >>> near = Trial(("a",), {"causal": 3.0}, {"causal": {"blimp": 0.6}})
    >>> better_suite = Trial(("b",), {"causal": 3.005}, {"causal": {"blimp": 0.7}})
    >>> choose([near, better_suite], ["causal"]).changes
    ('b',)

    Raises:
        ValueError: None of them has a loss.
    """
    finished = [trial for trial in trials if trial.loss and all(mode in trial.loss for mode in modes)]
    if not finished:
        raise ValueError(f"no run of {[list(trial.changes) for trial in trials]} came to its end")
    losses = [mean(trial.loss[mode] for mode in modes) if modes else 0.0 for trial in finished]
    close = [trial for trial, loss in zip(finished, losses, strict=True) if loss <= min(losses) + CLOSE]
    return max(close, key=lambda trial: trial.fast_mean)


def mean(values: Iterable[float]) -> float:
    """The mean; NaN of nothing."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else math.nan
