"""The numbers that each setting may have: one table, which knows nothing of what settings mean together.

An upper limit lies well above what anyone has a use for: it refuses a slip of the keyboard before it becomes an error
of memory, an endless loop or a run of nonsense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

RANGES = {
    "rules": "[2025, 2026]",
    "seed": "[0, 9e15]",
    "milestones": "[1, 1e10]",
    "corpus.toy.words": "[1, 1e8]",
    "corpus.toy.seed": "[0, 9e15]",
    "corpus.document_words": "[8, 1e9]",
    "tokenizer.vocab_size": "[300, 1e6]",
    "tokenizer.min_frequency": "[1, 1e9]",
    "model.hidden_size": "[4, 16384]",
    "model.num_hidden_layers": "[1, 1000]",
    "model.num_attention_heads": "[1, 4096]",
    "model.intermediate_size": "[1, 65536]",
    "model.max_position_embeddings": "[8, 1e6]",
    "model.norm_eps": "(0, 0.1]",
    "model.partial_rotary_factor": "(0, 1]",
    "model.rope_theta": "[1, 1e9]",
    "model.position_buckets": "[2, 65536]",
    "model.logit_softcap": "[0, 1e6]",
    "model.dropout": "[0, 1)",
    "model.attention_dropout": "[0, 1)",
    "objective.causal_ratio": "[0, 1]",
    "objective.mask_rate": "(0, 1)",
    "objective.span": "[1, 1e4]",
    "objective.keep": "[0, 1]",
    "objective.random": "[0, 1]",
    "objective.z_loss": "[0, 100]",
    "optimizer.lr": "(0, 100]",
    "optimizer.weight_decay": "[0, 100]",
    "optimizer.momentum": "[0, 1)",
    "optimizer.momentum_warmup": "[0, 1e9]",
    "optimizer.newton_schulz_steps": "[1, 20]",
    "optimizer.betas": "[0, 1)",
    "optimizer.eps": "(0, 1]",
    "optimizer.adam_lr": "(0, 100]",
    "optimizer.adam_weight_decay": "[0, 100]",
    "optimizer.max_grad_norm": "[0, 1e9]",
    "schedule.warmup": "[0, 1]",
    "schedule.cooldown": "[0, 1]",
    "schedule.final_lr_factor": "[0, 1]",
    "averaging.decay": "[0, 1)",
    "averaging.tail": "(0, 1]",
    "averaging.every": "[1, 1e6]",
    "phases.until": "(0, 1]",
    "phases.sequence_length": "[8, 1e6]",
    "phases.tokens_per_step": "[8, 2147483648]",
    "budget.words": "[1, 1e10]",
    "budget.epochs": "(0, 1000]",
    "budget.flops": "(0, 1e22]",
    "training.devices": "[1, 4096]",
    "training.accumulate_grad_batches": "[1, 65536]",
    "training.workers": "[0, 1024]",
    "training.threads": "[1, 1024]",
    "training.log_every": "[1, 1e9]",
    "training.checkpoint_minutes": "(0, inf]",
    "evaluation.loss_tokens": "[1, 1e10]",
    "evaluation.limit": "[1, 1e9]",
    "evaluation.glue.epochs": "[1, 1e4]",
    "evaluation.glue.batch": "[1, 65536]",
    "evaluation.glue.lr": "(0, 100]",
    "evaluation.glue.warmup": "[0, 1)",
    "evaluation.glue.weight_decay": "[0, 100]",
    "evaluation.glue.dropout": "[0, 1)",
    "evaluation.glue.length": "[8, 1e6]",
    "evaluation.glue.patience": "[1, 1e6]",
    "evaluation.glue.seeds": "[0, 9e15]",
    "evaluation.reading_csv.spillover": "[0, 100]",
    "submission.development_hours": "[0, 1e9]",
}
"""Key -> interval, as in mathematics: a round bracket leaves the limit out. Of a list, every entry lies in it."""


def check(section: Any, prefix: str = "") -> None:
    """``ValueError`` for the first number of ``section`` out of its range; ``prefix``: where the section lies."""
    for key, value in numbers(section):
        interval = RANGES[re.sub(r"\[\d+\]", "", prefix + key)]
        low, high = interval[1:-1].split(", ")
        if value != value:
            wrong = "must be a number"
        elif value < float(low) or (value == float(low) and interval[0] == "("):
            wrong = f"must be {'at least' if interval[0] == '[' else 'more than'} {low}"
        elif value > float(high) or (value == float(high) and interval[-1] == ")"):
            wrong = f"must be {'at most' if interval[-1] == ']' else 'less than'} {high}"
        else:
            continue
        raise ValueError(f"{key}: {wrong}, not {value}")


def numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a section and of what lies in it, with its key (``phases[0].until``); none for an empty one."""
    if is_dataclass(value):
        for field in fields(value):
            yield from numbers(getattr(value, field.name), f"{key}.{field.name}" if key else field.name)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from numbers(entry, f"{key}[{index}]")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key, value
