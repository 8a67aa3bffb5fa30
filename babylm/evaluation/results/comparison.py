"""Two models on the same items: which is better, and can that be chance?

    python -m babylm.evaluate compare A B [tasks=...] [suite=fast|full] [rules=2025|2026] [scorer=...] [out=FILE.json]

A and B are runs (then their ``main``), revisions (checkpoints/RUN/chck_7M) or model folders. Only stored results are
read, and only results of the same items are compared; what is missing is named with the command that makes it.
``scorer`` picks where a model has results of several (``scorer=causal,mntp``: A's and B's).

By task: both tie-aware scores; their difference A - B with its paired bootstrap interval (items resampled inside each
UID, the same for both); the items that only one gets right; and McNemar's exact test on those (two-sided binomial). An
item counts for the model with more credit on it, so a tie is half right here too. p values are corrected over the tasks
by Holm. Tasks that correlate with people's answers have an interval alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from babylm import files, places, registry
from babylm.console import Log
from babylm.evaluation.results import store, task_result
from babylm.evaluation.results.item_results import Evidence
from babylm.evaluation.results.store import Model, Stored
from babylm.tables import text_table

KEYS = ("tasks", "suite", "rules", "scorer", "out")
RESAMPLES = 10_000
HEADER = ("task", "items", "A %", "B %", "A - B", "95 %", "only A", "only B", "p", "p Holm")
SHOWN_UIDS = 8


@dataclass(frozen=True)
class Difference:
    """A task's comparison; scores and differences are shares (correlations where people are asked)."""

    task: str
    suite: str
    rules: int
    scorers: tuple[str, str]
    n: int
    official: tuple[float | None, float | None]
    tie_aware: tuple[float | None, float | None]
    difference: float | None
    """Of the tie-aware scores, A - B."""
    interval: tuple[float, float] | None
    """95 % paired bootstrap interval of ``difference``; none where nothing is kept of single items."""
    only_a: int | None
    """Items with more credit for A."""
    only_b: int | None
    p: float | None
    """Exact McNemar; none where items are not right or wrong."""
    by_uid: dict[str, dict[str, float]]
    p_holm: float | None = None


def compare(a: Stored, b: Stored) -> Difference:
    """The comparison of two results; ``ValueError`` when they are not of the same items."""
    one, two = a.content, b.content
    for key in ("task", "suite", "rules", "version", "items_sha256"):
        if one[key] != two[key]:
            what = "other items" if key == "items_sha256" else f"another {key} ({one[key]} and {two[key]})"
            raise ValueError(f"{one['task']}: {a.file} and {b.file} are of {what}; make both with the same options")
    for side in (a, b):
        if side.content.get("items_kept", True) and side.evidence() is None:  # of an older version, or removed
            raise ValueError(f"{side.file}: nothing is kept of its items; score again, as it was made")
    official, aware = ((one[key], two[key]) for key in ("official", "tie_aware"))
    found: dict[str, Any] = {"interval": None, "only_a": None, "only_b": None, "p": None, "by_uid": {}}
    kept = a.evidence(), b.evidence()
    if kept[0] is not None and kept[1] is not None:
        found |= _paired(kept[0], kept[1])
    return Difference(
        task=one["task"],
        suite=one["suite"],
        rules=one["rules"],
        scorers=(a.scorer, b.scorer),
        n=one["n"],
        official=official,
        tie_aware=aware,
        difference=None if None in aware else aware[0] - aware[1],
        **found,
    )


