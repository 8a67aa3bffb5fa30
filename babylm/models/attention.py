"""Attention behind one call.

``attend(q, k, v, layout)`` takes (rows, length, heads, head_dim) and follows a :class:`Layout`, which says who sees
whom and is built once a forward for all layers: by :func:`packed_layout` for training rows in which several documents
lie (never seeing each other, causal or both ways by row), by :func:`padded_layout` for Hugging Face's attention
masks.

Backends: ``naive`` (plain products; the fastest on a CPU in bf16), ``sdpa`` (torch's scaled_dot_product_attention),
``flex`` (FlexAttention, compiled), ``varlen`` (torch's own variable-length flash attention, torch >= 2.11), ``flash``
(the flash-attn package). The last three want CUDA.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

try:  # an optional package, and one whose import can succeed where its kernels fail
    from flash_attn import flash_attn_varlen_func
except ImportError:
    flash_attn_varlen_func = None


class Part(NamedTuple):
    """Rows ``start`` to ``stop`` of a varlen layout, all causal or all both ways; ``offsets`` (sequences + 1) int32."""

    start: int
    stop: int
    causal: bool
    offsets: Tensor


class Layout(NamedTuple):
    """Who sees whom, for one forward."""

    backend: str
    causal: bool = False
    """``naive``, ``sdpa``: no mask but the causal one."""
    mask: Tensor | None = None
    """``naive``, ``sdpa``: (rows, 1, queries, keys), 0 where seen and -inf where not, in the compute dtype."""
    blocks: Any = None
    """``flex``: a BlockMask."""
    parts: tuple[Part, ...] = ()
    """``varlen``, ``flash``: the rows, causal ones first."""
    order: Tensor | None = None
    """``varlen``, ``flash``: permutation of the rows that brings the causal ones to the front; none when not needed."""


def packed_layout(
    documents: Tensor, bidirectional: Tensor, backend: str, like: Tensor, most: int | None = None
) -> Layout:
    """The layout of packed rows.

    ``documents``: (rows, length), non-decreasing numbers of the document each token belongs to; ``bidirectional``:
    (rows,) bool; ``like`` gives dtype and device. Both may lie on the CPU while the model is on a GPU: ``varlen`` and
    ``flash`` read them on the host, which otherwise costs a synchronisation a forward. With ``most``, a number of
    documents that these rows surely do not pass, they read ``bidirectional`` alone, and shapes never change.
    """
    if backend in ("varlen", "flash"):
        return _varlen_layout(documents, bidirectional, backend, like.device, most)
    if backend == "flex":
        return Layout("flex", blocks=_block_mask(documents.to(like.device), bidirectional.to(like.device)))
    if documents.device.type == "cpu" and not bidirectional.any() and not documents.diff(dim=1).any():
        return Layout(backend, causal=True)
    documents, bidirectional = (x.to(like.device, non_blocking=True) for x in (documents, bidirectional))
    same = documents[:, :, None] == documents[:, None, :]
    length = documents.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=documents.device).tril()
    return Layout(backend, mask=_additive(same & (before | bidirectional[:, None, None]), like.dtype))


def padded_layout(mask: Tensor | None, queries: int, keys: int, causal: bool, backend: str, like: Tensor) -> Layout:
    """The layout of a Hugging Face call: the queries are the last of the keys; the others lie in the cache.

    ``mask``: none, (rows, keys) with 1 for tokens and 0 for padding, or (rows, queries, keys) (also (rows, 1,
    queries, keys)) with 1 where seen, or additive with negatives where not. A query that would see nothing sees itself,
    so padding gives no NaN. ``like`` gives dtype and device.
    """
    backend = backend if backend == "naive" else "sdpa"
    if mask is not None and mask.dim() == 2 and bool(mask.all()):
        mask = None
    if mask is None:
        if not causal or queries == 1:
            return Layout(backend)
        if queries == keys:
            return Layout(backend, causal=True)
    places = torch.arange(keys, device=like.device)
    here = places[keys - queries :, None]
    seen = (places <= here) if causal else torch.ones_like(places <= here)
    if mask is not None:
        additive = mask.is_floating_point() and bool((mask < 0).any())
        mask = (mask == 0 if additive else mask > 0).to(like.device)
        mask = mask.squeeze(1) if mask.dim() == 4 else mask[:, None, :] if mask.dim() == 2 else mask
        if mask.dim() != 3 or mask.shape[-1] != keys:
            raise ValueError(f"attention_mask has the shape {tuple(mask.shape)}; it must cover {keys} tokens")
        seen = (seen & mask) | (places == here)
    return Layout(backend, mask=_additive(seen if seen.dim() == 3 else seen[None], like.dtype))


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    *,
    scale: float | None = None,
    dropout: float = 0.0,
    bias: Tensor | None = None,
) -> Tensor:
    """Softmax attention, (rows, length, heads, head_dim) to the same.

    ``scale`` defaults to 1 / sqrt(head_dim); ``bias`` (rows, heads, queries, keys) is added to the scores before
    scaling; ``dropout`` acts on the weights. The last two work with ``naive`` and ``sdpa`` alone.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    assert layout.backend in ("naive", "sdpa") or (bias is None and dropout == 0.0)
    return _KERNELS[layout.backend](query, key, value, layout, scale, dropout, bias)


