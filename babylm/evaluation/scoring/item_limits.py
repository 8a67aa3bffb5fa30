"""Whether a model can score every item of a task as it is: checked before the first is scored."""

from __future__ import annotations

from collections.abc import Sequence

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.scoring import limits
from babylm.evaluation.scoring.scorer import Scorer


def check_items(scorer: Scorer, items: Sequence[Item], task: str) -> None:
    """`limits.BeyondModel` for the first item of ``task`` that the scorer's model cannot score as it is."""
    pairs = [pair for item in items for pair in zip(item.sentences, item.completions, strict=True)]
    owner = [index for index, item in enumerate(items) for _ in item.sentences]
    texts = scorer.encoded(pairs)

    def named(k: int) -> str:
        item = items[owner[k]]
        number = 1 + sum(other.uid == item.uid for other in items[: owner[k]])
        return f"{task}: item {number} of {item.uid} ({limits.shown(pairs[k][0])})"

    scorer.check(texts, named)
    for k, text in enumerate(texts):
        if not text.positions:
            raise limits.BeyondModel(
                f"{named(k)}: none of its {len(text.ids)} tokens is scored (the first has no score in a model without "
                "BOS), so it would win with a probability of 1"
            )
