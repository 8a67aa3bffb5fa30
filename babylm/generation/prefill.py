"""Reading prompts into a `KeyValueCache`: equal prompts once, and in groups of similar length, with little padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from babylm.generation.key_value_cache import Prefill

GROUP = {"cpu": 16}
"""Prompts of a forward: few on a CPU, where padding costs as much as text; all of them on a GPU."""


class PromptCache(Protocol):
    """A cache that a forward over prompts can fill."""

    def begin_prefill(self, prefill: Prefill) -> None:
        """The next forward reads prompts from their beginning."""

    def end_prefill(self) -> None:
        """All rows are filled."""


class Prompts:
    """Prompts of a batch, each of at least one token."""

    def __init__(self, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self.device = device
        self.lengths = torch.tensor([len(ids) for ids in prompts])  # on the CPU, where the host reads them
        self.width = int(self.lengths.max())
        self.rows: dict[tuple[int, ...], list[int]] = {}
        """Prompt -> its rows."""
        for row, ids in enumerate(prompts):
            self.rows.setdefault(tuple(ids), []).append(row)

    def groups(self) -> list[list[tuple[int, ...]]]:
        """Different prompts, longest first, in groups that are read together."""
        distinct = sorted(self.rows, key=len, reverse=True)
        size = GROUP.get(self.device.type, len(distinct))
        return [distinct[first : first + size] for first in range(0, len(distinct), size)]


def prefill(model: Any, prompts: Prompts, cache: PromptCache) -> Tensor:
    """Fill the cache; returns the hidden states (rows, hidden_size) after the last token of each prompt."""
    by_row: list[Tensor] = []
    order: list[int] = []
    for group in prompts.groups():
        width = len(group[0])
        input_ids = torch.tensor([ids[:1] * (width - len(ids)) + ids for ids in group], device=prompts.device)
        rows = [row for ids in group for row in prompts.rows[ids]]
        sources = [number for number, ids in enumerate(group) for _ in prompts.rows[ids]]
        source_rows = torch.tensor(sources, device=prompts.device)
        targets = torch.tensor(rows, device=prompts.device)
        cache.begin_prefill(Prefill(targets, source_rows, slice(prompts.width - width, prompts.width)))
        mask = position_ids = None
        if len(group[-1]) < width:
            lengths = torch.tensor([len(ids) for ids in group], device=prompts.device)
            columns = torch.arange(width, device=prompts.device)
            mask = (columns >= width - lengths[:, None]).long()  # (prompts, width)
            position_ids = (mask.cumsum(1) - 1).clamp(min=0)
        output = model.model(input_ids, attention_mask=mask, position_ids=position_ids, cache=cache, causal=True)
        by_row.append(output.last_hidden_state[:, -1][source_rows])
        order += rows
    cache.end_prefill()
    inverse = torch.tensor(order).argsort().to(prompts.device)
    return torch.cat(by_row)[inverse]
