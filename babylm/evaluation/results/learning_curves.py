"""Learning curves over words, by task and by UID, and the order in which the UIDs are acquired.

A UID (a paradigm, a phenomenon) is *acquired* at the number of words from which on its accuracy stays above half of the
way from chance to its final value; between two revisions it is interpolated on log words. It is not acquired if its
final accuracy is not above chance (one-sided, 5 %).

A sigmoid on log words would give a smooth number, but it has three or four parameters, a run has ten to thirty
revisions, and many paradigms rise, fall and rise again: fits of those fail or put the middle outside of what was
measured. A crossing needs no model of the curve and is always between two revisions that one can look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from babylm import files
from babylm.evaluation.results import store, tables
from babylm.evaluation.results.store import StoredResult
from babylm.evaluation.results.task_result import nan_to_none

ABOVE_CHANCE = 1.645
"""Standard errors."""
PREFIX = "curves."
RULE = "first above (chance + final) / 2 for good, interpolated on log words; none if the end is not above chance"


@dataclass(frozen=True)
class Acquisition:
    """When a UID is acquired."""

    words: float | None
    """Words read; None if it is not acquired."""
    threshold: float
    final: float
    before_first: bool = False
    """Whether the first revision is above the threshold already: ``words`` is then its number, an upper bound."""


@dataclass(frozen=True)
class Curve:
    """A task over the revisions of a run."""

    task: str
    suite: str
    rules: int
    backend: str
    chance: float
    revisions: list[str]
    words: np.ndarray
    """(revisions,) float64, ascending."""
    official: np.ndarray
    """(revisions,) float64; NaN if a revision has no score."""
    tie_aware: np.ndarray
    intervals: np.ndarray
    """(revisions, 2) float64."""
    by_uid: dict[str, np.ndarray]
    """Tie-aware score of each UID or other part, (revisions,); NaN if a revision has none."""
    items: dict[str, int]
    """How many items each UID has."""
    acquired: dict[str, Acquisition] = field(default_factory=dict)
    """By UID, earliest first, then those not acquired; empty for tasks without a level of guessing."""


def curves(results: Path, damaged: Callable[[str], None] | None = None) -> list[Curve]:
    """A curve per (task, suite, rules, backend) that is stored for the revisions below ``results``.

    Revisions of the same weights count once, and only with the same items as the last revision. ``damaged``: as in
    `store.read`.
    """
    groups: dict[tuple[Any, ...], list[tuple[str, StoredResult]]] = {}
    for name, results_of_revision in store.revisions(results, damaged):
        for result in results_of_revision:
            if result.content.get("words") is not None:
                groups.setdefault((*result.key, result.backend), []).append((name, result))
    return [_curve(group) for group in groups.values()]


def _curve(stored: Sequence[tuple[str, StoredResult]]) -> Curve:
    last = stored[-1][1].content
    by_weights: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, result in stored:
        if result.content["items_sha256"] == last["items_sha256"] and result.content["version"] == last["version"]:
            by_weights.setdefault(result.content["weights_sha256"], (name, result.content))
    rows = sorted(by_weights.values(), key=lambda row: row[1]["words"])
    contents = [content for _, content in rows]
    words = np.array([content["words"] for content in contents], dtype=float)
    scores = [tables.scores_by_part(content) for content in contents]
    items = {uid: score["n"] for uid, score in tables.scores_by_part(last).items()}
    by_uid = {uid: np.array([part.get(uid, {}).get("tie_aware") for part in scores], dtype=float) for uid in items}
    return Curve(
        task=last["task"],
        suite=last["suite"],
        rules=last["rules"],
        backend=stored[-1][1].backend,
        chance=last["chance"],
        revisions=[name for name, _ in rows],
        words=words,
        official=np.array([content["official"] for content in contents], dtype=float),
        tie_aware=np.array([content["tie_aware"] for content in contents], dtype=float),
        intervals=np.array([content["interval"] or (None, None) for content in contents], dtype=float),
        by_uid=by_uid,
        items=items,
        acquired=acquisition_order(words, by_uid, items, last["chance"]),
    )


def acquisition_order(
    words: np.ndarray, by_uid: Mapping[str, np.ndarray], items: Mapping[str, int], chance: float
) -> dict[str, Acquisition]:
    """When each UID is acquired, earliest first, then those that are not; empty for one revision, or without chance."""
    if not chance > 0 or len(words) < 2:
        return {}
    when = {uid: acquisition(words, values, items[uid], chance) for uid, values in by_uid.items()}
    return dict(sorted(when.items(), key=lambda pair: (pair[1].words or np.inf, -pair[1].final, pair[0])))


def acquisition(words: np.ndarray, values: np.ndarray, n: int, chance: float) -> Acquisition:
    """When ``values`` (revisions,) of ``n`` items pass half-way from ``chance`` to the last one and stay above it."""
    scored = ~np.isnan(values)
    words, values = words[scored], values[scored]
    final = float(values[-1]) if len(values) else np.nan
    threshold = (chance + final) / 2
    if not final > chance + ABOVE_CHANCE * np.sqrt(chance * (1 - chance) / n):
        return Acquisition(None, threshold, final)
    below = np.flatnonzero(values < threshold)
    if not len(below):
        return Acquisition(float(words[0]), threshold, final, before_first=True)
    k = int(below[-1])
    part = (threshold - values[k]) / (values[k + 1] - values[k])
    return Acquisition(float(np.exp((1 - part) * np.log(words[k]) + part * np.log(words[k + 1]))), threshold, final)


def write(results: Path, damaged: Callable[[str], None] | None = None) -> list[Path]:
    """Write ``results/curves.<task>.<suite>.<rules>.<backend>.json`` for every task with several revisions."""
    written = []
    for curve in curves(results, damaged):
        if len(curve.words) < 2:
            continue
        name = ".".join((curve.task, curve.suite, str(curve.rules), curve.backend)).strip("/")
        file = results / f"{PREFIX}{name.replace('/', '_').replace(' ', '.')}.json"
        lists = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(curve).items()}
        lists["by_uid"] = {uid: values.tolist() for uid, values in curve.by_uid.items()}
        lists["acquired"] = {uid: vars(when) for uid, when in curve.acquired.items()}
        files.write_json(file, nan_to_none({**lists, "rule": RULE}))
        written.append(file)
    return written
