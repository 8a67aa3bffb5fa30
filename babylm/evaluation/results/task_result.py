"""Items with candidates, and the score of a model's choices among them.

Every score has two values. The *official* one is the pipeline's. By the rules of 2025 the first of the best candidates
is chosen, and in a minimal pair the first is the right one, so a tie counts as right; by those of 2026 one of the best
is drawn (here from a fixed seed, so that it is always the same). The *tie-aware* one gives a tie its share: 1/2 in a
pair. A candidate whose score is NaN is never chosen. Scores are shares (0 to 1); a task's score is the mean over its
UIDs, or over the means of its splits if it has splits.
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
    """Name of each candidate in the official predictions; empty: its completion."""
    split: str = ""
    """UIDs are averaged within their split, then the splits."""
    human: float | None = None
    """Share of people who prefer the first candidate, if the score is a correlation with it; else None."""


@dataclass(frozen=True)
class Score:
    """Score of the items of a UID or another part of a task."""

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
    """By the rules of the year; NaN if the score needs all revisions (age of acquisition)."""
    tie_aware: float
    ties: int
    interval: tuple[float, float] | None
    """95 % bootstrap interval of ``tie_aware``: items resampled within each UID."""
    by_uid: dict[str, Score] = field(default_factory=dict)
    """Scores by UID (a paradigm, a phenomenon); empty if the items have none."""
    by_part: dict[str, Score] = field(default_factory=dict)
    """Scores by another part: a measure of reading, a metric of a classifier."""
    by_split: dict[str, float] = field(default_factory=dict)
    """Official score of each split, if there are any."""
    chosen: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64), repr=False)
    """(items,) int64: the candidate the official rule chooses."""
    margins: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    """(items,) float64, nats: score of the right candidate minus that of the best other one."""
    credit: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    """(items,) float64: 1 for a right item, the share of a tie, 0 for a wrong item."""
    predictions: dict[str, Any] = field(default_factory=dict, repr=False)
    """The answers in the official format, as in the pipeline's ``predictions.json``."""
    details: dict[str, Any] = field(default_factory=dict)
    """Further numbers of the task."""

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON, without the single items; NaN becomes None."""
        scores = {
            key: {name: vars(score) for name, score in getattr(self, key).items()} for key in ("by_uid", "by_part")
        }
        numbers = {key: getattr(self, key) for key in ("n", "official", "tie_aware", "ties", "by_split", "details")}
        interval = None if self.interval is None else list(self.interval)
        return nan_to_none({**numbers, "interval": interval, **scores})


def score_choices(items: Sequence[Item], scores: np.ndarray, seed: int = 0, rules: int = 2025) -> Result:
    """The result of ``scores``, one per candidate, items in order; every item has at least two candidates.

    Two items with 2 and 3 candidates and the scores -1, -2, -3, -4, -5 are the table (items, most candidates)

        -1 -2 -inf
        -3 -4 -5

    in which a missing candidate, and one with the score NaN, is -inf and never wins.

    >>> items = [Item("u", ("a b", "a c"), ("b", "c")), Item("u", ("d e", "d f"), ("e", "f"))]
    >>> result = score_choices(items, np.array([-1.0, -2.0, -3.0, -3.0]))
    >>> result.official, result.tie_aware, result.ties
    (1.0, 0.75, 1)
    >>> score_choices(items[:1], np.array([-1.0, -2.0])).interval is None  # one item says nothing of others
    True
    """
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
        uid: Score(len(group), float(official[group].mean()), float(tie_aware[group].mean()), int(tied[group].sum()))
        for (_, uid), group in sorted(groups.items())
    }
    by_split = _mean_by_split(groups, official)
    resampled_groups, weights = strata(groups)
    return Result(
        n=len(items),
        official=float(np.mean(list(by_split.values()))),
        tie_aware=float(np.mean(list(_mean_by_split(groups, tie_aware).values()))),
        ties=int(tied.sum()),
        interval=_interval([tie_aware[group] for group in resampled_groups], weights, seed) if len(items) > 1 else None,
        by_uid=by_uid,
        by_split={} if list(by_split) == [""] else by_split,
        chosen=chosen,
        margins=margins,
        credit=tie_aware,
        predictions=predictions(items, chosen),
    )


def nan_to_none(value: Any) -> Any:
    """``value`` with every NaN as None, at any depth: JSON knows no NaN.

    >>> nan_to_none({"scores": (0.5, float("nan"))})
    {'scores': [0.5, None]}
    """
    if isinstance(value, dict):
        return {key: nan_to_none(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_to_none(entry) for entry in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def predictions(items: Sequence[Item], chosen: np.ndarray) -> dict[str, Any]:
    """The chosen answers as the official pipeline writes them: by UID, numbered within it in order."""
    by_uid: dict[str, Any] = {}
    for item, choice in zip(items, chosen, strict=True):
        lines = by_uid.setdefault(item.uid, {"predictions": []})["predictions"]
        lines.append({"id": f"{item.uid}_{len(lines)}", "pred": (item.answers or item.completions)[choice]})
    return by_uid


def resampled(
    statistic: Callable[[np.ndarray], float], n: int, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Bootstrap interval of ``statistic``, a function of indices into ``n`` items; its NaN values are left out."""
    generator = np.random.default_rng(seed)
    values = np.array([statistic(generator.integers(0, n, n)) for _ in range(resamples)])
    return _middle(values[~np.isnan(values)])


def fingerprint(items: Sequence[Any]) -> str:
    """Hash of the content of items, which are dataclasses."""
    return files.sha256_json([astuple(item) for item in items])


def _mean_by_split(groups: dict[tuple[str, str], list[int]], values: np.ndarray) -> dict[str, float]:
    means: dict[str, list[float]] = {}
    for (split, _), group in sorted(groups.items()):
        means.setdefault(split, []).append(float(values[group].mean()))
    return {split: float(np.mean(of_split)) for split, of_split in means.items()}


def strata(groups: dict[tuple[str, str], list[int]]) -> tuple[list[list[int]], np.ndarray]:
    """Groups of items that are resampled together, and the weight of each group's mean in the task's score.

    A group is a UID; a split whose UIDs are single items is one group. ``groups``: indices of the items of each
    (split, UID).

    >>> strata({("", "a"): [0, 1], ("", "b"): [2, 3]})
    ([[0, 1], [2, 3]], array([0.5, 0.5]))
    """
    splits: dict[str, list[list[int]]] = {}
    for (split, _), group in groups.items():
        splits.setdefault(split, []).append(group)
    resampled_groups, weights = [], []
    for uids in splits.values():
        parts = [[i for group in uids for i in group]] if all(len(group) == 1 for group in uids) else uids
        resampled_groups += parts
        weights += [1 / len(parts) / len(splits)] * len(parts)
    return resampled_groups, np.array(weights)


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


def evenly_spaced(items: Sequence[T], limit: int | None) -> list[T]:
    """All items, or ``limit`` of them at even distances.

    >>> evenly_spaced(range(9), 3)
    [0, 4, 8]
    """
    if limit is None or len(items) <= limit:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, limit).round().astype(int)]
