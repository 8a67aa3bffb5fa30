"""Invented words: how well a model's preference between two forms follows that of people (Spearman's rho)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.config.evaluation import EvaluationConfig
from babylm.evaluation.results import task_result
from babylm.evaluation.results.task_result import Item, Result, Score
from babylm.evaluation.task import Official, Task, fixed_counts
from babylm.evaluation.tasks import _data, _multiple_choice

if TYPE_CHECKING:
    from babylm.evaluation.scoring.scorer import Scorer

EXPECTED = "a pair of forms: the text sentences, two sentences with a tab between, and the share ratio"


@dataclass(frozen=True, kw_only=True)
class WugTask(Task):
    """Pairs of forms, and the share of people who prefer the first."""

    folder: str
    """Folder of the data, the same in both suites."""

    def items(
        self, data: Path | None, limit: int | None = None, *, suite: str = "fast", rules: int = 2025
    ) -> list[Item]:
        """Two strings per line, and the share of people who prefer the first."""
        assert data is not None
        return _data.read(_data.find(data, suite, self.folder), self._item, limit, EXPECTED)

    def score(
        self, scorer: Scorer, items: Sequence[Item], rules: int = 2025, settings: EvaluationConfig | None = None
    ) -> Result:
        """Spearman's rho (-1 to 1) between people's shares and the model's.

        The model's share is the softmax of the two sums of log-probabilities. The official number ranks it in fp32,
        where shares near 1 are equal; the tie-aware one ranks the difference of the sums.
        """
        sums = _multiple_choice.candidate_scores(scorer, items).log_probability.reshape(-1, 2)
        human = np.array([item.human for item in items])
        odds = sums[:, 0] - sums[:, 1]
        rounded = sums.astype(np.float32)
        rounded = np.exp(rounded - rounded.max(axis=1, keepdims=True))
        share = rounded[:, 0] / rounded.sum(axis=1)
        choices = task_result.score_choices(items, sums.ravel())
        by_uid = {}
        for uid, answers in choices.predictions.items():
            of_uid = np.array([item.uid == uid for item in items])
            for line, value in zip(answers["predictions"], share[of_uid], strict=True):
                line["prob"] = float(value)
            rhos = spearman(share[of_uid], human[of_uid]), spearman(odds[of_uid], human[of_uid])
            by_uid[uid] = Score(int(of_uid.sum()), *rhos, 0)
        return replace(
            choices,
            official=spearman(share, human),
            tie_aware=spearman(odds, human),
            ties=0,
            interval=task_result.resampled(lambda drawn: spearman(odds[drawn], human[drawn]), len(items)),
            by_uid=by_uid,
        )

    def rescore(self, items: Sequence[Item], predictions: Mapping[str, Any]) -> dict[str, float]:
        """Spearman's rho of stored ``predictions``."""
        human = np.array([item.human for item in items])
        return {
            uid: spearman(np.array([line["prob"] for line in answers["predictions"]]), human)
            for uid, answers in predictions.items()
        }

    def _item(self, record: _data.Record, _: str) -> Item:
        forms = tuple(record.text("sentences").split("\t"))
        if len(forms) != 2 or not all(form.strip() for form in forms):
            raise record.wrong(f"sentences is {len(forms)} texts with a tab between, or one of them is empty")
        return Item(self.name, forms, forms, human=record.number("ratio", 0, 1))


def wug_task(name: str, title: str, order: float, folder: str, count: int) -> WugTask:
    """One of the official tasks, in both suites of 2025."""
    return WugTask(
        name=name,
        version=1,
        chance=0.0,
        title=title,
        suites=(("fast", 2025), ("full", 2025)),
        order=order,
        average="human_likeness",
        folder=folder,
        official=Official(
            key=name,
            counts=fixed_counts({name: count}),
            folder=name,
            subfolders={"fast": folder, "full": folder},
            report="correlation",
        ),
    )


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation; NaN if one side does not vary.

    >>> spearman(np.array([1.0, 2.0, 2.0, 5.0]), np.array([0.0, 1.0, 1.0, 7.0]))
    1.0
    """
    ranks = np.array([_ranks(first), _ranks(second)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]
