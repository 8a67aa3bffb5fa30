"""Items with candidates, and what a scorer's choices among them are worth.

Two numbers stand side by side. The *official* one is the pipeline's of 2025: the first of the best candidates is
chosen, and in a minimal pair the first is the right one, so a tie counts as right. The *tie-aware* one gives a tie its
share: 1/2 of a pair. A candidate whose score is NaN is never chosen. Scores are shares (0 to 1); a task's score is the
mean over its UIDs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from babylm import run

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Item:
    """One question: which of the sentences is right (``label``), by the score of its completion."""

    uid: str
    sentences: tuple[str, ...]
    completions: tuple[str, ...]
    label: int = 0


@dataclass(frozen=True)
class Tally:
    """Scores of some items."""

    n: int
    official: float
    tie_aware: float
    ties: int
    """Items in which the right candidate shares the best score."""


@dataclass(frozen=True)
class Result:
    """A task's score, its parts, and the choices behind it."""

    n: int
    official: float
    """Mean over UIDs; ties count as right where the right candidate is the first."""
    tie_aware: float
    ties: int
    interval: tuple[float, float]
    """95 % bootstrap interval of ``tie_aware``: items resampled inside each UID."""
    by_uid: dict[str, Tally]
    chosen: np.ndarray = field(repr=False)
    """(items,) int64: the candidate the official rule chooses."""
    margins: np.ndarray = field(repr=False)
    """(items,) float64: score of the right candidate above the best other one, in nats."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the single items."""
        tallies = {uid: vars(tally) for uid, tally in self.by_uid.items()}
        numbers = {key: getattr(self, key) for key in ("n", "official", "tie_aware", "ties")}
        return {**numbers, "interval": list(self.interval), "by_uid": tallies}


def choose(items: Sequence[Item], scores: np.ndarray, seed: int = 0) -> Result:
    """The result of ``scores``, one a candidate, items in order; every item has at least two candidates."""
    if not items:
        raise ValueError("no items to score")
    counts = np.array([len(item.sentences) for item in items])
    table = np.full((len(items), counts.max()), -np.inf)
    table[np.arange(counts.max()) < counts[:, None]] = np.where(np.isnan(scores), -np.inf, scores)
    label = np.array([item.label for item in items])
    right = table[np.arange(len(items)), label]
    best = table.max(axis=1)
    answered = np.isfinite(best)  # else every candidate is NaN, which wins nothing
    chosen = table.argmax(axis=1)
    official = ((chosen == label) & answered).astype(float)
    shared = (table == best[:, None]).sum(axis=1)
    tie_aware = np.where(answered & (right == best), 1.0 / shared, 0.0)
    tied = answered & (right == best) & (shared > 1)
    others = table.copy()
    others[np.arange(len(items)), label] = -np.inf
    with np.errstate(invalid="ignore"):
        margins = right - others.max(axis=1)

    groups: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(item.uid, []).append(index)
    by_uid = {
        uid: Tally(len(own), float(official[own].mean()), float(tie_aware[own].mean()), int(tied[own].sum()))
        for uid, own in sorted(groups.items())
    }
    return Result(
        n=len(items),
        official=float(np.mean([tally.official for tally in by_uid.values()])),
        tie_aware=float(np.mean([tally.tie_aware for tally in by_uid.values()])),
        ties=int(tied.sum()),
        interval=_interval([tie_aware[own] for own in groups.values()], seed),
        by_uid=by_uid,
        chosen=chosen,
        margins=margins,
    )


def fingerprint(items: Sequence[Item]) -> str:
    """Hash of everything the items ask."""
    return run.sha256_json([[item.uid, item.sentences, item.completions, item.label] for item in items])


def _interval(groups: Sequence[np.ndarray], seed: int) -> tuple[float, float]:
    """Bootstrap interval of the mean of the groups' means."""
    generator = np.random.default_rng(seed)
    means = np.zeros(RESAMPLES)
    for values in groups:
        levels, counts = np.unique(values, return_counts=True)
        draws = generator.multinomial(len(values), counts / len(values), size=RESAMPLES)
        means += draws @ levels / len(values)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means / len(groups), [tail, 1 - tail])
    return float(low), float(high)
