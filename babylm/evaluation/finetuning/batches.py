"""Batches of rows, and their tensors.

The order of an epoch is a pure function of (lengths, seed, epoch). With buckets, rows are shuffled as officially and
then sorted by length within windows of some batches, so that a batch holds rows of about one length, different ones in
each epoch, with next to no padding; the batches come in random order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

WINDOW = 32
"""Batches sorted by length together."""


def epoch_batches(lengths: np.ndarray, size: int, seed: int, epoch: int, buckets: bool = True) -> list[np.ndarray]:
    """Indices of the rows of each batch of an epoch; a last batch that is not full is left out, as officially.

    Fewer rows than one batch are one batch.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    count = max(1, len(lengths) // size)
    order = order[: count * size]
    if buckets:
        windows = np.array_split(order, range(WINDOW * size, len(order), WINDOW * size))
        order = np.concatenate([window[np.argsort(lengths[window], kind="stable")] for window in windows])
    batches = np.array_split(order, range(size, len(order), size))
    return [batches[k] for k in generator.permutation(len(batches))]


def by_length(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    """All rows, sorted by length, ``size`` at a time: for validation, where the order does not matter."""
    return np.array_split(np.argsort(lengths, kind="stable"), range(size, len(lengths), size))


def pad(
    rows: Sequence[Sequence[int]], filler: int, device: torch.device, multiple: int = 1, longest: int | None = None
) -> tuple[Tensor, Tensor]:
    """(rows, width) int64 token ids, padded on the right, and their mask of ones and zeros.

    The width is the longest row's, rounded up to a ``multiple`` but not beyond ``longest``.
    """
    lengths = torch.tensor([len(row) for row in rows])
    needed = int(lengths.max())
    rounded = needed + -needed % multiple
    width = rounded if longest is None else max(needed, min(rounded, longest))
    ids = torch.full((len(rows), width), filler)
    mask = (torch.arange(width) < lengths[:, None]).long()
    ids[mask.bool()] = torch.tensor([token for row in rows for token in row])
    return ids.to(device), mask.to(device)