def _paired(a: Evidence, b: Evidence) -> dict[str, Any]:
    asked = ~np.isnan(a.human)
    if asked.any():
        return {"interval": _correlations(a.margins[asked], b.margins[asked], a.human[asked])}
    change = a.credit - b.credit
    more, less = int((change > 0).sum()), int((change < 0).sum())
    groups, weights = a.strata()
    generator = np.random.default_rng(0)
    means = np.zeros(RESAMPLES)
    for own, weight in zip(groups, weights, strict=True):
        levels, counts = np.unique(change[own], return_counts=True)
        draws = generator.multinomial(len(own), counts / len(own), size=RESAMPLES)
        means += weight * (draws @ levels) / len(own)
    uids = np.array(a.uids)
    parts = {uid: (a.credit[uids == uid], b.credit[uids == uid]) for uid in dict.fromkeys(a.uids)}
    return {
        "interval": tuple(float(x) for x in np.quantile(means, [0.025, 0.975])),
        "only_a": more,
        "only_b": less,
        "p": mcnemar(more, less),
        "by_uid": {
            uid: {
                "n": len(one),
                "a": float(one.mean()),
                "b": float(two.mean()),
                "p": mcnemar(int((one > two).sum()), int((one < two).sum())),
            }
            for uid, (one, two) in parts.items()
        },
    }


def _correlations(a: np.ndarray, b: np.ndarray, human: np.ndarray) -> tuple[float, float]:
    """Interval of the difference of Spearman's rhos; resamples in which one side does not vary are left out."""
    picked = np.random.default_rng(0).integers(0, len(human), (RESAMPLES // 10, len(human)))
    with np.errstate(invalid="ignore", divide="ignore"):
        ranks = [_statistics().rankdata(values[picked], axis=1) for values in (a, b, human)]
        one, two, people = (x - x.mean(axis=1, keepdims=True) for x in ranks)
        spread = [np.sqrt((x**2).sum(axis=1)) for x in (one, two, people)]
        rhos = [(x * people).sum(axis=1) / (s * spread[2]) for x, s in ((one, spread[0]), (two, spread[1]))]
    low, high = np.nanquantile(rhos[0] - rhos[1], [0.025, 0.975])
    return float(low), float(high)


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p that the discordant items fall to both sides alike; 1 where there are none."""
    if not only_a + only_b:
        return 1.0
    return float(_statistics().binomtest(only_a, only_a + only_b).pvalue)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number by Holm's step-down; none stays none and is not counted."""
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    found: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, value * (len(known) - rank)))
        found[place] = largest
    return found


def pairs(a: Model, b: Model, wanted: dict[str, str]) -> list[tuple[Stored, Stored]]:
    """Results of both models of the same (task, suite, rules) and, where ``scorer`` does not say otherwise, scorer.

    ``ValueError`` names what is missing, with the commands that make it.
    """
    first, *rest = (wanted.get("scorer") or "").split(",")
    last = rest[-1] if rest else first
    tasks = [name for name in wanted.get("tasks", "").strip("[] ").replace(" ", "").split(",") if name]
    sides = _by_key(a, wanted, first), _by_key(b, wanted, last)
    lacking = [
        f"of {model.name}: {store.command(model.folder, keys, scorer or None)}"
        for model, scorer, keys in (
            (a, first, _missing(sides[0], sides[1], tasks, wanted)),
            (b, last, _missing(sides[1], sides[0], tasks, wanted)),
        )
        if keys
    ]
    keys = [key for key in sides[0] if key in sides[1] and (not tasks or key[0] in tasks)]
    if not keys and not lacking:
        shown = " and ".join(", ".join(".".join(map(str, key)) for key in side) for side in sides)
        lacking.append(f"nothing is in common: {shown} (task.suite.rules)")
    if lacking:
        raise ValueError("results are missing\n  " + "\n  ".join(lacking))
    chosen = []
    for key in keys:
        one, two = sides[0][key], sides[1][key]
        shared = [scorer for scorer in one if scorer in two]
        if not shared and len(one) + len(two) > 2:
            names = ", ".join(dict.fromkeys([*one, *two]))
            raise ValueError(f"{key[0]}: there are results by several scorers ({names}): say scorer=A's,B's")
        if shared:
            chosen += [(one[scorer], two[scorer]) for scorer in shared]
        else:
            chosen.append((next(iter(one.values())), next(iter(two.values()))))
    return chosen


Sides = dict[tuple[str, str, int], dict[str, Stored]]
"""Results by (task, suite, rules) and scorer."""


