"""A step of decoding on a CPU with few operations: a third of the model's own, on the same weights.

What makes a step of the model slow beside its products is the number of its operations and how the cache is laid out
in memory. Here:

* Query, key, value and gate are one product, as are the two halves of the feed-forward branch; their weights are laid
  out anew once per batch (`babylm.generation.packed_linear`).
* The dimensions of a head are reordered so that those which rotate together are neighbours: a rotation is then one
  multiplication of complex numbers. Inner products do not depend on the order.
* Attention reads all columns of the cache, masking those that hold nothing: gaps of a kilobyte between the heads take
  more time than reading them (``docs/log.md``). The cache grows by `COLUMNS` columns.

The model's own forward reads the prompts. `CpuDecoder.fits` says which models have this form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from babylm.generation.key_value_cache import Prefill, moves
from babylm.generation.output_layer import OutputLayer
from babylm.generation.packed_linear import PackedLinear
from babylm.generation.prefill import Prompts, prefill
from babylm.models.blocks import Block
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.models.positions import rotary_table

COLUMNS = 32
"""The cache grows by so many columns: more are read in vain, fewer are copied more often."""


class CpuDecoder:
    """See `babylm.generation.decoders.Decoder`."""

    def __init__(self, model: BabyLMForCausalLM) -> None:
        self.model = model

    @staticmethod
    def fits(model: BabyLMForCausalLM) -> bool:
        """Whether the model is on a CPU in fp32 and has the form that is computed here."""
        config, weight = model.config, model.model.embedding.weight
        form = config.position, config.layer_connections, config.norm, config.norm_affine, config.sub_norm
        plain = form == ("rotary", "standard", "rms", False, False) and config.activation != "relu2"
        on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
        return plain and on_cpu and config.head_dim % 2 == 0 and not torch.is_autocast_enabled("cpu")

    def prefill(self, prompts: Sequence[Sequence[int]], steps: int) -> Tensor:
        """See `Decoder`."""
        read = Prompts(prompts, torch.device("cpu"))
        config, rows = self.model.config, len(prompts)
        pairs = config.rotary_dim // 2
        self.turns = _turns(read.width + steps, config.head_dim, config.rotary_dim, config.rope_theta)
        order = _pairwise(config.head_dim, pairs)
        self.layers = [_Layer(block, order, rows) for block in self.model.model.blocks]  # type: ignore[arg-type]
        self.cache = _Cache(len(self.layers), rows, config.num_attention_heads, config.head_dim, order)
        self.last = read.width + steps
        """Columns that are needed at most."""
        self.cache.grow(min(read.width + COLUMNS, self.last))
        self.output = OutputLayer(self.model.head, rows)
        self.lengths, self.end = read.lengths, read.width
        return self.output(prefill(self.model, read, self.cache))

    def step(self, tokens: Tensor) -> Tensor:
        """See `Decoder`."""
        cache = self.cache
        if self.end == cache.columns:
            unused = self.end - int(self.lengths.max())
            self.end, self.last = self.end - unused, self.last - unused
            cache.grow(min(self.end + COLUMNS, self.last), unused)
        turns = self.turns[self.lengths][:, None]  # (rows, 1, head_dim / 2)
        self.lengths = self.lengths + 1
        column, self.end = self.end, self.end + 1
        mask = self._mask(cache.columns)
        x = x0 = _normed(self.model.model.embedding(tokens), self.model.config.norm_eps)
        first_value = None
        for number, layer in enumerate(self.layers):
            x, value = layer(x, x0, first_value, turns, cache.layer(number), column, mask)
            first_value = value if first_value is None else first_value
        return self.output(_normed(x, self.model.config.norm_eps))

    def keep(self, order: Sequence[int]) -> None:
        """See `Decoder`."""
        self.cache.keep(order)
        self.lengths = self.lengths[list(order)]

    def _mask(self, columns: int) -> Tensor:
        """(rows * heads or 1, 1, columns): 0 for columns that hold a token of the row, else -inf."""
        places = torch.arange(columns)
        beyond = places >= self.end
        if int(self.lengths.min()) < self.end:  # some row has padding in front
            beyond = beyond | (places < self.end - self.lengths[:, None])
            beyond = beyond.repeat_interleave(self.model.config.num_attention_heads, 0)
        return torch.zeros(beyond.shape).masked_fill_(beyond, -math.inf).view(-1, 1, columns)


class _Layer:
    """A step through one `Block`; ``order``: of the dimensions of a head."""

    def __init__(self, block: Block, order: Tensor, rows: int) -> None:
        attention, feed_forward = block.attention, block.feed_forward
        self.heads, self.head_dim = attention.heads, attention.head_dim
        self.width = self.heads * self.head_dim
        self.eps, self.is_normed = block.attention_norm.eps, attention.query_norm is not None
        self.input_share = None if block.input_mix is None else float(block.input_mix)
        self.value_share = None if attention.value_mix is None else float(attention.value_mix)
        turned = [
            layer.weight.view(self.heads, self.head_dim, -1)[:, order].flatten(0, 1)
            for layer in (attention.query, attention.key)
        ]
        self.gates = 0 if attention.gate is None else attention.gate.out_features
        gate = [] if attention.gate is None else [attention.gate.weight]
        if self.gates % 2:  # complex numbers need rows of even length
            gate.append(torch.zeros(1, self.width))
        self.inner = feed_forward.up.out_features
        self.is_silu = feed_forward.activation == "swiglu"
        assert feed_forward.gate is not None
        self.project = PackedLinear([*turned, attention.value.weight, *gate], rows)
        self.out = PackedLinear([attention.out.weight], rows)
        self.gate_and_up = PackedLinear([feed_forward.gate.weight, feed_forward.up.weight], rows)
        self.down = PackedLinear([feed_forward.down.weight], rows)

    def __call__(
        self,
        x: Tensor,
        x0: Tensor,
        first_value: Tensor | None,
        turns: Tensor,
        cached: tuple[Tensor, Tensor],
        column: int,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Hidden states (rows, width) after the layer, and its values (rows, width).

        Keys and values go into ``column`` of ``cached``, (rows, heads, columns, head_dim) each.
        """
        if self.input_share is not None:
            x = torch.add(x, x0, alpha=self.input_share)
        projected = self.project(_normed(x, self.eps))  # (rows, 3 * width + gates)
        both = projected[:, : 2 * self.width].unflatten(
            1, (2 * self.heads, -1, 2)
        )  # (rows, 2 * heads, head_dim / 2, 2)
        both = torch.view_as_real(torch.view_as_complex(both) * turns).flatten(2)  # (rows, 2 * heads, head_dim)
        if self.is_normed:
            both = _normed(both, self.eps)
        layer_value = value = projected[:, 2 * self.width : 3 * self.width]
        if self.value_share is not None and first_value is not None:
            value = torch.lerp(value, first_value, self.value_share)
        keys, values = cached
        keys[:, :, column] = both[:, self.heads :]
        values[:, :, column] = value.unflatten(1, (self.heads, -1))
        mixed = self._attend(both[:, : self.heads], keys, values, mask)
        if self.gates:
            gate = 2 * torch.sigmoid(projected[:, 3 * self.width :][:, : self.gates])
            mixed = mixed * gate.view(len(x), self.heads, -1)  # one gate per head, or per dimension
        x = self.out(mixed.flatten(1)).add_(x)
        gate, up = self.gate_and_up(_normed(x, self.eps)).split(self.inner, 1)
        inner = F.silu(gate) if self.is_silu else F.gelu(gate)
        return self.down(inner.mul_(up)).add_(x), layer_value

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """(rows, heads, head_dim) of a query of that shape."""
        rows = query.shape[0]
        flat = query.reshape(-1, 1, self.head_dim), keys.flatten(0, 1).transpose(1, 2), values.flatten(0, 1)
        weights = torch.baddbmm(mask, flat[0], flat[1], alpha=self.head_dim**-0.5).softmax(-1)
        return torch.bmm(weights, flat[2]).view(rows, self.heads, self.head_dim)


