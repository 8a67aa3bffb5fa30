"""Invented words: how well a model's preference between two forms follows that of people (Spearman's rho)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from babylm.evaluation.results import task_result
from babylm.evaluation.results.task_result import Item, Result, Tally
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.tasks import _data, _multiple_choice

CHANCE = 0.0
EXPECTED = "a pair of forms: the text sentences, two sentences with a tab between, and the share ratio"


def read(data: Path, suite: str, folder: str, uid: str, limit: int | None) -> list[Item]:
    """Two strings a line, and the share of people who prefer the first."""

    def build(record: _data.Record, _: str) -> Item:
        forms = tuple(record.text("sentences").split("\t"))
        if len(forms) != 2 or not all(form.strip() for form in forms):
            raise record.wrong(f"sentences is {len(forms)} texts with a tab between, or one of them is empty")
        return Item(uid, forms, forms, human=record.number("ratio", 0, 1))

    return _data.read(_data.find(data, suite, folder), build, limit, EXPECTED)


def score(scorer: Scorer, items: Sequence[Item], rules: int = 2025) -> Result:
    """Spearman's rho (-1 to 1) between people's shares and the model's.

    The model's share is the softmax of the two sums of log-probabilities. The official number ranks it in fp32, where
    shares near 1 are equal; the tie-aware one ranks the difference of the sums.
    """
    sums = _multiple_choice.ask(scorer, items).log_probability.reshape(-1, 2)
    human = np.array([item.human for item in items])
    odds = sums[:, 0] - sums[:, 1]
    narrow = sums.astype(np.float32)
    narrow = np.exp(narrow - narrow.max(axis=1, keepdims=True))
    share = narrow[:, 0] / narrow.sum(axis=1)
    chosen = task_result.choose(items, sums.ravel())
    predictions = chosen.predictions
    by_uid = {}
    for uid, own in predictions.items():
        mine = np.array([item.uid == uid for item in items])
        for line, value in zip(own["predictions"], share[mine], strict=True):
            line["prob"] = float(value)
        by_uid[uid] = Tally(int(mine.sum()), spearman(share[mine], human[mine]), spearman(odds[mine], human[mine]), 0)
    return replace(
        chosen,
        official=spearman(share, human),
        tie_aware=spearman(odds, human),
        ties=0,
        interval=task_result.resampled(lambda picked: spearman(odds[picked], human[picked]), len(items)),
        by_uid=by_uid,
    )


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; NaN where one side does not vary."""
    ranks = np.array([_ranks(one), _ranks(other)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]
