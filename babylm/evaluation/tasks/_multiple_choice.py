"""Tasks in which the likeliest candidate is the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babylm.config.evaluation import EvaluationConfig
from babylm.evaluation.results.task_result import Item, Result, score_choices
from babylm.evaluation.task import Task

if TYPE_CHECKING:
    from babylm.evaluation.scoring.scorer import Scorer, SequenceLogProbs


@dataclass(frozen=True, kw_only=True)
class ChoiceTask(Task):
    """Which candidate's completion has the largest log-probability?"""

    read: Callable[..., list[Item]]
    """``read(data, limit, suite=, rules=)``: the items."""
    by_mean: bool = False
    """Whether log-probabilities are averaged over the tokens of the completion, not summed."""

    def items(
        self, data: Path | None, limit: int | None = None, *, suite: str = "fast", rules: int = 2025
    ) -> list[Item]:
        """The items in ``data``."""
        return self.read(data, limit, suite=suite, rules=rules)

    def score(
        self, scorer: Scorer, items: Sequence[Item], rules: int = 2025, settings: EvaluationConfig | None = None
    ) -> Result:
        """The choices and what they are worth."""
        scores = candidate_scores(scorer, items)
        values = scores.log_probability / scores.tokens.clip(min=1) if self.by_mean else scores.log_probability
        return score_choices(items, values, rules=rules)


def candidate_scores(scorer: Scorer, items: Sequence[Item]) -> SequenceLogProbs:
    """The log-probabilities of all candidates, items in order."""
    pairs = [pair for item in items for pair in zip(item.sentences, item.completions, strict=True)]
    return scorer.sequence_log_probs(pairs)
