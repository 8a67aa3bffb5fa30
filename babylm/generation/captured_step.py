"""One step of decoding as a CUDA graph: a single launch instead of some hundreds, which are most of a small step.

A captured step has fixed shapes: every column of the cache is read, and a mask leaves out those that hold nothing. The
newest token is always written to the last column, where the causal mask has it see everything before it, and moves to
its own column at the next step. The order of keys does not matter to attention, since positions are in the rotation of
the keys; for the relative positions of LTG-BERT, which count columns, a step is not captured.

The first use on a model runs the step both ways and compares; where that fails, decoding continues without the
capture and says so once.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from babylm.generation.key_value_cache import KeyValueCache
from babylm.generation.prefill import Prompts, prefill
from babylm.models.modeling_babylm import BabyLMForCausalLM

MULTIPLE = 64
"""Columns are a multiple of this, so that few shapes are captured."""


class FixedCache(KeyValueCache):
    """A cache whose steps read all columns; the newest token is in the last one."""

    def __init__(self, rows: int, columns: int, device: torch.device) -> None:
        super().__init__(rows, columns)
        self.previous = torch.zeros(1, dtype=torch.int64, device=device)
        """Column to which the token of the step before moves."""

    def get_seq_length(self, layer: int = 0) -> int:
        """All columns but the last."""
        return 0 if self._prefill is not None else self.columns - 1

    def update(self, key: Tensor, value: Tensor, layer: int, *rest: object) -> tuple[Tensor, Tensor]:
        """See `KeyValueCache`."""
        if self._prefill is not None:
            return super().update(key, value, layer, *rest)
        for stored, new in zip(self.layers[layer], (key, value), strict=True):
            stored.index_copy_(2, self.previous, stored[:, :, -1:].clone())
            stored[:, :, -1:] = new
        return self.layers[layer]

    def begin_steps(self, width: int) -> None:
        """The prompts end at column ``width``; their last token takes the part of the newest one."""
        self.previous.fill_(width - 1)
        for layer in self.layers:
            for stored in layer:
                stored[:, :, -1] = stored[:, :, width - 1]


class FixedStep:
    """A step on tensors of fixed shape and place, as a graph can replay it."""

    def __init__(self, model: BabyLMForCausalLM, rows: int, columns: int) -> None:
        self.shape = (rows, columns)
        self.weights = _places(model)
        device = next(model.parameters()).device
        self.cache = FixedCache(rows, columns, device)
        self.tokens = torch.zeros(rows, 1, dtype=torch.int64, device=device)
        self.position_ids = torch.zeros(rows, 1, dtype=torch.int64, device=device)
        self.mask = torch.zeros(rows, 1, columns, dtype=torch.int64, device=device)
        """1 for the columns that hold a token of the row; the last one is always seen."""
        self.graph: Any = None
        self.logits: Tensor | None = None

    def begin(self, model: BabyLMForCausalLM, prompts: Prompts) -> Tensor:
        """Read the prompts; returns float32 logits (rows, vocabulary) after them."""
        logits: Tensor = model.head(prefill(model, prompts, self.cache))
        width, lengths = prompts.width, prompts.lengths.to(prompts.device)
        self.position_ids.copy_(lengths[:, None] - 1)
        columns = torch.arange(self.shape[1], device=prompts.device)
        self.mask.copy_(((columns >= width - lengths[:, None]) & (columns < width)).long()[:, None])
        self.cache.begin_steps(width)
        return logits

    def step(self, model: BabyLMForCausalLM) -> Tensor:
        """Float32 logits (rows, vocabulary) after ``tokens``."""
        self.position_ids += 1
        if self.graph is None:
            logits = self._forward(model)
        else:
            self.graph.replay()
            assert self.logits is not None
            logits = self.logits
        self.cache.previous += 1
        self.mask.index_fill_(2, self.cache.previous, 1)
        return logits

    def capture(self, model: BabyLMForCausalLM) -> None:
        """Record the graph; the cache must have its layers, whose content is lost."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # kernels choose their algorithms in their first runs
                self._forward(model)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.logits = self._forward(model)
        self.graph = graph

    def _forward(self, model: BabyLMForCausalLM) -> Tensor:
        output = model(self.tokens, attention_mask=self.mask, position_ids=self.position_ids, cache=self.cache)
        return output.logits[:, -1].float()


_STEPS: weakref.WeakKeyDictionary[Any, FixedStep] = weakref.WeakKeyDictionary()
"""The last step of each model: a round of an interaction samples many batches of one shape."""
_REFUSED: weakref.WeakSet[Any] = weakref.WeakSet()
"""Models whose step could not be captured."""


class CapturedDecoder:
    """Decoding with a captured step. Rows that end stay in the batch, whose shape is fixed, and are not read."""

    captures = True

    def __init__(self, model: BabyLMForCausalLM) -> None:
        self.model = model

    @staticmethod
    def fits(model: BabyLMForCausalLM) -> bool:
        """Whether the model is on a GPU, has positions that allow it, and has not failed before."""
        return next(model.parameters()).is_cuda and model.config.position == "rotary" and model not in _REFUSED

    def prefill(self, prompts: Sequence[Sequence[int]], steps: int) -> Tensor:
        """See `babylm.generation.decoders.Decoder`."""
        read = Prompts(prompts, next(self.model.parameters()).device)
        columns = -(-(read.width + steps + 1) // MULTIPLE) * MULTIPLE
        self.fixed = self._fixed_step(read, columns)
        self.slots = torch.arange(len(prompts), device=read.device)
        return self.fixed.begin(self.model, read)

    def step(self, tokens: Tensor) -> Tensor:
        """See `babylm.generation.decoders.Decoder`."""
        self.fixed.tokens[self.slots, 0] = tokens
        return self.fixed.step(self.model)[self.slots]

    def keep(self, order: Sequence[int]) -> None:
        """See `babylm.generation.decoders.Decoder`."""
        self.slots = self.slots[torch.tensor(list(order), device=self.slots.device)]

    def _fixed_step(self, prompts: Prompts, columns: int) -> FixedStep:
        shape = (len(prompts.lengths), columns)
        fixed = _STEPS.get(self.model)
        if fixed is None or fixed.shape != shape or fixed.weights != _places(self.model):
            fixed = FixedStep(self.model, *shape)
            if self.captures and self._capture(fixed, prompts):
                _STEPS[self.model] = fixed
        return fixed

    def _capture(self, fixed: FixedStep, prompts: Prompts) -> bool:
        """Whether the step is captured and gives, after the prompts, what it gives uncaptured."""
        fixed.begin(self.model, prompts)
        expected = fixed.step(self.model).clone()
        try:
            fixed.capture(self.model)
            fixed.begin(self.model, prompts)
            torch.testing.assert_close(fixed.step(self.model), expected, rtol=1e-2, atol=1e-2)
        except (RuntimeError, AssertionError) as error:
            fixed.graph = None
            _REFUSED.add(self.model)
            reason = " ".join(str(error).split())[:200]
            print(f"note: decoding is not captured as a CUDA graph ({reason})", file=sys.stderr)
            return False
        return True


def _places(model: BabyLMForCausalLM) -> tuple[Any, ...]:
    """Where the weights are in memory: a graph reads them there, with the values that they have then."""
    return tuple((parameter.data_ptr(), parameter.dtype) for parameter in model.parameters())
