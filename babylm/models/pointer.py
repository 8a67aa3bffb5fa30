"""A pointer over items: the label of an item becomes likelier where the hidden state points to that item.

Items are positions of the row (a picture, a description), and each has a label, an ordinary entry of the vocabulary
("A", "B", ...). At every position t the logit of item i's label gets ``query(h_t) . key(h_i)`` on top. So to choose an
item is to say an ordinary token with an ordinary log-probability. Without it, a small model that is trained from
scratch does not learn to say the label of what is described.

The product is not divided by the root of its width as in attention: so divided, the choice stays at chance for hundreds
of steps (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration_babylm import BabyLMConfig
from .layers import Linear


@dataclass
class CausalLMOutputWithItems(CausalLMOutputWithPast):
    """The output of a causal LM, and the keys of the items, which later steps of a generation need beside the cache."""

    item_keys: Tensor | None = None


class ItemScores(NamedTuple):
    """What the pointer adds: (..., I) values for the labels (..., I); a label of -1 is no item."""

    values: Tensor
    labels: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> ItemScores:
        """The same after ``function``, for example a selection of positions."""
        return ItemScores(function(self.values), function(self.labels))

    def add_to(self, logits: Tensor) -> Tensor:
        """``logits`` (..., vocab_size) with the values on top, float32."""
        is_item = self.labels >= 0
        values = self.values.float() * is_item
        return logits.float().scatter_add(-1, self.labels * is_item, values)


class ItemPointer(nn.Module):
    """Queries of all positions, keys of the items."""

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.query, self.key = Linear(width, width), Linear(width, width)

    def keys(self, hidden: Tensor, item_positions: Tensor) -> Tensor:
        """Keys (B, I, hidden_size) of the items at ``item_positions`` (B, I), -1 for none, of ``hidden``."""
        index = item_positions.clamp(min=0)[..., None].expand(-1, -1, hidden.shape[-1])
        return self.key(hidden.gather(1, index))

    def forward(self, hidden: Tensor, keys: Tensor, labels: Tensor, item_positions: Tensor | None = None) -> ItemScores:
        """Scores of the items at each position of ``hidden`` (B, T, hidden_size); ``labels`` (B, I).

        Items at ``item_positions`` (B, I) that are still to come are none. Without positions all items have been read.
        """
        scores = self.query(hidden) @ keys.transpose(1, 2)  # (B, T, I)
        labels = labels[:, None].expand_as(scores)
        if item_positions is not None:
            times = torch.arange(hidden.shape[1], device=hidden.device)[:, None]
            labels = labels.masked_fill(item_positions[:, None] > times, -1)
        return ItemScores(scores, labels)
