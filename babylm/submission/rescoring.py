"""The leaderboard's numbers, counted again from the collated file alone, beside those the run has stored.

As the leaderboard does it: answers are compared as strings, a UID that is missing counts 0, F1 of MRPC and QQP and
accuracy of the other fine-tuned tasks. Two ways to one number: where they differ, something is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from babylm.evaluation.finetuning import metrics
from babylm.evaluation.results.averages import HUMAN_LIKENESS, NLP, Aggregate, aggregates
from babylm.runs import Run
from babylm.submission.collate import Gold, key_of

TOLERANCE = 1e-9
F1 = ("mrpc", "qqp")


@dataclass(frozen=True)
class Score:
    """One task twice; shares (0 to 1)."""

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
    found = []
    which = "fast" if run.config.track == "free" else "full"
    tasks = (
        run.config.evaluation.tasks
        if which == "fast"
        else [t for t in (*NLP, *HUMAN_LIKENESS[run.rules]) if t not in ("glue", "aoa")]
    )
    for task in tasks:
        predictions = collated.get(key_of(task, run.rules))
        result = run.result("main", task, which)
        if predictions is not None and result is not None:
            own = gold.score(task, which, predictions)
            found.append(Score(task, float(np.mean(list(own.values()))), _number(result.content["official"])))
    both = [collated.get(f"global_piqa_{part}") for part in ("parallel", "nonparallel")]
    piqa = [part for part in both if part is not None]
    result = run.result("main", "global_piqa", which)
    if len(piqa) == 2 and result is not None:
        means = [np.mean(list(gold.score("global_piqa", which, part).values())) for part in piqa]
        found.append(Score("global_piqa", float(np.mean(means)), _number(result.content["official"])))
    for task, own in collated.get("glue", {}).items():
        result = run.result("main", task, "full")
        if result is not None:
            first = result.content["details"]["seeds"][0]  # whose predictions the file holds
            found.append(Score(task, _glue(task, own["predictions"], gold), first["f1" if task in F1 else "accuracy"]))
    acquired = run.acquisition()
    if acquired is not None:
        found.append(Score("aoa", _aoa(collated, run, gold), _number(acquired[0]["score"])))
    return found


def averages(found: list[Score], rules: int) -> dict[str, Aggregate]:
    """The official averages of the counted scores."""
    return aggregates({score.task: score.counted for score in found}, rules)


def _glue(task: str, lines: list[Mapping[str, Any]], gold: Gold) -> float:
    answers = np.array([line["pred"] for line in lines])
    labels = np.array([item.label for item in gold.items(task, "full")])
    return metrics.METRICS["f1" if task in F1 else "accuracy"](answers, labels)


def _aoa(collated: Mapping[str, Any], run: Run, gold: Gold) -> float:
    """From the surprisals in the file; the vocabulary and each word's pieces are the tokenizer's."""
    from babylm.evaluation.tasks import aoa

    surprisals = collated["aoa" if run.rules == 2025 else "aoa_surprisals"]["results"]
    by_step: dict[str, list[Mapping[str, Any]]] = {}
    words: dict[str, float] = {}
    for line in surprisals:
        by_step.setdefault(line["step"], []).append(line)
        words[line["step"]] = line["word_count"]
    about = run.predictions(next(iter(by_step)), "aoa", "full")["metadata"]
    ages = {item.word: item.age for item in gold.items("aoa", "full") if item.age is not None}
    stored = [{"metadata": about, "ages": ages, "results": lines} for lines in by_step.values()]
    return float(aoa.combine(stored, list(words.items()), str(run.rules))["score"])


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