def _naive(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float, dropout: float, bias: Tensor | None
) -> Tensor:
    rows, queries, heads, _ = query.shape
    keys = key.shape[1]
    query, key, value = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
    mask = layout.mask
    if layout.causal:
        mask = torch.full((1, 1, queries, keys), -math.inf, device=query.device, dtype=query.dtype).triu(1)
    if bias is not None:
        mask = bias * scale if mask is None else bias * scale + mask
    scores = _Scores.apply(query, key, scale)
    if mask is not None:
        scores = (scores.unflatten(0, (rows, heads)) + mask).flatten(0, 1)
    weights = F.dropout(scores.softmax(-1), dropout)
    return torch.bmm(weights, value).unflatten(0, (rows, heads)).transpose(1, 2)


class _Scores(torch.autograd.Function):
    """``scale * query @ key.T``, whose gradient of the keys lies as the keys do (torch's own lies across them)."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(query, key)
        ctx.scale = scale
        return _product(query, key.transpose(1, 2), scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key = ctx.saved_tensors
        (gradient,) = gradients
        return _product(gradient, key, ctx.scale), _product(gradient.transpose(1, 2), query, ctx.scale), None


def _product(left: Tensor, right: Tensor, scale: float) -> Tensor:
    return torch.baddbmm(left.new_empty(1, 1, 1), left, right, beta=0, alpha=scale)


def _sdpa(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float, dropout: float, bias: Tensor | None
) -> Tensor:
    mask, causal = layout.mask, layout.causal
    if bias is not None:
        if causal:
            mask, causal = torch.full_like(bias, -math.inf).triu(1), False
        mask = bias * scale if mask is None else bias * scale + mask
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    out = F.scaled_dot_product_attention(query, key, value, mask, dropout, causal, scale=scale)
    return out.transpose(1, 2)


def _flex(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float, *_: Any) -> Tensor:
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return _flex_kernel(query.device.type)(query, key, value, block_mask=layout.blocks, scale=scale).transpose(1, 2)


@torch.compiler.disable  # the number of sequences varies from step to step: nothing compiled should depend on it
def _varlen(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float, *_: Any) -> Tensor:
    outs = []
    longest = query.shape[1]
    for part in layout.parts:
        q, k, v = (x[part.start : part.stop].flatten(0, 1) for x in (query, key, value))
        ends = part.offsets
        if layout.backend == "flash":
            out = flash_attn_varlen_func(q, k, v, ends, ends, longest, longest, softmax_scale=scale, causal=part.causal)
        else:
            from torch.nn.attention.varlen import varlen_attn  # torch 2.10 has it without a scale

            window = (-1, 0) if part.causal else (-1, -1)
            out = varlen_attn(q, k, v, ends, ends, longest, longest, scale=scale, window_size=window)
        outs.append(out)
    return (outs[0] if len(outs) == 1 else torch.cat(outs)).view_as(query)


_KERNELS: dict[str, Callable[..., Tensor]] = {
    "naive": _naive,
    "sdpa": _sdpa,
    "flex": _flex,
    "varlen": _varlen,
    "flash": _varlen,
}
BACKENDS: tuple[str, ...] = tuple(_KERNELS)
"""Names for ``training.attention`` beside ``auto``."""


def _additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros_like(seen, dtype=dtype).masked_fill_(~seen, -math.inf)[:, None]


def _varlen_layout(
    documents: Tensor, bidirectional: Tensor, backend: str, device: torch.device, most: int | None
) -> Layout:
    both_ways = bidirectional.tolist()
    causal_rows = both_ways.count(False)
    documents = documents.cpu() if most is None else documents.to(device, non_blocking=True)
    order = None
    if sorted(both_ways) != both_ways:
        order = torch.tensor(sorted(range(len(both_ways)), key=both_ways.__getitem__))
        documents = documents[order.to(documents.device, non_blocking=True)]
        order = order.to(device, non_blocking=True)
    starts = torch.ones_like(documents, dtype=torch.bool)
    starts[:, 1:] = documents[:, 1:] != documents[:, :-1]
    parts = []
    for start, stop, causal in ((0, causal_rows, True), (causal_rows, len(both_ways), False)):
        if stop > start:
            offsets = _offsets(starts[start:stop].flatten(), most)
            parts.append(Part(start, stop, causal, offsets.to(device, non_blocking=True)))
    return Layout(backend, parts=tuple(parts), order=order)


def _offsets(starts: Tensor, most: int | None) -> Tensor:
    """Where sequences start, then the end, repeated: empty ones, so that there are few shapes (one with ``most``)."""
    end = len(starts)
    if most is None:
        begins = starts.nonzero().squeeze(1).int()
        return F.pad(begins, (0, (1 << (len(begins) - 1).bit_length()) + 1 - len(begins)), value=end)
    # The k-th start goes to place k and everything else to one place too many: nothing depends on how many there are.
    place = torch.where(starts, starts.cumsum(0) - 1, most + 1)
    offsets = torch.full((most + 2,), end, dtype=torch.int32, device=starts.device)
    return offsets.scatter(0, place, torch.arange(end, dtype=torch.int32, device=starts.device))[: most + 1]


def _block_mask(documents: Tensor, bidirectional: Tensor) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    def seen(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (documents[row, query] == documents[row, key]) & (bidirectional[row] | (key <= query))

    rows, length = documents.shape
    return create_block_mask(seen, rows, None, length, length, device=str(documents.device))


def _flex_kernel(device: str) -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    if device == "cpu":  # runs there without being compiled alone, and slowly: for tests
        return flex_attention
    if "flex" not in _COMPILED:
        _COMPILED["flex"] = torch.compile(flex_attention, dynamic=False)
    return _COMPILED["flex"]


_COMPILED: dict[str, Callable[..., Tensor]] = {}
