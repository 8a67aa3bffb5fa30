"""A key-value cache of fixed size in which nothing is copied from step to step.

transformers' ``DynamicCache`` appends by copying all keys and values so far in every layer and step; here a step writes
its one column. Rows that end are replaced by the last rows, so that the batch stays a slice of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Prefill(NamedTuple):
    """Which rows a forward over prompts fills."""

    rows: Tensor
    """(n,): rows of the cache."""
    sources: Tensor
    """(n,): the row of the forward that each of them takes; several may share one."""
    columns: slice
    """Columns of the cache, as many as the forward has tokens."""


class KeyValueCache:
    """Keys and values of ``rows`` rows and ``columns`` tokens, in the interface that our models use.

    Prompts are padded on the left: all rows end at the same column. ``start`` is the first column that a row still
    uses; the ones before hold padding alone and are left out.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.start = self.end = 0
        self.layers: list[tuple[Tensor, Tensor]] = []
        """Per layer keys and values, (rows, heads, columns, head_dim)."""
        self._ends: list[int] = []
        """Per layer the number of columns that are filled."""
        self._prefill: Prefill | None = None

    def get_seq_length(self, layer: int = 0) -> int:
        """Tokens so far, padding included."""
        if self._prefill is not None:
            return 0
        return (self._ends[layer] if self._ends else 0) - self.start

    def update(self, key: Tensor, value: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        """Store ``key`` and ``value``, (rows, heads, tokens, head_dim); returns those of all tokens so far."""
        if layer == len(self.layers):
            # Zeros, not garbage: masked columns are multiplied by zero, and a NaN times zero is NaN.
            heads, size = key.shape[1], key.shape[3]
            self.layers.append((self._zeros(key, heads, size), self._zeros(value, heads, size)))
            self._ends.append(0)
        if self._prefill is not None:
            for stored, new in zip(self.layers[layer], (key, value), strict=True):
                stored[self._prefill.rows, :, self._prefill.columns] = new[self._prefill.sources]
            self._ends[layer] = self._prefill.columns.stop
            return key, value
        begin = self._ends[layer]
        end = self._ends[layer] = begin + key.shape[2]
        for stored, new in zip(self.layers[layer], (key, value), strict=True):
            stored[: self.rows, :, begin:end] = new
        keys, values = (stored[: self.rows, :, self.start : end] for stored in self.layers[layer])
        return keys, values

    def begin_prefill(self, prefill: Prefill) -> None:
        """The next forward reads prompts from their beginning."""
        self._prefill = prefill

    def end_prefill(self) -> None:
        """All rows are filled; the next forward reads one token of each."""
        self._prefill = None

    def keep(self, order: Sequence[int]) -> None:
        """Continue with the rows ``order``, in this order; rows move to the front by themselves where they differ."""
        if moved := moves(order):
            targets, sources = (part.to(self.layers[0][0].device) for part in moved)
            for layer, end in zip(self.layers, self._ends, strict=True):
                for stored in layer:
                    stored[targets, :, :end] = stored[sources, :, :end]
        self.rows = len(order)

    def _zeros(self, like: Tensor, heads: int, size: int) -> Tensor:
        return like.new_zeros(self.rows, heads, self.columns, size)


def moves(order: Sequence[int]) -> tuple[Tensor, Tensor] | None:
    """Rows to be filled and the rows that go there, so that rows are in this order; None if all are there already.

    >>> moves([0, 4, 2])
    (tensor([1]), tensor([4]))
    """
    moved = [(target, source) for target, source in enumerate(order) if target != source]
    return (torch.tensor([pair[0] for pair in moved]), torch.tensor([pair[1] for pair in moved])) if moved else None


def compact_order(alive: Sequence[bool]) -> list[int]:
    """The order of the rows that go on: those in front stay, and holes are filled from the back.

    >>> compact_order([True, False, True, False, True])
    [0, 4, 2]
    """
    rows = [row for row, goes_on in enumerate(alive) if goes_on]
    tail = [row for row in rows if row >= len(rows)]
    return [row if alive[row] else tail.pop() for row in range(len(rows))]
