"""The rows of a packed batch by mode, causal ones first: what a kernel takes that does one mode per call."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor


class RowOrder(NamedTuple):
    """Tensors (B,) on one device."""

    bidirectional: Tensor
    """bool: the row attends both ways."""
    order: Tensor
    """The rows, causal ones first."""
    back: Tensor
    """The inverse of ``order``."""


@lru_cache(maxsize=256)
def row_order(bidirectional: tuple[bool, ...], device: torch.device) -> RowOrder:
    """The order of rows of these modes; kept, as few patterns are met and a copy to a GPU would make it wait.

    >>> row_order((True, False, True, False), torch.device("cpu")).order
    tensor([1, 3, 0, 2])
    """
    with torch.inference_mode(False):  # what scoring made first, training may use
        modes = torch.tensor(bidirectional, dtype=torch.bool)
        order = modes.int().argsort(stable=True)
        return RowOrder(modes.to(device), order.to(device), order.argsort().to(device))
