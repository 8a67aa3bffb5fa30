"""The leaderboard's numbers, counted again from the collated file alone, beside those the run has stored.

As on the leaderboard: answers are compared as strings, a UID that is missing counts 0, fine-tuned tasks have F1 (MRPC
and QQP) or accuracy. Two ways to one number: if they differ, something is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from babylm.evaluation.results.averages import Average, official_averages
from babylm.evaluation.task import Task
from babylm.evaluation.task_registry import combined_task, load_task, suite_tasks
from babylm.runs import Run
from babylm.submission.collate import Gold, surprisals_key

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Score:
    """The score of one task, computed in two ways; shares (0 to 1)."""

    task: str
    counted: float
    stored: float

    @property
    def equal(self) -> bool:
        """Whether both ways agree."""
        return abs(self.counted - self.stored) <= TOLERANCE or (
            self.counted != self.counted and self.stored != self.stored
        )


def scores(collated: Mapping[str, Any], run: Run, gold: Gold) -> list[Score]:
    """A score for each task of ``main`` in the collated file."""
    if run.config.track == "free":
        tasks = [load_task(name) for name in run.config.evaluation.tasks]
        # What the official file holds apart, or makes of several seeds or revisions, has no such counterpart here.
        plain = [t for t in tasks if not (t.finetuned or t.over_revisions or (t.official and t.official.parts))]
        return _choices(plain, "fast", collated, run, gold)
    tasks = suite_tasks("full", run.rules, official=True)
    rescored = _choices([t for t in tasks if not t.finetuned and not t.over_revisions], "full", collated, run, gold)
    for task in tasks:
        predictions = collated.get(task.group, {}).get(task.name) if task.finetuned else None
        result = run.result("main", task.name, "full") if predictions is not None else None
        if result is not None:
            [counted] = gold.score(task.name, "full", {task.name: predictions}).values()
            first = result.content["details"]["seeds"][0]  # the file holds the predictions of the first seed
            rescored.append(Score(task.name, counted, first[result.content["details"]["metric"]]))
    acquisition = run.acquisition()
    if acquisition is not None:
        task = combined_task(run.rules)
        lines = collated[surprisals_key(run.rules)]["results"]
        metadata = run.predictions(lines[0]["step"], task.name, "full")["metadata"]
        counted = task.rescore_revisions(lines, metadata, gold.items(task.name, "full"), str(run.rules))
        rescored.append(Score(task.name, counted, _number(acquisition[0]["score"])))
    return rescored


def _choices(tasks: list[Task], suite: str, collated: Mapping[str, Any], run: Run, gold: Gold) -> list[Score]:
    """Scores from predictions per UID: the mean over the UIDs, and over the parts that are collated apart."""
    rescored = []
    for task in tasks:
        keys = [task.name] if run.config.track == "free" else list(gold.parts(task, suite, None))
        predictions = [collated[key] for key in keys if collated.get(key) is not None]
        result = run.result("main", task.name, suite)
        if result is not None and len(predictions) == len(keys):
            means = [float(np.mean(list(gold.score(task.name, suite, part).values()))) for part in predictions]
            rescored.append(Score(task.name, float(np.mean(means)), _number(result.content["official"])))
    return rescored


def averages(rescored: list[Score], rules: int) -> dict[str, Average]:
    """The official averages of the counted scores."""
    return official_averages({score.task: score.counted for score in rescored}, rules)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
