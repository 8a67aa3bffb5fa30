"""The logits of a few hidden states, which take a third of a small model's step on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from babylm.generation.packed_linear import PackedLinear
from babylm.models.head import Head
from babylm.models.token_loss import softcap

LARGE = 1 << 20
"""Numbers in a weight from which on laying it out anew pays."""


class OutputLayer:
    """`Head.forward` for many steps with the same weights."""

    def __init__(self, head: Head, rows: int) -> None:
        weight = head.output.weight
        self.head = head
        self.product: PackedLinear | None = None
        if weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.numel() >= LARGE:
            self.product = PackedLinear([weight], rows, head.output.bias)

    def __call__(self, hidden: Tensor) -> Tensor:
        """Float32 logits (rows, vocabulary) of hidden states (rows, hidden_size)."""
        if self.product is None or hidden.dtype != torch.float32:
            return self.head(hidden)
        return softcap(self.product(self.head.transform(hidden)), self.head.logit_softcap)
