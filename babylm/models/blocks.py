"""One layer: an attention and a feed-forward branch, each normed in front and added to the stream."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .attention import Layout, attend
from .configuration import BabyLMConfig
from .layers import FeedForward, Linear, Norm, add_branch, project
from .position import relative_bias, rotate


class Context(NamedTuple):
    """What all layers of a forward share."""

    layout: Layout
    rotary: tuple[Tensor, Tensor] | None = None
    """Cosines and sines of ``rotary`` positions."""
    relative: Tensor | None = None
    """Normed table of ``relative`` positions, (2 * buckets - 1, hidden)."""
    buckets: Tensor | None = None
    """Row of that table by (query, key)."""
    cache: Any = None
    """Keys and values of earlier tokens (a Hugging Face cache)."""


class Attention(nn.Module):
    """Multi-head self-attention with QK-norm, a value residual and an output gate, all by configuration."""

    def __init__(self, config: BabyLMConfig, layer: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.layer = layer
        self.heads, self.head_dim = config.num_attention_heads, config.head_dim
        self.dropout = config.attention_dropout
        self.gating = config.attention_gate
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.gate = None
        if config.attention_gate != "none":
            self.gate = Linear(width, self.heads if config.attention_gate == "head" else width, role="gate")
        self.query_norm = Norm(self.head_dim, config) if config.qk_norm else None
        self.key_norm = Norm(self.head_dim, config) if config.qk_norm else None
        self.value_mix = nn.Parameter(torch.zeros(1)) if config.value_residual and layer > 0 else None
        self.norm = Norm(width, config) if config.inner_norm else None
        self.out = Linear(width, width, role="output")

    def forward(self, x: Tensor, first_value: Tensor | None, context: Context) -> tuple[Tensor, Tensor]:
        """(rows, length, width) to the same, and this layer's values before mixing (rows, length, heads, head_dim)."""
        split = (self.heads, self.head_dim)
        query, key, value = (y.unflatten(-1, split) for y in project(x, self.query, self.key, self.value))
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        if context.rotary is not None:
            query, key = rotate(query, context.rotary), rotate(key, context.rotary)
        own_value = value
        if self.value_mix is not None and first_value is not None:
            value = torch.lerp(value, first_value, self.value_mix.to(value.dtype))
        if context.cache is not None:
            pair = context.cache.update(key.transpose(1, 2), value.transpose(1, 2), self.layer)
            key, value = (x.transpose(1, 2) for x in pair)
        bias, scale = None, None
        if context.relative is not None and context.buckets is not None:
            bias, scale = self._relative(query, key, context.relative, context.buckets), (3 * self.head_dim) ** -0.5
        dropout = self.dropout if self.training else 0.0
        mixed = attend(query, key, value, context.layout, scale=scale, dropout=dropout, bias=bias)
        mixed = self._gated(mixed, x)
        return self.out(mixed if self.norm is None else self.norm(mixed)), own_value

    def _gated(self, mixed: Tensor, x: Tensor) -> Tensor:
        if self.gate is None:
            return mixed.flatten(2)
        gate = 2 * torch.sigmoid(self.gate(x))
        return (mixed * gate[..., None]).flatten(2) if self.gating == "head" else mixed.flatten(2) * gate

    def _relative(self, query: Tensor, key: Tensor, table: Tensor, index: Tensor) -> Tensor:
        table_query, table_key = (
            project(table).unflatten(-1, (self.heads, self.head_dim)) for project in (self.query, self.key)
        )
        if self.query_norm is not None and self.key_norm is not None:
            table_query, table_key = self.query_norm(table_query), self.key_norm(table_key)
        return relative_bias(query, key, table_query, table_key, index)


class Block(nn.Module):
    """A layer: attention, then feed-forward."""

    def __init__(self, config: BabyLMConfig, layer: int) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.input_mix = nn.Parameter(torch.zeros(1)) if config.input_skip and layer > 0 else None
        half = config.num_hidden_layers // 2
        closes_skip = config.depth == "unet" and layer >= config.num_hidden_layers - half
        self.skip_mix = nn.Parameter(torch.zeros(1)) if closes_skip else None
        self.attention_norm = Norm(config.hidden_size, config)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = Norm(config.hidden_size, config)
        self.feed_forward = FeedForward(config)

    def forward(
        self, x: Tensor, inputs: Tensor, first_value: Tensor | None, skip: Tensor | None, context: Context
    ) -> tuple[Tensor, Tensor]:
        """The stream after this layer, and its values.

        ``inputs`` is the embedded text, ``first_value`` the first layer's values, ``skip`` the stream after the
        mirrored layer of the first half (``depth: unet``).
        """
        x, value = self.attend(x, inputs, first_value, skip, context)
        return self.feed(x), value

    def attend(
        self, x: Tensor, inputs: Tensor, first_value: Tensor | None, skip: Tensor | None, context: Context
    ) -> tuple[Tensor, Tensor]:
        """The first half: mixing in what came before, and the attention branch."""
        if self.input_mix is not None:
            x = x + self.input_mix.to(x.dtype) * inputs
        if self.skip_mix is not None and skip is not None:
            x = x + self.skip_mix.to(x.dtype) * skip
        branch, value = self.attention(self.attention_norm(x), first_value, context)
        return add_branch(x, branch, self.dropout if self.training else 0.0), value

    def feed(self, x: Tensor) -> Tensor:
        """The second half: the feed-forward branch."""
        branch = self.feed_forward(self.feed_forward_norm(x))
        return add_branch(x, branch, self.dropout if self.training else 0.0)
