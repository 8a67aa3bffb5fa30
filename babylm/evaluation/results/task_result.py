"""Items with candidates, and what a scorer's choices among them are worth.

Two numbers stand side by side. The *official* one is the pipeline's. By the rules of 2025 the first of the best
candidates is chosen, and in a minimal pair the first is the right one, so a tie counts as right; by those of 2026 one
of the best is drawn (here from a fixed seed, so that it is always the same). The *tie-aware* one gives a tie its share:
1/2 of a pair. A candidate whose score is NaN is never chosen. Scores are shares (0 to 1); a task's score is the mean
over its UIDs, or over the means of its splits where it has any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, TypeVar

import numpy as np

from babylm import files

T = TypeVar("T")
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Item:
    """One question: which of the sentences is right (``label``), by the score of its completion."""

    uid: str
    sentences: tuple[str, ...]
    completions: tuple[str, ...]
    label: int = 0
    answers: tuple[str, ...] = ()
    """What the official predictions call each candidate; none: its completion."""
    split: str = ""
    """UIDs are averaged inside splits, then the splits."""
    human: float | None = None
    """What people answered, where the score is a correlation with it."""


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
    """A task's score, its parts, and the answers behind it."""

    n: int
    official: float
    """By the rules of the year; NaN where one revision alone has no score (age of acquisition)."""
    tie_aware: float
    ties: int
    interval: tuple[float, float] | None
    """95 % bootstrap interval of ``tie_aware``: items resampled inside each UID."""
    by_uid: dict[str, Tally]
    by_split: dict[str, float] = field(default_factory=dict)
    """Official score of each split, where there are any."""
    chosen: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64), repr=False)
    """(items,) int64: the candidate the official rule chooses."""
    margins: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    """(items,) float64: score of the right candidate above the best other one, in nats."""
    credit: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    """(items,) float64: 1 for a right item, a tie its share, 0 for a wrong one."""
    predictions: dict[str, Any] = field(default_factory=dict, repr=False)
    """The answers in the official format: what the pipeline writes as ``predictions.json`` of this task."""
    details: dict[str, Any] = field(default_factory=dict)
    """Further numbers of the task."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the single items; NaN is none."""
        tallies = {uid: vars(tally) for uid, tally in self.by_uid.items()}
        numbers = {key: getattr(self, key) for key in ("n", "official", "tie_aware", "ties", "by_split", "details")}
        interval = None if self.interval is None else list(self.interval)
        return plain({**numbers, "interval": interval, "by_uid": tallies})


def choose(items: Sequence[Item], scores: np.ndarray, seed: int = 0, rules: int = 2025) -> Result:
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
    shares_best = (table == best[:, None]) & answered[:, None]
    if rules == 2025:
        chosen = table.argmax(axis=1)
    else:
        chosen = (shares_best * np.random.default_rng(seed).random(table.shape)).argmax(axis=1)
    official = ((chosen == label) & answered).astype(float)
    shared = shares_best.sum(axis=1)
    tie_aware = np.where(answered & (right == best), 1.0 / np.maximum(shared, 1), 0.0)
    tied = answered & (right == best) & (shared > 1)
    others = table.copy()
    others[np.arange(len(items)), label] = -np.inf
    with np.errstate(invalid="ignore"):
        margins = right - others.max(axis=1)

    groups: dict[tuple[str, str], list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault((item.split, item.uid), []).append(index)
    by_uid = {
        uid: Tally(len(own), float(official[own].mean()), float(tie_aware[own].mean()), int(tied[own].sum()))
        for (_, uid), own in sorted(groups.items())
    }
    by_split = _mean_by_split(groups, official)
    parts, weights = strata(groups)
    return Result(
        n=len(items),
        official=float(np.mean(list(by_split.values()))),
        tie_aware=float(np.mean(list(_mean_by_split(groups, tie_aware).values()))),
        ties=int(tied.sum()),
        interval=_interval([tie_aware[own] for own in parts], weights, seed),
        by_uid=by_uid,
        by_split={} if list(by_split) == [""] else by_split,
        chosen=chosen,
        margins=margins,
        credit=tie_aware,
        predictions=predictions(items, chosen),
    )


def plain(value: Any) -> Any:
    """``value`` with every NaN as ``None``: JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: plain(own) for key, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(own) for own in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def predictions(items: Sequence[Item], chosen: np.ndarray) -> dict[str, Any]:
    """The chosen answers as the official pipeline writes them: by UID, numbered inside it in order."""
    found: dict[str, Any] = {}
    for item, pick in zip(items, chosen, strict=True):
        own = found.setdefault(item.uid, {"predictions": []})["predictions"]
        own.append({"id": f"{item.uid}_{len(own)}", "pred": (item.answers or item.completions)[pick]})
    return found


def resampled(
    statistic: Callable[[np.ndarray], float], n: int, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Bootstrap interval of ``statistic``, a function of indices into ``n`` items; its NaN values are left out."""
    generator = np.random.default_rng(seed)
    values = np.array([statistic(generator.integers(0, n, n)) for _ in range(resamples)])
    return _middle(values[~np.isnan(values)])


def fingerprint(items: Sequence[Any]) -> str:
    """Hash of everything the items (dataclasses) ask."""
    return files.sha256_json([astuple(item) for item in items])


def _mean_by_split(groups: dict[tuple[str, str], list[int]], values: np.ndarray) -> dict[str, float]:
    means: dict[str, list[float]] = {}
    for (split, _), own in sorted(groups.items()):
        means.setdefault(split, []).append(float(values[own].mean()))
    return {split: float(np.mean(own)) for split, own in means.items()}


def strata(groups: dict[tuple[str, str], list[int]]) -> tuple[list[list[int]], np.ndarray]:
    """What is resampled, and the weight of each mean: the UIDs; a split whose UIDs are single items is one stratum.

    ``groups`` holds the indices of the items of each (split, UID).
    """
    splits: dict[str, list[list[int]]] = {}
    for (split, _), own in groups.items():
        splits.setdefault(split, []).append(own)
    found, weights = [], []
    for uids in splits.values():
        parts = [[i for own in uids for i in own]] if all(len(own) == 1 for own in uids) else uids
        found += parts
        weights += [1 / len(parts) / len(splits)] * len(parts)
    return found, np.array(weights)


def _interval(groups: Sequence[np.ndarray], weights: np.ndarray, seed: int) -> tuple[float, float]:
    """Bootstrap interval of the weighted sum of the strata's means."""
    generator = np.random.default_rng(seed)
    means = np.zeros(RESAMPLES)
    for values, weight in zip(groups, weights, strict=True):
        levels, counts = np.unique(values, return_counts=True)
        draws = generator.multinomial(len(values), counts / len(values), size=RESAMPLES)
        means += weight * (draws @ levels) / len(values)
    return _middle(means)


def _middle(values: np.ndarray) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
    return float(low), float(high)


def evenly(items: Sequence[T], limit: int | None) -> list[T]:
    """All items, or ``limit`` of them at even distances."""
    if limit is None or len(items) <= limit:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, limit).round().astype(int)]
