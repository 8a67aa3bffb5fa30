"""bf16 scoring (opt-in).

Results are stored as ``<backend>-bf16`` and report how many decisions differ from fp32 on a sample. Weights and
activations are bf16, the softmax is fp32 (`babylm.evaluation.scoring.log_probs`). Faster on GPUs and on CPUs with AMX;
near-ties flip, and barely trained models have many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from babylm.evaluation.results.task_result import Result, evenly_spaced
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.task import Task

SAMPLE = 500
"""Items that are scored in both dtypes."""
SUFFIX = "-bf16"


def scorer_name(backend: str, dtype: str) -> str:
    """The backend as results name it, so that bf16 results are kept apart.

    >>> scorer_name("causal", "bf16")
    'causal-bf16'
    """
    return backend + SUFFIX if dtype == "bf16" else backend


def to_bf16(scorer: Scorer) -> Scorer:
    """Convert an fp32 scorer in place; which shortcuts its model allows is probed before, in fp32."""
    scorer.log_prob_model.probe_shortcuts(causal=scorer.backend == "causal")
    scorer.model.to(torch.bfloat16)
    scorer.log_prob_model.dtype = torch.bfloat16
    return scorer


def count_flips(
    task: Task, result: Result, scorer: Scorer, fp32_scorer: Callable[[], Scorer], items: Sequence[Any]
) -> Result:
    """``result`` of ``scorer`` with ``details["against_fp32"]``: items compared (evenly spaced) and decisions flipped.

    ``fp32_scorer`` returns the same model's scorer in fp32. The result of an fp32 scorer, and that of a task without
    decisions, is returned as it is. A tie, which the rules of 2026 would draw, counts as the first candidate on both
    sides.
    """
    if scorer.log_prob_model.dtype == torch.float32 or len(result.chosen) != len(items):
        return result
    sample = evenly_spaced(items, SAMPLE)
    in_bf16, in_fp32 = (task.score(each, sample, rules=2025).chosen for each in (scorer, fp32_scorer()))
    flips = {"compared": len(sample), "flipped": int((in_bf16 != in_fp32).sum())}
    return replace(result, details={**result.details, "against_fp32": flips})
