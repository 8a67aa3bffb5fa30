"""Products with weights that are used for many steps, in the layout of oneDNN where that is faster.

oneDNN's product with a weight that it has laid out for itself takes 0.6 of the time of torch's own for an output layer
(64 rows, 256 to 16,384, fp32) and 0.9 for the layers (``docs/log.md``). It is an operator that torch's compiler uses,
not a documented one, so it is tried once per process and compared; where that fails, torch's product is used.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class PackedLinear:
    """``F.linear`` with one weight, or with several on top of each other, as they are now; ``rows``: of most inputs."""

    def __init__(self, weights: list[Tensor], rows: int, bias: Tensor | None = None) -> None:
        weight = (weights[0] if len(weights) == 1 else torch.cat(weights)).detach()
        self.bias = bias
        self.is_packed = weight.device.type == "cpu" and weight.dtype == torch.float32 and packing_works()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, rows) if self.is_packed else weight

    def __call__(self, x: Tensor) -> Tensor:
        """(rows, inputs) to (rows, outputs)."""
        return _packed_product(x, self.weight, self.bias) if self.is_packed else F.linear(x, self.weight, self.bias)


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
