"""The one file of predictions that goes to the leaderboard, as the official collators of 2025 and 2026 write it.

Nothing is scored here except the fast results of the milestones, which the official file holds as scores: they are
counted from the stored predictions against the right answers, as the official collator does it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babylm import files
from babylm.evaluation.task import Task, right_answer
from babylm.evaluation.task_registry import combined_task, load_task, suite_tasks
from babylm.runs import Run


class Gold:
    """Items of the tasks, read once, with the right answers."""

    def __init__(self, data: Path, rules: int) -> None:
        self.data, self.rules = data, rules
        self._items: dict[tuple[str, str], Sequence[Any]] = {}

    def items(self, task: str, suite: str) -> Sequence[Any]:
        """The task's items."""
        if (task, suite) not in self._items:
            self._items[task, suite] = load_task(task).items(self.data, None, suite=suite, rules=self.rules)
        return self._items[task, suite]

    def answers(self, task: str, suite: str) -> dict[str, list[str]]:
        """The right answers by UID, as the official predictions name them, stripped."""
        by_uid: dict[str, list[str]] = {}
        for item in self.items(task, suite):
            by_uid.setdefault(item.uid, []).append(right_answer(item))
        return by_uid

    def score(self, task: str, suite: str, predictions: Mapping[str, Any]) -> dict[str, float]:
        """Official score by UID (`Task.rescore`).

        Raises: ``ValueError`` for predictions of other items than there are.
        """
        items = self.items(task, suite)
        expected = load_task(task).count_answers(items)
        for uid, answers in predictions.items():
            if len(answers["predictions"]) != expected.get(uid, 0):
                raise ValueError(
                    f"{task} ({suite}): {len(answers['predictions']):,} predictions of {uid}, which has "
                    f"{expected.get(uid, 0):,} items; it was scored with a limit, or from other data: score it again, "
                    "without limit"
                )
        return load_task(task).rescore(items, predictions)

    def parts(self, task: Task, suite: str, predictions: Mapping[str, Any] | None) -> dict[str, Any]:
        """Predictions by the names of the collated file: one name, or one for each part (GlobalPIQA).

        None without ``predictions``.
        """
        official = task.official
        if official is None or not official.parts:
            return {task.name if official is None else official.key_in(self.rules): predictions}
        by_part: dict[str, Any] = dict.fromkeys(official.parts)
        split = {item.uid: item.split for item in self.items(task.name, suite)} if predictions is not None else {}
        for uid, answers in (predictions or {}).items():
            by_part[split[uid]] = {**(by_part[split[uid]] or {}), uid: answers}
        return {f"{official.key_in(self.rules)}_{part}": answers for part, answers in by_part.items()}


def collate(run: Run, gold: Gold) -> dict[str, Any]:
    """The whole file. What a run lacks is left out by the rules of 2025, and None by those of 2026."""
    if run.config.track == "free":
        return _free(run, gold)
    collated: dict[str, Any] = {}
    tasks = suite_tasks("full", run.rules, official=True)
    for task in tasks:
        if not task.finetuned and not task.over_revisions:
            collated |= gold.parts(task, "full", _predictions(run, "main", task.name, "full"))
    collated |= _over_revisions(run)
    finetuned: dict[str, dict[str, Any]] = {}
    for task in tasks:
        if task.finetuned:
            finetuned.setdefault(task.group, {}).update(_predictions(run, "main", task.name, "full") or {})
    collated |= finetuned
    if run.rules == 2025:
        collated = {key: value for key, value in collated.items() if value is not None}
    collated["fast_eval_results"] = _fast(run, gold)
    return collated


def _predictions(run: Run, revision: str, task: str, suite: str) -> dict[str, Any] | None:
    return None if run.result(revision, task, suite) is None else run.predictions(revision, task, suite)


def surprisals_key(rules: int) -> str:
    """Name of the surprisals of age of acquisition in the collated file.

    >>> surprisals_key(2026)
    'aoa_surprisals'
    """
    official = combined_task(rules).official
    assert official is not None
    return official.key if rules == 2025 else f"{official.key}_surprisals"


def _over_revisions(run: Run) -> dict[str, Any]:
    """Age of acquisition: surprisals alone in 2025, in 2026 the score beside them."""
    score, surprisals = run.acquisition() or (None, None)
    official = combined_task(run.rules).official
    assert official is not None
    entry: dict[str, Any] = {} if run.rules == 2025 else {official.key: score and {official.key: score["score"]}}
    return {**entry, surprisals_key(run.rules): surprisals}


def _fast(run: Run, gold: Gold) -> dict[str, list[Any]]:
    """By task a list over the milestones, in order: scores by UID, None if there are none."""
    scores: dict[str, list[Any]] = {}
    for task in suite_tasks("fast", run.rules, official=True):
        for revision in run.milestones:
            parts = gold.parts(task, "fast", _predictions(run, revision, task.name, "fast"))
            for key, predictions in parts.items():
                score = None if predictions is None else gold.score(task.name, "fast", predictions)
                scores.setdefault(key, []).append(score)
    if run.rules == 2025:
        return {key: [score for score in by_revision if score is not None] for key, by_revision in scores.items()}
    return scores


def _free(run: Run, gold: Gold) -> dict[str, Any]:
    """A run outside the challenge: the predictions of its tasks, in the same shape; None for what it lacks."""
    tasks = run.config.evaluation.tasks
    fast: dict[str, list[Any]] = {task: [] for task in tasks}
    for task in tasks:
        for predictions in (_predictions(run, name, task, "fast") for name in run.milestones):
            fast[task].append(None if predictions is None else gold.score(task, "fast", predictions))
    return {task: _predictions(run, "main", task, "fast") for task in tasks} | {"fast_eval_results": fast}


def write(file: Path, content: Mapping[str, Any]) -> None:
    """Write as the official collator does: one line, NaN as ``NaN``."""
    files.write_text(file, json.dumps(content))
