"""Learning curves over words, by task and by UID, and the order in which the UIDs are acquired.

A UID (a paradigm, a phenomenon) is *acquired* where its accuracy first passes half of the way from chance to its final
value and never falls below again; between two revisions the line on log words is taken. It is not acquired when its
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
from babylm.evaluation.results import store
from babylm.evaluation.results.store import Stored
from babylm.evaluation.results.task_result import plain

ABOVE_CHANCE = 1.645
"""Standard errors."""
PREFIX = "curves."
RULE = "first above (chance + final) / 2 for good, interpolated on log words; none where the end is not above chance"


@dataclass(frozen=True)
class Acquired:
    """When a UID is acquired."""

    words: float | None
    """Words read; none where it is not acquired."""
    threshold: float
    final: float
    before_first: bool = False
    """The first revision is above the threshold already: ``words`` are that one's, an upper bound."""


@dataclass(frozen=True)
class Curve:
    """A task over the revisions of a run."""

    task: str
    suite: str
    rules: int
    scorer: str
    chance: float
    revisions: list[str]
    words: np.ndarray
    """(revisions,) float64, ascending."""
    official: np.ndarray
    """(revisions,) float64; NaN where a revision has no score."""
    tie_aware: np.ndarray
    intervals: np.ndarray
    """(revisions, 2) float64."""
    by_uid: dict[str, np.ndarray]
    """Tie-aware score of each UID, (revisions,); NaN where a revision was not asked it."""
    items: dict[str, int]
    """How many items each UID has."""
    acquired: dict[str, Acquired] = field(default_factory=dict)
    """By UID, earliest first, then what is not acquired; empty for tasks without a level of guessing."""


def curves(results: Path, damaged: Callable[[str], None] | None = None) -> list[Curve]:
    """Every task that is stored for the revisions below ``results``, one curve per (task, suite, rules, scorer).

    Revisions of the same weights count once, and only results of the same items as the last revision's. ``damaged``: as
    in `stored.read`.
    """
    groups: dict[tuple[Any, ...], list[tuple[str, Stored]]] = {}
    for name, own in store.revisions(results, damaged):
        for one in own:
            if one.content.get("words") is not None:
                groups.setdefault((*one.key, one.scorer), []).append((name, one))
    return [_curve(group) for group in groups.values()]


def _curve(own: Sequence[tuple[str, Stored]]) -> Curve:
    last = own[-1][1].content
    kept: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, one in own:
        if one.content["items_sha256"] == last["items_sha256"] and one.content["version"] == last["version"]:
            kept.setdefault(one.content["weights_sha256"], (name, one.content))
    rows = sorted(kept.values(), key=lambda row: row[1]["words"])
    contents = [content for _, content in rows]
    words = np.array([content["words"] for content in contents], dtype=float)
    uids = list(last["by_uid"])
    by_uid = {
        uid: np.array([content["by_uid"].get(uid, {}).get("tie_aware") for content in contents], dtype=float)
        for uid in uids
    }
    items = {uid: last["by_uid"][uid]["n"] for uid in uids}
    return Curve(
        task=last["task"],
        suite=last["suite"],
        rules=last["rules"],
        scorer=own[-1][1].scorer,
        chance=last["chance"],
        revisions=[name for name, _ in rows],
        words=words,
        official=np.array([content["official"] for content in contents], dtype=float),
        tie_aware=np.array([content["tie_aware"] for content in contents], dtype=float),
        intervals=np.array([content["interval"] or (None, None) for content in contents], dtype=float),
        by_uid=by_uid,
        items=items,
        acquired=order_of(words, by_uid, items, last["chance"]),
    )


def order_of(
    words: np.ndarray, by_uid: Mapping[str, np.ndarray], items: Mapping[str, int], chance: float
) -> dict[str, Acquired]:
    """When each UID is acquired, earliest first, then what is not; empty for one revision and without a chance."""
    if not chance > 0 or len(words) < 2:
        return {}
    when = {uid: acquired(words, values, items[uid], chance) for uid, values in by_uid.items()}
    return dict(sorted(when.items(), key=lambda pair: (pair[1].words or np.inf, -pair[1].final, pair[0])))


def acquired(words: np.ndarray, values: np.ndarray, n: int, chance: float) -> Acquired:
    """When ``values`` (revisions,) of ``n`` items pass half-way from ``chance`` to the last one for good."""
    known = ~np.isnan(values)
    words, values = words[known], values[known]
    final = float(values[-1]) if len(values) else np.nan
    threshold = (chance + final) / 2
    if not final > chance + ABOVE_CHANCE * np.sqrt(chance * (1 - chance) / n):
        return Acquired(None, threshold, final)
    below = np.flatnonzero(values < threshold)
    if not len(below):
        return Acquired(float(words[0]), threshold, final, before_first=True)
    k = int(below[-1])
    part = (threshold - values[k]) / (values[k + 1] - values[k])
    return Acquired(float(np.exp((1 - part) * np.log(words[k]) + part * np.log(words[k + 1]))), threshold, final)


def write(results: Path, damaged: Callable[[str], None] | None = None) -> list[Path]:
    """Write ``results/curves.<task>.<suite>.<rules>.<scorer>.json`` of every task of several revisions."""
    written = []
    for curve in curves(results, damaged):
        if len(curve.words) < 2:
            continue
        name = ".".join((curve.task, curve.suite, str(curve.rules), curve.scorer)).strip("/")
        file = results / f"{PREFIX}{name.replace('/', '_').replace(' ', '.')}.json"
        lists = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(curve).items()}
        lists["by_uid"] = {uid: values.tolist() for uid, values in curve.by_uid.items()}
        lists["acquired"] = {uid: vars(when) for uid, when in curve.acquired.items()}
        files.write_json(file, plain({**lists, "rule": RULE}))
        written.append(file)
    return written
