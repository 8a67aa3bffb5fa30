"""What a model says of its size: how many positions it has, and how many tokens."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

TABLE = re.compile(r"(^|[._])(wpe|pos|position|positions|positional)([._]|$)")
"""Names of embeddings of absolute positions: GPT-2's wpe, BERT's position_embeddings, OPT's embed_positions, ..."""
RELATIVE = re.compile(r"rel|dist|bias")
STATED = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length")


def table_positions(model: nn.Module) -> int | None:
    """Number of entries of the smallest table of absolute positions; None without a table."""
    sizes = []
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, nn.Embedding) and TABLE.search(last) and not RELATIVE.search(last):
            # RoBERTa counts from behind its padding id, OPT and BART from an offset.
            padding = -1 if module.padding_idx is None else module.padding_idx
            sizes.append(module.num_embeddings - max(padding + 1, int(getattr(module, "offset", 0) or 0)))
    return min(sizes, default=None)


def stated_positions(model: nn.Module) -> int | None:
    """Number of positions that the configuration states; None if it states none."""
    config = getattr(model, "config", None)
    values = (getattr(config, name, None) for name in STATED)
    return next((value for value in values if isinstance(value, int) and value > 0), None)


def entries(model: Any) -> int | None:
    """Number of tokens of the input embedding; None if the model does not say."""
    try:
        embedding = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    weight = getattr(embedding, "weight", None)
    return weight.shape[0] if isinstance(weight, torch.Tensor) and weight.dim() == 2 else None
