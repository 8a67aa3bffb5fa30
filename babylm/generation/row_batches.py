"""Sequences as padded rows, those of similar length together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def by_length(lengths: Sequence[int], rows: int) -> Iterator[list[int]]:
    """The indices of sequences in batches of ``rows``, the shortest first.

    >>> list(by_length([5, 2, 9, 2], rows=2))
    [[1, 3], [0, 2]]
    """
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    for first in range(0, len(order), rows):
        yield order[first : first + rows]


def right_padded(sequences: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, (rows, longest) each; ``pad`` fills up rows.

    >>> right_padded([[5, 6], [7]], pad=0, device=torch.device("cpu"))
    (tensor([[5, 6],
            [7, 0]]), tensor([[1, 1],
            [1, 0]]))
    """
    width = max(map(len, sequences))
    input_ids = [[*ids, *[pad] * (width - len(ids))] for ids in sequences]
    mask = [[1] * len(ids) + [0] * (width - len(ids)) for ids in sequences]
    return torch.tensor(input_ids, device=device), torch.tensor(mask, device=device)
