"""Two models on the same items: which is better, and can that be chance?

    python -m babylm.evaluate compare A B [tasks=...] [suite=fast|full] [rules=2025|2026] [backend=...] [out=FILE.json]

A and B are runs (then their ``main``), revisions (checkpoints/RUN/chck_7M) or model folders. Only stored results are
read, and only results of the same items are compared; what is missing is named with the command that makes it.
``backend`` chooses if a model has results of several (``backend=causal,mntp``: A's and B's).

Per task: both tie-aware scores; their difference A - B with its paired bootstrap interval (items resampled within each
UID, the same for both); the items that only one gets right; and McNemar's exact test on those (two-sided binomial). An
item counts for the model with more credit on it, so a tie is half right here too. p values are corrected over the tasks
by Holm's method. Tasks that correlate with people's answers have an interval but no test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from babylm import files, places, registry
from babylm.config.options import CompareOptions, keys
from babylm.console import Log
from babylm.evaluation import task_registry
from babylm.evaluation.results import store, task_result
from babylm.evaluation.results.item_results import ItemResults
from babylm.evaluation.results.store import Model, StoredResult
from babylm.randomness import resampling_generator
from babylm.tables import text_table

KEYS = keys(CompareOptions)
BEGIN = '{\n  "a": '
"""What every file of ``out`` begins with."""
SYNONYMS = {"scorer": "backend"}
RESAMPLES = 10_000
HEADER = ("task", "items", "A %", "B %", "A - B", "95 %", "only A", "only B", "p", "p Holm")
SHOWN_UIDS = 8


@dataclass(frozen=True)
class Difference:
    """A task's comparison; scores and differences are shares (correlations for tasks with people's answers)."""

    task: str
    suite: str
    rules: int
    backends: tuple[str, str]
    n: int
    official: tuple[float | None, float | None]
    tie_aware: tuple[float | None, float | None]
    difference: float | None
    """Of the tie-aware scores, A - B."""
    interval: tuple[float, float] | None
    """95 % paired bootstrap interval of ``difference``; None if single items are not stored, or there is one alone."""
    only_a: int | None
    """Items with more credit for A."""
    only_b: int | None
    p: float | None
    """McNemar's exact test; None if items are not right or wrong."""
    by_uid: dict[str, dict[str, float]]
    p_holm: float | None = None


def compare(a: StoredResult, b: StoredResult) -> Difference:
    """The comparison of two results; ``ValueError`` if they are not of the same items."""
    head = a.content
    for key in ("task", "suite", "rules", "version", "items_sha256"):
        if head[key] != b.content[key]:
            what = "other items" if key == "items_sha256" else f"another {key} ({head[key]} and {b.content[key]})"
            raise ValueError(f"{head['task']}: {a.file} and {b.file} are of {what}; make both with the same options")
    for side in (a, b):
        if side.content.get("items_kept", True) and side.item_results() is None:  # of an older version, or removed
            raise ValueError(f"{side.file}: nothing is kept of its items; score again, as it was made")
    official, aware = ((head[key], b.content[key]) for key in ("official", "tie_aware"))
    statistics: dict[str, Any] = {"interval": None, "only_a": None, "only_b": None, "p": None, "by_uid": {}}
    items = a.item_results(), b.item_results()
    if items[0] is not None and items[1] is not None:
        statistics |= _paired(items[0], items[1])
    return Difference(
        task=head["task"],
        suite=head["suite"],
        rules=head["rules"],
        backends=(a.backend, b.backend),
        n=head["n"],
        official=official,
        tie_aware=aware,
        difference=None if None in aware else aware[0] - aware[1],
        **statistics,
    )


def _paired(a: ItemResults, b: ItemResults) -> dict[str, Any]:
    rated = ~np.isnan(a.human)
    if rated.any():
        return {"interval": _correlations(a.margins[rated], b.margins[rated], a.human[rated])}
    change = a.credit - b.credit
    more, less = int((change > 0).sum()), int((change < 0).sum())
    groups, weights = a.strata()
    generator = resampling_generator()
    means = np.zeros(RESAMPLES)
    for group, weight in zip(groups, weights, strict=True):
        levels, counts = np.unique(change[group], return_counts=True)
        draws = generator.multinomial(len(group), counts / len(group), size=RESAMPLES)
        means += weight * (draws @ levels) / len(group)
    uids = np.array(a.uids)
    parts = {uid: (a.credit[uids == uid], b.credit[uids == uid]) for uid in dict.fromkeys(a.uids)}
    return {
        "interval": tuple(float(x) for x in np.quantile(means, [0.025, 0.975])) if len(change) > 1 else None,
        "only_a": more,
        "only_b": less,
        "p": mcnemar(more, less),
        "by_uid": {
            uid: {
                "n": len(credit_a),
                "a": float(credit_a.mean()),
                "b": float(credit_b.mean()),
                "p": mcnemar(int((credit_a > credit_b).sum()), int((credit_a < credit_b).sum())),
            }
            for uid, (credit_a, credit_b) in parts.items()
        },
    }


