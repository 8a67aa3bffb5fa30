"""What is kept of each item of a result: enough to compare models, to calibrate them, and to show what they got wrong.

It lies beside the results, as ``evaluation/<revision>/items/<task>.<suite>.<rules>.<scorer>.json``: columns of equal
length, one entry an item in the task's order. So comparisons, curves and reports need neither the model nor the data.
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
"""Pairs shown of each kind: clearly wrong, close, clearly right."""
UNSHOWN = ("ewok",)
"""Tasks without examples: their authors ask not to spread the texts, and examples end in reports."""
LONGEST = 400
"""Characters of a sentence that is still an example."""


@dataclass(frozen=True)
class Evidence:
    """The items of one stored result."""

    uids: list[str]
    splits: list[str]
    right: np.ndarray
    """(items,) float64: 1 where the official rule counts the item as right, else 0."""
    credit: np.ndarray
    """(items,) float64: the same with a tie's share."""
    margins: np.ndarray
    """(items,) float64: nats of the right candidate above the best other one; NaN where the model gave NaN."""
    candidates: np.ndarray
    """(items,) int64."""
    human: np.ndarray
    """(items,) float64: what people answered, NaN where the task does not ask."""
    examples: dict[str, list[dict[str, Any]]]

    def strata(self) -> tuple[list[list[int]], np.ndarray]:
        """Items that are resampled together and the weight of their mean in the task's score."""
        groups: dict[tuple[str, str], list[int]] = {}
        for index, key in enumerate(zip(self.splits, self.uids, strict=True)):
            groups.setdefault(key, []).append(index)
        return strata(groups)


def write(file: Path, items: Sequence[Any], result: Result, examples: dict[str, Any]) -> bool:
    """Write the items of ``result`` and say so; nothing for a task that does not choose among candidates."""
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
        # Ties are in `credit`: a margin that is rounded to 0 is none.
        "margin": [round(float(x), 6) if np.isfinite(x) else None for x in result.margins],
        "candidates": [len(item.sentences) for item in items],
        "human": [item.human for item in items] if any(item.human is not None for item in items) else None,
        "examples": examples,
    }
    files.write_text(file, json.dumps(columns, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n")
    return True


def read(file: Path) -> Evidence:
    """The items stored in ``file``; `files.DamagedFile` where it is damaged."""
    stored = files.read_json(file, AGAIN)
    try:
        n = len(stored["uid"])
        kept = Evidence(
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
    columns = (kept.uids, kept.splits, kept.right, kept.credit, kept.margins, kept.candidates, kept.human)
    lengths = {len(column) for column in columns}
    if lengths != {n} or not isinstance(kept.examples, dict):
        raise files.DamagedFile(f"{file}: its columns are not of one length; {AGAIN}")
    return kept


def examples(scorer: Scorer, items: Sequence[Any], result: Result, count: int = EXAMPLES) -> dict[str, Any]:
    """``wrong``, ``close`` and ``right`` pairs with the surprisal of each word; of different UIDs as far as there are.

    None for items with more than two candidates, and for long ones.
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
    chosen = {kind: _different([items[k].uid for k in order], count) for kind, order in kinds.items()}
    picked = {kind: [kinds[kind][place] for place in places] for kind, places in chosen.items()}
    sentences = [text for own in picked.values() for k in own for text in items[k].sentences]
    found = iter([by_word(text, one) for text, one in zip(sentences, scorer.surprisals(sentences), strict=True)])
    shown: dict[str, Any] = {}
    for kind, own in picked.items():
        shown[kind] = []
        for k in own:
            pair = [next(found), next(found)]
            label = items[k].label
            one = {"uid": items[k].uid, "margin": round(float(margins[k]), 4)}
            shown[kind].append({**one, "good": pair[label], "bad": pair[1 - label]})
    return shown


def by_word(text: str, surprisal: Surprisal) -> list[tuple[str, float | None]]:
    """(word, nats) of each whitespace word: the sum over the tokens that end in it; none where none has a score."""
    words = text.split()
    ends, place = [], 0
    for word in words:
        place = text.index(word, place) + len(word)
        ends.append(place)
    sums = np.zeros(len(words))
    known = np.zeros(len(words), dtype=bool)
    for (_, end), value in zip(surprisal.offsets, surprisal.nats, strict=True):
        if end and not np.isnan(value):
            # A token of spaces after the last word belongs to it.
            owner = min(int(np.searchsorted(ends, end)), len(words) - 1)
            sums[owner] += value
            known[owner] = True
    return [(word, round(float(s), 3) if k else None) for word, s, k in zip(words, sums, known, strict=True)]


def _different(uids: Sequence[str], count: int) -> list[int]:
    """The first places whose UIDs differ, then the first others, ``count`` in all, in order."""
    first: dict[str, int] = {}
    for place, uid in enumerate(uids):
        first.setdefault(uid, place)
    chosen = sorted(first.values())[:count]
    others = (place for place in range(len(uids)) if place not in chosen)
    return sorted([*chosen, *itertools.islice(others, count - len(chosen))])
