"""Logits of the next token, step after step, for a batch of prompts: `decoder` chooses how for a model.

All decoders do the same: `Decoder.prefill` reads the prompts, `Decoder.step` one more token per row, `Decoder.keep`
drops the rows that have ended.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from babylm.generation.captured_step import CapturedDecoder
from babylm.generation.cpu_step import CpuDecoder
from babylm.generation.key_value_cache import KeyValueCache
from babylm.generation.output_layer import OutputLayer
from babylm.generation.prefill import Prompts, prefill
from babylm.models.arguments import CACHE
from babylm.models.modeling_babylm import BabyLMForCausalLM


class Decoder(Protocol):
    """Logits step by step."""

    def prefill(self, prompts: Sequence[Sequence[int]], steps: int) -> Tensor:
        """Float32 logits (rows, vocabulary) after the prompts, which at most ``steps`` tokens will follow."""

    def step(self, tokens: Tensor) -> Tensor:
        """Float32 logits (rows, vocabulary) after one more token per row (rows,)."""

    def keep(self, order: Sequence[int]) -> None:
        """Continue with the rows ``order``, in this order."""


def decoder(model: Any) -> Decoder:
    """The fastest decoder for a model: without copies for ours, captured on a GPU; transformers' cache for others."""
    if not isinstance(model, BabyLMForCausalLM):
        return ForeignDecoder(model)
    if CapturedDecoder.fits(model):
        return CapturedDecoder(model)
    if CpuDecoder.fits(model):
        return CpuDecoder(model)
    return PreallocatedDecoder(model)


class PreallocatedDecoder:
    """Our models: a cache of fixed size, equal prompts read once, prompts read in groups of similar length."""

    def __init__(self, model: BabyLMForCausalLM) -> None:
        self.model = model

    def prefill(self, prompts: Sequence[Sequence[int]], steps: int) -> Tensor:
        """See `Decoder`."""
        self.prompts = Prompts(prompts, next(self.model.parameters()).device)
        self.cache = KeyValueCache(len(prompts), self.prompts.width + steps)
        self.lengths = self.prompts.lengths
        self.end = self.prompts.width
        self.output = OutputLayer(self.model.head, len(prompts))
        return self.output(prefill(self.model, self.prompts, self.cache))

    def step(self, tokens: Tensor) -> Tensor:
        """See `Decoder`."""
        self.cache.start = self.end - int(self.lengths.max())
        self.end += 1
        position_ids = self.lengths[:, None].to(tokens.device)  # (rows, 1)
        self.lengths = self.lengths + 1
        mask = None
        if int(self.lengths.min()) < self.end - self.cache.start:  # some row has padding in front
            columns = torch.arange(self.cache.start, self.end)
            mask = (columns >= self.end - self.lengths[:, None]).long().to(tokens.device)  # (rows, tokens)
        given = {"attention_mask": mask, "position_ids": position_ids, "cache": self.cache, "causal": True}
        return self.output(self.model.model(tokens[:, None], **given).last_hidden_state[:, -1])

    def keep(self, order: Sequence[int]) -> None:
        """See `Decoder`."""
        self.cache.keep(order)
        self.lengths = self.lengths[list(order)]


class ForeignDecoder:
    """Any causal model of transformers, with the cache that it makes itself."""

    def __init__(self, model: Any) -> None:
        self.model = model
        takes = inspect.signature(model.forward).parameters
        self.last_alone = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        self.takes_positions = "position_ids" in takes

    def prefill(self, prompts: Sequence[Sequence[int]], steps: int) -> Tensor:
        """See `Decoder`."""
        device = next(self.model.parameters()).device
        width = max(map(len, prompts))
        input_ids = torch.tensor([list(ids[:1]) * (width - len(ids)) + list(ids) for ids in prompts], device=device)
        self.mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=device)
        self.cache: Any = None
        return self._forward(input_ids)

    def step(self, tokens: Tensor) -> Tensor:
        """See `Decoder`."""
        self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], 1)
        return self._forward(tokens[:, None])

    def keep(self, order: Sequence[int]) -> None:
        """See `Decoder`."""
        rows = torch.tensor(list(order), device=self.mask.device)
        self.mask = self.mask[rows]
        if hasattr(self.cache, "batch_select_indices"):
            self.cache.batch_select_indices(rows)
        else:
            self.cache.reorder_cache(rows)

    def _forward(self, input_ids: Tensor) -> Tensor:
        given: dict[str, Any] = dict(self.last_alone)
        if self.takes_positions:
            given["position_ids"] = (self.mask.cumsum(1) - 1).clamp(min=0)[:, -input_ids.shape[1] :]
        output = self.model(
            input_ids=input_ids, attention_mask=self.mask, use_cache=True, **{CACHE: self.cache}, **given
        )
        self.cache = getattr(output, CACHE)
        return output.logits[:, -1].float()
