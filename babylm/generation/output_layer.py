"""The logits of a few hidden states, which take a third of a small model's step on a CPU.

oneDNN's product with a weight that it has laid out for itself takes half the time of torch's own (64 rows, 256 to
16,384, fp32: ``docs/results.md``). It is an operator that torch's compiler uses, not a documented one, so it is tried
once per process and compared; where that fails, torch's product is used.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from babylm.models.head import Head
from babylm.models.token_loss import softcap

LARGE = 1 << 20
"""Numbers in a weight from which on laying it out anew pays."""


class OutputLayer:
    """`Head.forward` for many steps with the same weights."""

    def __init__(self, head: Head, rows: int) -> None:
        weight = head.output.weight
        self.head = head
        self.packed: Any = None
        pays = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.numel() >= LARGE
        if pays and packing_works():
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)

    def __call__(self, hidden: Tensor) -> Tensor:
        """Float32 logits (rows, vocabulary) of hidden states (rows, hidden_size)."""
        if self.packed is None or hidden.dtype != torch.float32:
            return self.head(hidden)
        logits = _packed_product(self.head.transform(hidden), self.packed, self.head.output.bias)
        return softcap(logits, self.head.logit_softcap)


def _packed_product(x: Tensor, packed: Any, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    return product


@cache
def packing_works() -> bool:
    """Whether torch has the operators and they give a product."""
    x, weight, bias = torch.linspace(-1, 1, 32).view(2, 16), torch.linspace(-1, 1, 128).view(8, 16), torch.ones(8)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, 2)
        return torch.allclose(_packed_product(x, packed, bias), F.linear(x, weight, bias), atol=1e-4)
    except (AttributeError, RuntimeError, TypeError, NotImplementedError):
        return False
