"""Tasks in which the likeliest candidate is the answer."""

from __future__ import annotations

from collections.abc import Sequence

from babylm.evaluation.results.task_result import Item, Result, choose
from babylm.evaluation.scoring.scorer import Scorer, Scores


def score(scorer: Scorer, items: Sequence[Item], rules: int = 2025) -> Result:
    """Which candidate's completion has the largest log-probability, summed over its tokens."""
    return choose(items, ask(scorer, items).log_probability, rules=rules)


def score_mean(scorer: Scorer, items: Sequence[Item], rules: int = 2025) -> Result:
    """Which candidate's completion has the largest log-probability a token."""
    scores = ask(scorer, items)
    return choose(items, scores.log_probability / scores.tokens.clip(min=1), rules=rules)


def ask(scorer: Scorer, items: Sequence[Item]) -> Scores:
    """The scores of all candidates, items in order."""
    return scorer.score([pair for item in items for pair in zip(item.sentences, item.completions, strict=True)])