def _correlations(a: np.ndarray, b: np.ndarray, human: np.ndarray) -> tuple[float, float]:
    """Interval of the difference of Spearman's rhos; resamples in which one side does not vary are left out."""
    drawn = resampling_generator().integers(0, len(human), (RESAMPLES // 10, len(human)))
    with np.errstate(invalid="ignore", divide="ignore"):
        ranks = [_statistics().rankdata(values[drawn], axis=1) for values in (a, b, human)]
        centred = [x - x.mean(axis=1, keepdims=True) for x in ranks]
        spread = [np.sqrt((x**2).sum(axis=1)) for x in centred]
        rhos = [(centred[k] * centred[2]).sum(axis=1) / (spread[k] * spread[2]) for k in (0, 1)]
    low, high = np.nanquantile(rhos[0] - rhos[1], [0.025, 0.975])
    return float(low), float(high)


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p that discordant items are as likely to favour A as B; 1 if there are none.

    >>> round(mcnemar(1, 5), 4)
    0.2188
    """
    if not only_a + only_b:
        return 1.0
    return float(_statistics().binomtest(only_a, only_a + only_b).pvalue)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number by Holm's step-down method; None stays None and is not counted.

    >>> holm([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    tested = [value for value in values if value is not None]
    corrected = iter(_multipletests(tested) if tested else ())
    return [None if value is None else next(corrected) for value in values]


def pairs(a: Model, b: Model, options: dict[str, str]) -> list[tuple[StoredResult, StoredResult]]:
    """Results of both models with the same (task, suite, rules), and the same backend unless ``backend`` names two.

    Raises: ``ValueError`` that names what is missing, with the commands that make it.
    """
    first, *rest = (options.get("backend") or "").split(",")
    last = rest[-1] if rest else first
    tasks = [name for name in options.get("tasks", "").strip("[] ").replace(" ", "").split(",") if name]
    sides = _by_key(a, options, first), _by_key(b, options, last)
    lacking = [
        f"of {model.name}: {store.command(model.folder, keys, backend or None)}"
        for model, backend, keys in (
            (a, first, _missing(sides[0], sides[1], tasks, options)),
            (b, last, _missing(sides[1], sides[0], tasks, options)),
        )
        if keys
    ]
    keys = [key for key in sides[0] if key in sides[1] and (not tasks or key[0] in tasks)]
    if not keys and not lacking:
        both = " and ".join(", ".join(".".join(map(str, key)) for key in side) for side in sides)
        lacking.append(f"nothing is in common: {both} (task.suite.rules)")
    if lacking:
        raise ValueError("results are missing\n  " + "\n  ".join(lacking))
    chosen = []
    for key in keys:
        of_a, of_b = sides[0][key], sides[1][key]
        shared = [backend for backend in of_a if backend in of_b]
        if not shared and len(of_a) + len(of_b) > 2:
            names = ", ".join(dict.fromkeys([*of_a, *of_b]))
            raise ValueError(f"{key[0]}: there are results by several backends ({names}): say backend=A's,B's")
        if shared:
            chosen += [(of_a[backend], of_b[backend]) for backend in shared]
        else:
            chosen.append((next(iter(of_a.values())), next(iter(of_b.values()))))
    return chosen


Sides = dict[tuple[str, str, int], dict[str, StoredResult]]
"""Results by (task, suite, rules) and backend."""


def _by_key(model: Model, options: dict[str, str], backend: str) -> Sides:
    side: Sides = {}
    for result in model.stored():
        _, suite, rules = result.key
        chosen = options.get("suite", suite) == suite and options.get("rules", str(rules)) == str(rules)
        if chosen and backend in ("", result.backend):
            side.setdefault(result.key, {})[result.backend] = result
    return side


def _missing(side: Sides, other: Sides, tasks: Sequence[str], options: dict[str, str]) -> list[tuple[str, str, int]]:
    """What ``side`` lacks: of ``tasks``; without any, if it is empty, what ``other`` has, or a suite's first task."""
    suite, rules = options.get("suite", "fast"), int(options.get("rules", 2026))
    if tasks:
        return [(name, suite, rules) for name in tasks if all(key[0] != name for key in side)]
    if side:
        return []
    first = task_registry.suite_names(suite, rules)[0]
    return [key for key in other if key[1:] == next(iter(other))[1:]] or [(first, suite, rules)]


def main(a: str, b: str, given: dict[str, str], log: Log) -> int:
    """Compare, print, and write to ``out`` if it is given; returns the exit code."""
    for key, choices in (("suite", ("fast", "full")), ("rules", ("2025", "2026"))):
        if key in given:
            registry.check(given[key], choices, key)
    out = places.output(given["out"], ".json", BEGIN) if "out" in given else None
    models = store.model(a), store.model(b)
    differences = [compare(*pair) for pair in pairs(*models, given)]
    corrected = holm([difference.p for difference in differences])
    differences = [replace(difference, p_holm=p) for difference, p in zip(differences, corrected, strict=True)]
    log(f"A = {models[0].name}, B = {models[1].name}")
    log(text_table(HEADER, [row(difference) for difference in differences]))
    log("scores tie-aware; p: McNemar's exact test on the items that only one gets right; Holm over the tasks above")
    for difference in differences:
        if difference.by_uid:
            log(_largest(difference))
    if out is not None:
        content = {
            "a": models[0].name,
            "b": models[1].name,
            "tasks": [asdict(difference) for difference in differences],
        }
        files.write_json(out, task_result.nan_to_none(content))
        log(f"written to {out}")
    return 0


def row(difference: Difference) -> tuple[object, ...]:
    """A line under `HEADER`."""
    backends = dict.fromkeys(difference.backends)
    name = f"{difference.task} {difference.suite} {difference.rules}"
    name += f" ({', '.join(backends)})" if len(backends) > 1 else ""
    shares = ["-" if value is None else f"{100 * value:.2f}" for value in difference.tie_aware]
    change = "-" if difference.difference is None else f"{100 * difference.difference:+.2f}"
    interval = "-"
    if difference.interval is not None:
        interval = " to ".join(f"{100 * value:+.2f}" for value in difference.interval)
    counts = ["-" if value is None else value for value in (difference.only_a, difference.only_b)]
    return name, difference.n, *shares, change, interval, *counts, p_value(difference.p), p_value(difference.p_holm)


def p_value(value: float | None) -> str:
    """A p value with three digits, or a bound.

    >>> p_value(0.0421), p_value(1e-9)
    ('0.042', '<0.001')
    """
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _largest(difference: Difference) -> str:
    """The table of the UIDs with the largest differences."""
    by_uid = difference.by_uid
    order = sorted(by_uid, key=lambda uid: -abs(by_uid[uid]["a"] - by_uid[uid]["b"]))[:SHOWN_UIDS]
    corrected = dict(zip(by_uid, holm([part["p"] for part in by_uid.values()]), strict=True))
    rows = []
    for uid in order:
        part = by_uid[uid]
        change = f"{100 * (part['a'] - part['b']):+.1f}"
        shares = [f"{100 * part[side]:.1f}" for side in ("a", "b")]
        rows.append((uid, part["n"], *shares, change, p_value(part["p"]), p_value(corrected[uid])))
    header = (f"{difference.task}: largest of {len(by_uid)}", "items", "A %", "B %", "A - B", "p", "p Holm")
    return text_table(header, rows)


def run(words: Sequence[str]) -> int:
    """``compare A B [key=value ...]``; ``ValueError`` for what is wrong in it."""
    if len(words) < 2 or "=" in words[0] or "=" in words[1]:
        raise ValueError("compare: two models are needed, for example: compare checkpoints/a checkpoints/b")
    return main(words[0], words[1], registry.options(words[2:], KEYS, synonyms=SYNONYMS), Log())


def _multipletests(values: Sequence[float]) -> list[float]:
    try:
        from statsmodels.stats.multitest import multipletests
    except ImportError:
        raise ValueError("compare needs statsmodels: pip install 'babylm[eval]'") from None
    return [float(p) for p in multipletests(values, method="holm")[1]]


def _statistics() -> Any:
    try:
        import scipy.stats
    except ImportError:
        raise ValueError("compare needs scipy: pip install 'babylm[eval]'") from None
    return scipy.stats