class _Cache:
    """Keys and values of all layers, (layers, 2, rows, heads, columns, head_dim), without gaps between heads."""

    def __init__(self, layers: int, rows: int, heads: int, head_dim: int, order: Tensor) -> None:
        self.order, self.rows = order, rows
        self.stored = torch.zeros(layers, 2, rows, heads, 0, head_dim)
        self._prefill: Prefill | None = None

    @property
    def columns(self) -> int:
        """Columns, those that hold nothing yet included."""
        return self.stored.shape[4]

    def grow(self, columns: int, unused: int = 0) -> None:
        """Have this number of columns, the first ``unused`` ones and rows that have ended left out."""
        old = self.stored[:, :, : self.rows, :, unused:]
        filled = old.shape[4]
        self.stored = old.new_empty(*old.shape[:4], columns, old.shape[5])
        self.stored[:, :, :, :, :filled] = old
        # Zeros, not garbage: masked columns are multiplied by zero, and a NaN times zero is NaN.
        self.stored[:, :, :, :, filled:] = 0

    def layer(self, number: int) -> tuple[Tensor, Tensor]:
        """Keys and values, (rows, heads, columns, head_dim)."""
        keys, values = self.stored[number, :, : self.rows]
        return keys, values

    def get_seq_length(self, layer: int = 0) -> int:
        """0: the model itself reads prompts alone, from their beginning."""
        return 0

    def update(self, key: Tensor, value: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        """Store keys and values of prompts, (prompts, heads, tokens, head_dim)."""
        assert self._prefill is not None
        rows, sources, columns = self._prefill
        for stored, new in zip(self.stored[layer], (key[..., self.order], value), strict=True):
            stored[rows, :, columns] = new[sources]
        return key, value

    def begin_prefill(self, prefill: Prefill) -> None:
        """The next forward reads prompts."""
        self._prefill = prefill

    def end_prefill(self) -> None:
        """All prompts are read."""
        self._prefill = None

    def keep(self, order: Sequence[int]) -> None:
        """See `KeyValueCache.keep`."""
        if moved := moves(order):
            self.stored[:, :, moved[0]] = self.stored[:, :, moved[1]]
        self.rows = len(order)


def _normed(x: Tensor, eps: float) -> Tensor:
    """RMS norm over the last dimension, without gain."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x * length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()


def _pairwise(size: int, pairs: int) -> Tensor:
    """An order of a head's dimensions in which those that rotate together are neighbours.

    >>> _pairwise(6, 2)
    tensor([0, 2, 1, 3, 4, 5])
    """
    rotated = torch.arange(2 * pairs).view(2, pairs).t().flatten()
    return torch.cat([rotated, torch.arange(2 * pairs, size)])


def _turns(count: int, head_dim: int, rotary_dim: int, theta: float) -> Tensor:
    """(count, head_dim / 2) complex: the rotation of each pair at each position, 1 for those that are not rotated."""
    table = rotary_table(torch.arange(count)[None], head_dim, rotary_dim, theta, torch.float32)
    pairs = table.pairs
    cosine, sine = table.cosine[0, :, 0, :pairs], table.sine[0, :, 0, pairs : 2 * pairs]
    rest = torch.ones(count, head_dim // 2 - pairs, dtype=torch.complex64)
    return torch.cat([torch.complex(cosine, sine), rest], 1)


__all__ = ["CpuDecoder"]
