"""Scoring in bf16: a choice that is kept apart by name, and says how many decisions it changes.

Weights and activations are bf16, the softmax is fp32 (`babylm.evaluation.scoring.log_probs`). On a CPU with AMX, and on
a GPU, this is faster; near-ties turn, and where a model is sure of nothing there are many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from babylm.evaluation.results.task_result import Result, evenly
from babylm.evaluation.scoring.scorer import Scorer

SAMPLE = 500
"""Items that are decided in both types."""
SUFFIX = "-bf16"


def named(backend: str, dtype: str) -> str:
    """The scorer's name in results: a result in bf16 is another one."""
    return backend + SUFFIX if dtype == "bf16" else backend


def narrowed(scorer: Scorer) -> Scorer:
    """A scorer in fp32 made one in bf16, in place; what its network can do is found out before, exactly."""
    scorer.network.settle(causal=scorer.backend == "causal")
    scorer.model.to(torch.bfloat16)
    scorer.network.dtype = torch.bfloat16
    return scorer


def with_flips(
    task: Any, result: Result, narrow: Scorer, wide: Callable[[], Scorer], items: Sequence[Any], rules: int
) -> Result:
    """``result`` of ``narrow`` with ``details["against_fp32"]``: items compared (evenly spaced) and decisions flipped.

    ``wide`` gives the same model's scorer in fp32. A task without decisions stays as it is. A tie, which the rules of
    2026 would draw, is taken for the first candidate on both sides.
    """
    if narrow.network.dtype == torch.float32 or len(result.chosen) != len(items):
        return result
    sample = evenly(items, SAMPLE)
    one, other = (task.score(scorer, sample, rules=2025).chosen for scorer in (narrow, wide()))
    counted = {"compared": len(sample), "flipped": int((one != other).sum())}
    return replace(result, details={**result.details, "against_fp32": counted})
