"""The one file of predictions that goes to the leaderboard, as the official collators of 2025 and 2026 would write it.

Nothing is scored here but the fast results of the milestones, which the official file holds as scores: they are counted
from the stored predictions against the gold answers, as the official collator does it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from babylm import files
from babylm.evaluation import suite
from babylm.evaluation.results.averages import GLUE
from babylm.evaluation.tasks import _wug, reading
from babylm.runs import Run
from babylm.submission.official import PLACES


class Gold:
    """Items of the tasks, read once: what is right, by UID and in order."""

    def __init__(self, data: Path, rules: int) -> None:
        self.data, self.rules = data, rules
        self._items: dict[tuple[str, str], Sequence[Any]] = {}

    def items(self, task: str, which: str) -> Sequence[Any]:
        """The task's items."""
        if (task, which) not in self._items:
            self._items[task, which] = suite.task(task).items(self.data, None, suite=which, rules=self.rules)
        return self._items[task, which]

    def answers(self, task: str, which: str) -> dict[str, list[str]]:
        """The right answers, stripped, as the official predictions name them."""
        found: dict[str, list[str]] = {}
        for item in self.items(task, which):
            found.setdefault(item.uid, []).append((item.answers or item.completions)[item.label].strip())
        return found

    def score(self, task: str, which: str, predictions: Mapping[str, Any]) -> dict[str, float]:
        """Share of right answers by UID; of invented words Spearman's rho; of reading times ``spr`` and ``rt``.

        ``ValueError`` for predictions of other items than those there are.
        """
        self._check_counts(task, which, predictions)
        if task == "reading":
            return reading_scores(self.items(task, which), predictions["reading"]["predictions"])
        if task.startswith("wug_"):
            people = np.array([item.human for item in self.items(task, which)])
            return {
                uid: _wug.spearman(np.array([line["prob"] for line in own["predictions"]]), people)
                for uid, own in predictions.items()
            }
        gold = self.answers(task, which)
        scores = {}
        for uid, own in predictions.items():
            right = [line["pred"].strip() == good for line, good in zip(own["predictions"], gold[uid], strict=True)]
            scores[uid] = sum(right) / len(right)
        return scores

    def _check_counts(self, task: str, which: str, predictions: Mapping[str, Any]) -> None:
        """``ValueError`` where predictions and items do not pair up: a limited result, or one of other data."""
        items = self.items(task, which)
        single = task == "reading" or task.startswith("wug_")  # every list answers all items
        expected = None if single else Counter(item.uid for item in items)
        for uid, own in predictions.items():
            number = len(items) if expected is None else expected[uid]
            if len(own["predictions"]) != number:
                raise ValueError(
                    f"{task} ({which}): {len(own['predictions']):,} predictions of {uid}, which has {number:,} items; "
                    "it was scored with a limit, or from other data: score it again, without limit"
                )

    def parts(self, task: str, which: str, predictions: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The predictions of each split (GlobalPIQA: ``parallel``, ``nonparallel``)."""
        split = {item.uid: item.split for item in self.items(task, which)}
        found: dict[str, dict[str, Any]] = {}
        for uid, own in predictions.items():
            found.setdefault(split[uid], {})[uid] = own
        return found


def reading_scores(items: Sequence[reading.Word], lines: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Self-paced reading and eye tracking, shares of the variance left, from the surprisals in the predictions."""
    table = np.array([item.numbers for item in items])
    own, before = (np.array([line[key] for line in lines], dtype=float) for key in ("pred", "prev_pred"))
    power = reading.predictive_power(table, own, before)
    return {"spr": power["self_paced"], "rt": power["eye_tracking"]}


def key_of(task: str, rules: int) -> str:
    """What the collated file calls a task."""
    if task == "entity_tracking" and rules == 2026:
        return "entity_tracking_filtered"
    return PLACES[task].key if task in PLACES else task


def collate(run: Run, gold: Gold) -> dict[str, Any]:
    """The whole file. What a run lacks is left out by the rules of 2025, ``None`` by those of 2026."""
    if run.config.track == "free":
        return _free(run, gold)
    found: dict[str, Any] = {}
    full = [task for task in suite.SUITES["full", run.rules] if task not in GLUE and task != "aoa"]
    for task in full:
        there = run.result("main", task, "full") is not None
        predictions = run.predictions("main", task, "full") if there else None
        if task == "global_piqa":
            parts = gold.parts(task, "full", predictions) if predictions is not None else {}
            found |= {f"{task}_{part}": parts.get(part) for part in ("parallel", "nonparallel")}
        else:
            found[key_of(task, run.rules)] = predictions
    score, surprisals = run.acquisition() or (None, None)
    if run.rules == 2025:
        found["aoa"] = surprisals
    else:
        found["aoa"] = None if score is None else {"aoa": score["score"]}
        found["aoa_surprisals"] = surprisals
    found["glue"] = {}
    for task in GLUE:
        if run.result("main", task, "full") is not None:
            found["glue"] |= run.predictions("main", task, "full")
    if run.rules == 2025:
        found = {key: value for key, value in found.items() if value is not None}
    found["fast_eval_results"] = _fast(run, gold)
    return found


def _fast(run: Run, gold: Gold) -> dict[str, list[Any]]:
    """By task a list over the milestones, in order: scores by UID, ``None`` where there are none."""
    found: dict[str, list[Any]] = {}
    for task in suite.SUITES["fast", run.rules]:
        for name in run.milestones:
            there = run.result(name, task, "fast") is not None
            predictions = run.predictions(name, task, "fast") if there else None
            if task != "global_piqa":
                scores = None if predictions is None else gold.score(task, "fast", predictions)
                found.setdefault(key_of(task, run.rules), []).append(scores)
                continue
            parts = {} if predictions is None else gold.parts(task, "fast", predictions)
            for part in ("parallel", "nonparallel"):
                own = parts.get(part)
                scores = None if own is None else gold.score(task, "fast", own)
                found.setdefault(f"{task}_{part}", []).append(scores)
    if run.rules == 2025:
        return {task: [one for one in scores if one is not None] for task, scores in found.items()}
    return found


def _free(run: Run, gold: Gold) -> dict[str, Any]:
    """A run outside the challenge: the predictions of its own tasks, in the same shape; ``None`` for what it lacks."""

    def predictions(name: str, task: str) -> dict[str, Any] | None:
        return None if run.result(name, task, "fast") is None else run.predictions(name, task, "fast")

    tasks = run.config.evaluation.tasks
    fast: dict[str, list[Any]] = {task: [] for task in tasks}
    for task in tasks:
        for answers in (predictions(name, task) for name in run.milestones):
            fast[task].append(None if answers is None else gold.score(task, "fast", answers))
    return {task: predictions("main", task) for task in tasks} | {"fast_eval_results": fast}


def write(file: Path, content: Mapping[str, Any]) -> None:
    """As the official collator writes it: one line, NaN as ``NaN``."""
    files.write_text(file, json.dumps(content))