def _by_key(model: Model, wanted: dict[str, str], scorer: str) -> Sides:
    found: Sides = {}
    for one in model.stored():
        _, suite, rules = one.key
        asked = wanted.get("suite", suite) == suite and wanted.get("rules", str(rules)) == str(rules)
        if asked and scorer in ("", one.scorer):
            found.setdefault(one.key, {})[one.scorer] = one
    return found


def _missing(own: Sides, other: Sides, tasks: Sequence[str], wanted: dict[str, str]) -> list[tuple[str, str, int]]:
    """What one model must have; where nothing is asked for and it has nothing, what the other has."""
    suite, rules = wanted.get("suite", "fast"), int(wanted.get("rules", 2026))
    if tasks:
        return [(name, suite, rules) for name in tasks if all(key[0] != name for key in own)]
    if own:
        return []
    return [key for key in other if key[1:] == next(iter(other))[1:]] or [("blimp", suite, rules)]


def main(a: str, b: str, given: dict[str, str], log: Log) -> int:
    """Compare, print, and write to ``out`` where it is given; returns the exit code."""
    for key, known in (("suite", ("fast", "full")), ("rules", ("2025", "2026"))):
        if key in given:
            registry.check(given[key], known, key)
    models = store.model(a), store.model(b)
    found = [compare(one, two) for one, two in pairs(*models, given)]
    found = [Difference(**{**vars(own), "p_holm": p}) for own, p in zip(found, holm([d.p for d in found]), strict=True)]
    log(f"A = {models[0].name}, B = {models[1].name}")
    log(text_table(HEADER, [row(own) for own in found]))
    log("scores tie-aware; p: McNemar's exact test on the items that only one gets right; Holm over the tasks above")
    for own in found:
        if own.by_uid:
            log(_largest(own))
    if "out" in given:
        content = {"a": models[0].name, "b": models[1].name, "tasks": [asdict(own) for own in found]}
        files.write_json(places.given(given["out"]), task_result.plain(content))
        log(f"written to {given['out']}")
    return 0


def row(own: Difference) -> tuple[object, ...]:
    """A line under `HEADER`."""
    name = f"{own.task} {own.suite} {own.rules}" + (
        "" if own.scorers[0] == own.scorers[1] else f" ({own.scorers[0]}, {own.scorers[1]})"
    )
    shares = ["-" if value is None else f"{100 * value:.2f}" for value in own.tie_aware]
    change = "-" if own.difference is None else f"{100 * own.difference:+.2f}"
    interval = "-" if own.interval is None else " to ".join(f"{100 * value:+.2f}" for value in own.interval)
    counts = ["-" if value is None else value for value in (own.only_a, own.only_b)]
    return name, own.n, *shares, change, interval, *counts, p_value(own.p), p_value(own.p_holm)


def p_value(value: float | None) -> str:
    """Three digits, or a bound."""
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _largest(own: Difference) -> str:
    order = sorted(own.by_uid, key=lambda uid: -abs(own.by_uid[uid]["a"] - own.by_uid[uid]["b"]))[:SHOWN_UIDS]
    corrected = dict(zip(own.by_uid, holm([part["p"] for part in own.by_uid.values()]), strict=True))
    rows = []
    for uid in order:
        part = own.by_uid[uid]
        change = f"{100 * (part['a'] - part['b']):+.1f}"
        shares = [f"{100 * part[side]:.1f}" for side in ("a", "b")]
        rows.append((uid, part["n"], *shares, change, p_value(part["p"]), p_value(corrected[uid])))
    header = (f"{own.task}: largest of {len(own.by_uid)}", "items", "A %", "B %", "A - B", "p", "p Holm")
    return text_table(header, rows)


def run(words: Sequence[str]) -> int:
    """``compare A B [key=value ...]``; ``ValueError`` for what is wrong in it."""
    if len(words) < 2 or "=" in words[0] or "=" in words[1]:
        raise ValueError("compare: two models are needed, for example: compare checkpoints/a checkpoints/b")
    return main(words[0], words[1], registry.options(words[2:], KEYS), Log())


def _statistics() -> Any:
    try:
        import scipy.stats
    except ImportError:
        raise ValueError("compare needs scipy: pip install 'babylm[eval]'") from None
    return scipy.stats
