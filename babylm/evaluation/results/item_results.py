"""The stored outcome of every item of a result: enough to compare models, to calibrate them, and to show mistakes.

File ``evaluation/<revision>/items/<task>.<suite>.<rules>.<backend>.json``: columns of equal length, one entry per item
in the task's order. So comparisons, curves and reports need neither the model nor the data.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm import files
from babylm.console import first_line
from babylm.evaluation.results.task_result import Item, Result, strata

if TYPE_CHECKING:  # comparing and reporting need no torch
    from babylm.evaluation.scoring.scorer import Scorer, Surprisal

FOLDER = "items"
AGAIN = "remove it, and repeat the python -m babylm.evaluate command that made it"
EXAMPLES = 4
"""Example pairs of each kind: clearly wrong, close, clearly right."""
LONGEST = 400
"""Characters; longer sentences are no examples."""


@dataclass(frozen=True)
class ItemResults:
    """The outcome of every item of one result."""

    uids: list[str]
    splits: list[str]
    right: np.ndarray
    """(items,) float64: 1 if the official rule counts the item as right, else 0."""
    credit: np.ndarray
    """(items,) float64: like ``right``, but a tie gets its share."""
    margins: np.ndarray
    """(items,) float64, nats: right candidate minus best other one; NaN if the model gave NaN."""
    candidates: np.ndarray
    """(items,) int64: number of candidates."""
    human: np.ndarray
    """(items,) float64: share of people who prefer the first candidate; NaN if the task has none."""
    examples: dict[str, list[dict[str, Any]]]

    def strata(self) -> tuple[list[list[int]], np.ndarray]:
        """Groups of items that are resampled together, and the weight of each group's mean in the task's score."""
        groups: dict[tuple[str, str], list[int]] = {}
        for index, key in enumerate(zip(self.splits, self.uids, strict=True)):
            groups.setdefault(key, []).append(index)
        return strata(groups)


def write(file: Path, items: Sequence[Any], result: Result, examples: dict[str, Any]) -> bool:
    """Write the outcome of every item; False, and no file, for a task that does not choose among candidates."""
    if not len(result.chosen):
        return False
    uids = list(dict.fromkeys(item.uid for item in items))
    splits = list(dict.fromkeys(item.split for item in items))
    index = {name: k for k, name in enumerate(uids)}
    right = (result.chosen == np.array([item.label for item in items])) & ~np.isnan(result.margins)
    columns = {
        "uids": uids,
        "uid": [index[item.uid] for item in items],
        "splits": splits,
        "split": [splits.index(item.split) for item in items],
        "right": right.astype(int).tolist(),
        "credit": [round(float(x), 6) for x in result.credit],
        # `credit` holds the ties: a margin that rounds to 0 is not a tie.
        "margin": [round(float(x), 6) if np.isfinite(x) else None for x in result.margins],
        "candidates": [len(item.sentences) for item in items],
        "human": [item.human for item in items] if any(item.human is not None for item in items) else None,
        "examples": examples,
    }
    files.write_text(file, json.dumps(columns, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n")
    return True


def read(file: Path) -> ItemResults:
    """The outcomes stored in ``file``; `files.DamagedFile` if it is damaged."""
    stored = files.read_json(file, AGAIN)
    try:
        n = len(stored["uid"])
        outcomes = ItemResults(
            uids=[stored["uids"][k] for k in stored["uid"]],
            splits=[stored["splits"][k] for k in stored["split"]],
            right=np.array(stored["right"], dtype=float),
            credit=np.array(stored["credit"], dtype=float),
            margins=np.array(stored["margin"], dtype=float),
            candidates=np.array(stored["candidates"], dtype=int),
            human=np.full(n, np.nan) if stored["human"] is None else np.array(stored["human"], dtype=float),
            examples=stored["examples"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise files.DamagedFile(f"{file}: its columns are damaged ({first_line(error)}); {AGAIN}") from None
    columns = [value for name, value in vars(outcomes).items() if name != "examples"]
    lengths = {len(column) for column in columns}
    if lengths != {n} or not isinstance(outcomes.examples, dict):
        raise files.DamagedFile(f"{file}: its columns are not of one length; {AGAIN}")
    return outcomes


def examples(scorer: Scorer, items: Sequence[Any], result: Result, count: int = EXAMPLES) -> dict[str, Any]:
    """``wrong``, ``close`` and ``right`` pairs with the surprisal of each word, of different UIDs if possible.

    Items with more than two candidates, and long ones, are no examples.
    """
    pairs = [
        k
        for k in range(len(result.chosen))
        if isinstance(items[k], Item)
        and len(items[k].sentences) == 2
        and np.isfinite(result.margins[k])
        and max(map(len, items[k].sentences)) <= LONGEST
    ]
    margins = result.margins
    kinds = {
        "wrong": sorted((k for k in pairs if margins[k] < 0), key=lambda k: margins[k]),
        "close": sorted(pairs, key=lambda k: abs(margins[k])),
        "right": sorted((k for k in pairs if margins[k] > 0), key=lambda k: -margins[k]),
    }
    chosen = {
        kind: [order[place] for place in _different([items[k].uid for k in order], count)]
        for kind, order in kinds.items()
    }
    sentences = [text for indices in chosen.values() for k in indices for text in items[k].sentences]
    surprisals = zip(sentences, scorer.surprisals(sentences), strict=True)
    words = iter([by_word(text, surprisal) for text, surprisal in surprisals])
    by_kind: dict[str, Any] = {}
    for kind, indices in chosen.items():
        by_kind[kind] = []
        for k in indices:
            pair = [next(words), next(words)]
            label = items[k].label
            head = {"uid": items[k].uid, "margin": round(float(margins[k]), 4)}
            by_kind[kind].append({**head, "good": pair[label], "bad": pair[1 - label]})
    return by_kind


def by_word(text: str, surprisal: Surprisal) -> list[tuple[str, float | None]]:
    """(word, nats) of each whitespace word: the sum over the tokens that end in it; None if none has a score."""
    words = text.split()
    ends, end = [], 0
    for word in words:
        end = text.index(word, end) + len(word)
        ends.append(end)
    sums = np.zeros(len(words))
    scored = np.zeros(len(words), dtype=bool)
    for (_, end), value in zip(surprisal.offsets, surprisal.nats, strict=True):
        if end and not np.isnan(value):
            # A token of spaces after the last word belongs to it.
            owner = min(int(np.searchsorted(ends, end)), len(words) - 1)
            sums[owner] += value
            scored[owner] = True
    return [(word, round(float(s), 3) if k else None) for word, s, k in zip(words, sums, scored, strict=True)]


def _different(uids: Sequence[str], count: int) -> list[int]:
    """The first indices whose UIDs differ, then the first others, ``count`` in all, in order."""
    first: dict[str, int] = {}
    for index, uid in enumerate(uids):
        first.setdefault(uid, index)
    chosen = sorted(first.values())[:count]
    others = (index for index in range(len(uids)) if index not in chosen)
    return sorted([*chosen, *itertools.islice(others, count - len(chosen))])
