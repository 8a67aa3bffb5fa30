"""Items of a prompt as the model takes them: places in padded rows, labels, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Items(NamedTuple):
    """The items of one prompt; prompts of a batch may have different numbers of them."""

    positions: Sequence[int]
    """Of each item in the prompt's ids."""
    labels: Sequence[int]
    """The token that names each item."""
    pictures: Sequence[int] = ()
    """Number of each item's picture; empty if there are none."""


def model_inputs(items: Sequence[Items | None], pictures: Tensor | None, shifts: Sequence[int]) -> dict[str, Tensor]:
    """``item_positions``, ``item_labels`` (rows, items) and, with ``pictures`` (n, 3, size, size), ``pixel_values``.

    ``shifts``: pads in front of each row. Empty if no row has items.

    >>> model_inputs([Items([1, 3], [7, 8]), Items([1], [7])], None, [0, 2])["item_positions"].tolist()
    [[1, 3], [3, -1]]
    """
    most = max((len(row.positions) for row in items if row is not None), default=0)
    if most == 0:
        return {}
    positions, labels = (torch.full((len(items), most), -1) for _ in range(2))
    numbers = torch.zeros(len(items), most, dtype=torch.int64)
    for index, (row, shift) in enumerate(zip(items, shifts, strict=True)):
        if row is not None:
            positions[index, : len(row.positions)] = torch.tensor(row.positions) + shift
            labels[index, : len(row.labels)] = torch.tensor(row.labels)
            numbers[index, : len(row.pictures)] = torch.tensor(row.pictures, dtype=torch.int64)
    inputs = {"item_positions": positions, "item_labels": labels}
    if pictures is not None:
        inputs["pixel_values"] = pictures[numbers]
    return inputs
