"""Where a token stands: rotary angles, or the bucketed distances of LTG-BERT.

Both depend on differences of positions alone, so documents packed in one row need no restart. Nothing here is a buffer:
tables are computed in the forward, since transformers 5 fills non-persistent buffers with garbage on loading.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def rotary_table(
    positions: Tensor, head_dim: int, base: float, half: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each (rows or 1, length, 1, turned / 2) in ``dtype``, for ``positions`` (rows or 1, length).

    ``half`` turns the first half of a head's dimensions only; the others carry content without position.
    """
    turned = head_dim // 2 if half else head_dim
    rates = base ** (-torch.arange(0, turned, 2, device=positions.device, dtype=torch.float32) / turned)
    angles = positions.float()[..., None] * rates
    return angles.cos().to(dtype)[:, :, None], angles.sin().to(dtype)[:, :, None]


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turn ``x`` (rows, length, heads, head_dim) by its position (RoPE, arXiv 2104.09864; pairs are halves apart)."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        return _Rotation.apply(x, *_whole_rows(table, x.shape[2], x.shape[3]))
    cosine, sine = table
    pairs = cosine.shape[-1]
    first, second, rest = x.split((pairs, pairs, x.shape[-1] - 2 * pairs), dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine, rest), dim=-1)


class _Rotation(torch.autograd.Function):
    """The same in half the time on a CPU, where operations on a few neighbours at a time are slow.

    The partner of each number comes from a product with a permutation (exact: one term of each sum is not zero), and
    everything else is done on whole rows. A rotation's gradient is the rotation back.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, swap: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine, swap)
        return _turned(x, cosine, sine, swap, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        cosine, sine, swap = ctx.saved_tensors
        return _turned(gradients[0], cosine, sine, swap, -1), None, None, None


def _turned(x: Tensor, cosine: Tensor, sine: Tensor, swap: Tensor, direction: int) -> Tensor:
    rows = x.flatten(2)
    partners = (rows.reshape(-1, swap.shape[0]) @ swap).view(rows.shape)
    return torch.addcmul(rows * cosine, partners, sine, value=direction).view(x.shape)


def _whole_rows(table: tuple[Tensor, Tensor], heads: int, head_dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines and signed sines of all numbers, each (rows or 1, length, heads * head_dim), and who is whose partner."""
    cosine, sine = table
    pairs = cosine.shape[-1]
    still = torch.ones_like(cosine[..., :1]).expand(*cosine.shape[:-1], head_dim - 2 * pairs)
    places = torch.arange(2 * pairs, device=cosine.device)
    swap = torch.zeros(head_dim, head_dim, dtype=cosine.dtype, device=cosine.device)
    swap[places, places.roll(pairs)] = 1
    both = torch.cat((cosine, cosine, still), -1), torch.cat((-sine, sine, torch.zeros_like(still)), -1)
    whole, signed = (one.expand(-1, -1, heads, -1).flatten(2) for one in both)
    return whole, signed, swap


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
