"""Where a token stands: rotary angles, or the bucketed distances of LTG-BERT.

Both depend on differences of positions alone, so documents packed in one row need no restart. Nothing here is a buffer:
tables are computed in the forward, since transformers 5 fills non-persistent buffers with garbage on loading.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Rotary(NamedTuple):
    """How far each number of a head turns."""

    cosine: Tensor
    """(rows or 1, length, 1, head_dim); one for dimensions that stay."""
    sine: Tensor
    """The same shape, what a number's partner counts: negative for the first of a pair, zero for those that stay."""
    pairs: int
    """Pairs of dimensions that turn; partners lie so far apart."""


def rotary_table(positions: Tensor, head_dim: int, base: float, half: bool, dtype: torch.dtype) -> Rotary:
    """The table for ``positions`` (rows or 1, length).

    ``half`` turns the first half of a head's dimensions only; the others carry content without position.
    """
    turned = head_dim // 2 if half else head_dim
    rates = base ** (-torch.arange(0, turned, 2, device=positions.device, dtype=torch.float32) / turned)
    angles = positions.float()[..., None] * rates
    cosine, sine = angles.cos(), angles.sin()
    cosine = F.pad(torch.cat((cosine, cosine), -1), (0, head_dim - turned), value=1.0)
    sine = F.pad(torch.cat((-sine, sine), -1), (0, head_dim - turned))
    return Rotary(cosine.to(dtype)[:, :, None], sine.to(dtype)[:, :, None], turned // 2)


def rotate(x: Tensor, table: Rotary) -> Tensor:
    """Turn ``x`` (rows, length, heads, head_dim) by its position (RoPE, arXiv 2104.09864; pairs are halves apart)."""
    return _Rotation.apply(x, *table)


def normed_rotation(x: Tensor, table: Rotary, eps: float) -> Tensor:
    """``rotate(rms_norm(x), table)``, with the norm over the last dimension and without gain."""
    return _NormedRotation.apply(x, *table, eps)


class _Rotation(torch.autograd.Function):
    """A rotation, whose gradient is the rotation back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, pairs: int) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        ctx.pairs = pairs
        return _turned(x, cosine, sine, pairs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        cosine, sine = ctx.saved_tensors
        return _turned(gradients[0], cosine, -sine, ctx.pairs), None, None, None


class _NormedRotation(torch.autograd.Function):
    """The norm and the rotation at once: the result and one scale a head are all that the gradient needs.

    With y = R(x s), s the inverse root mean square of x, and n dimensions, a gradient g of y is s R'(g - y (g.y) / n)
    of x: what the norm subtracts can be taken off before turning back, since turning keeps products.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, pairs: int, eps: float) -> Tensor:
        precise = torch.promote_types(x.dtype, torch.float32)
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=precise).square_()
        else:
            square = x.to(precise).square().sum(-1, keepdim=True)
        scale = (square / x.shape[-1] + eps).rsqrt()
        turned = _turned(x * scale.to(x.dtype), cosine, sine, pairs)
        ctx.save_for_backward(turned, scale, cosine, sine)
        ctx.pairs = pairs
        return turned

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        turned, scale, cosine, sine = ctx.saved_tensors
        along = torch.linalg.vecdot(gradient, turned).unsqueeze(-1) / turned.shape[-1]
        across = torch.addcmul(gradient, turned, along, value=-1).mul_(scale)
        return _turned(across, cosine, -sine, ctx.pairs), None, None, None, None


def _turned(x: Tensor, cosine: Tensor, sine: Tensor, pairs: int) -> Tensor:
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        return _turned_by_rows(x, cosine, sine, pairs)
    # By pairs rather than by slices: one loop then serves all dimensions when compiled.
    groups, cosine, sine = (one.unflatten(-1, (-1, 2, pairs)) for one in (x, cosine, sine))
    return (groups * cosine + groups.flip(-2) * sine).flatten(-3)


def _turned_by_rows(x: Tensor, cosine: Tensor, sine: Tensor, pairs: int) -> Tensor:
    """The same in half the time on a CPU without a compiler, where operations on a few neighbours are slow.

    The partner of each number comes from a product with a permutation (exact: one term of each sum is not zero), and
    everything else is done on whole rows.
    """
    heads, size = x.shape[2:]
    places = torch.arange(size).view(-1, 2, pairs).flip(1).flatten()
    swap = torch.zeros(size, size, dtype=x.dtype)
    swap[torch.arange(size), places] = 1
    rows = x.flatten(2)
    partners = (rows.reshape(-1, size) @ swap).view(rows.shape)
    cosine, sine = (one.expand(-1, -1, heads, -1).flatten(2) for one in (cosine, sine))
    return torch.addcmul(rows * cosine, partners, sine).view(x.shape)


def bucket_index(queries: int, keys: int, buckets: int, longest: int, device: torch.device) -> Tensor:
    """Row of the relative table for each (query, key), int64 (queries, keys); the queries are the last of the keys.

    Distances up to half of ``buckets`` have a row each; longer ones share logarithmically wider rows up to ``longest``,
    beyond which they are clipped. Sign matters; the table has ``2 * buckets - 1`` rows (LTG-BERT, after DeBERTa).
    """
    places = torch.arange(keys, device=device)
    distance = places[keys - queries :, None] - places[None, :]
    exact = buckets // 2
    size = distance.abs().clamp(min=1)
    growth = (buckets - 1 - exact) / math.log(max(longest - 1, exact + 1) / exact)
    far = exact + torch.ceil(torch.log(size.float() / exact) * growth).long()
    bucket = torch.where(size <= exact, distance, torch.sign(distance) * far.clamp(max=buckets - 1))
    return bucket + buckets - 1


def relative_bias(query: Tensor, key: Tensor, table_query: Tensor, table_key: Tensor, index: Tensor) -> Tensor:
    """LTG-BERT's position scores ``q_i . K(R_b) + k_j . Q(R_b)``, (rows, heads, queries, keys), not yet scaled.

    ``query``, ``key``: (rows, length, heads, head_dim); ``table_query``, ``table_key``: the relative table through the
    query and the key projection, (2 * buckets - 1, heads, head_dim); ``index``: see :func:`bucket_index`.
    """
    rows, _, heads, _ = query.shape
    where = index.expand(rows, heads, *index.shape)
    to_position = torch.einsum("rqhd,bhd->rhqb", query, table_key).gather(-1, where)
    from_position = torch.einsum("rkhd,bhd->rhkb", key, table_query).gather(-1, where.transpose(-1, -2))
    return to_position + from_position.transpose(-1, -2)
