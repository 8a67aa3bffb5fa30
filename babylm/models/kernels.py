"""The arithmetic that is written for speed, each fast form beside the plain one that it equals.

To read the model, read the ``*_reference`` functions: they are the definitions. The fast forms give the same numbers
up to rounding with fewer passes over memory, mostly for a CPU without a compiler, where each operation reads and writes
whole tensors. ``tests/models/test_kernels.py`` compares every pair, values and gradients, eagerly and as compiled.
(Dropout and the loss have files of their own.)

Shapes: B rows, T tokens, H heads, D dimensions of a head.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .positions import Rotary


def rms_norm_reference(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """``weight * x / sqrt(mean(x ** 2) + eps)`` over the last dimension; no ``weight`` if None."""
    return F.rms_norm(x, x.shape[-1:], weight, eps)


def rms_norm(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """The same in a third of the passes that torch takes on a CPU, where its norm is not one kernel.

    >>> rms_norm(torch.tensor([3.0, 4.0]), None, 0.0) * 12.5**0.5
    tensor([3., 4.])
    """
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        normed = _RMSNorm.apply(x, eps)
        return normed if weight is None else normed * weight
    return rms_norm_reference(x, weight, eps)


class _RMSNorm(torch.autograd.Function):
    """With y = s x, s = 1 / rms(x) and n dimensions, a gradient g of y is s (g - y (g . y) / n) of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)  # (..., 1)
        scale = (length.square_() / x.shape[-1]).add_(eps).rsqrt_().to(x.dtype)  # (..., 1)
        normed = x * scale
        ctx.save_for_backward(normed, scale)
        return normed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        normed, scale = ctx.saved_tensors
        along = torch.linalg.vecdot(gradient, normed).unsqueeze(-1) / normed.shape[-1]  # (..., 1)
        return torch.addcmul(gradient, normed, along, value=-1).mul_(scale), None


def rotate_reference(x: Tensor, rotary: Rotary) -> Tensor:
    """Rotate the pairs of dimensions (k, k + pairs) by the angles of their position (RoPE, arXiv 2104.09864).

    ``x``: (B, T, H, D). With D = 5 and 2 pairs, the dimensions (a, b, c, d, e) have the partners (c, d, a, b, e), and
    the table has cosines (x, y, x, y, 1) and sines (-u, -v, u, v, 0). So the result is (a x - c u, b y - d v,
    c x + a u, d y + b v, e): a and c rotate together, b and d rotate together, e is not rotated.
    """
    first, second, rest = x.split((rotary.pairs, rotary.pairs, x.shape[-1] - 2 * rotary.pairs), dim=-1)
    return x * rotary.cosine + torch.cat((second, first, rest), dim=-1) * rotary.sine


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """The same, which saves the table alone for the backward: the gradient is rotated back.

    >>> right_angle = Rotary(torch.tensor([[[[0.0, 0.0]]]]), torch.tensor([[[[-1.0, 1.0]]]]), pairs=1)
    >>> rotate(torch.tensor([[[[3.0, 4.0]]]]), right_angle)
    tensor([[[[-4.,  3.]]]])
    """
    return _Rotation.apply(x, *rotary)


def rms_norm_and_rotate_reference(x: Tensor, rotary: Rotary, eps: float) -> Tensor:
    """RMS norm without gain over the last dimension, then the rotation."""
    return rotate_reference(rms_norm_reference(x, None, eps), rotary)


def rms_norm_and_rotate(x: Tensor, rotary: Rotary, eps: float) -> Tensor:
    """The same at once: the result and one number per head are all that is saved for the backward."""
    return _NormedRotation.apply(x, *rotary, eps)


class _Rotation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, pairs: int) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        ctx.pairs = pairs
        return _rotate_once(x, cosine, sine, pairs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        cosine, sine = ctx.saved_tensors
        return _rotate_once(gradients[0], cosine, -sine, ctx.pairs), None, None, None


class _NormedRotation(torch.autograd.Function):
    """With y = R(s x), a gradient g of y is s R'(g - y (g . y) / n) of x: as in `_RMSNorm`, but rotated back.

    What the norm subtracts can be taken off before rotating back, since a rotation keeps inner products.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, pairs: int, eps: float) -> Tensor:
        precise = torch.promote_types(x.dtype, torch.float32)
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=precise).square()  # (B, T, H, 1)
        scale = (square / x.shape[-1] + eps).rsqrt()
        rotated = _rotate_once(x * scale.to(x.dtype), cosine, sine, pairs)
        ctx.save_for_backward(rotated, scale, cosine, sine)
        ctx.pairs = pairs
        return rotated

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        rotated, scale, cosine, sine = ctx.saved_tensors
        along = torch.linalg.vecdot(gradient, rotated).unsqueeze(-1) / rotated.shape[-1]
        across = torch.addcmul(gradient, rotated, along, value=-1).mul_(scale)
        return _rotate_once(across, cosine, -sine, ctx.pairs), None, None, None, None


def _rotate_once(x: Tensor, cosine: Tensor, sine: Tensor, pairs: int) -> Tensor:
    """The rotation in the form that is fastest here; no gradient of its own."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        return _rotate_by_product(x, cosine, sine, pairs)
    if x.shape[-1] % (2 * pairs):
        return rotate_reference(x, Rotary(cosine, sine, pairs))
    # (B, T, H, D) as (B, T, H, D / 2 pairs, 2, pairs), where the partners are the other half of a group. Slices would
    # do, but this way one compiled loop serves all dimensions.
    groups, cosine, sine = (tensor.unflatten(-1, (-1, 2, pairs)) for tensor in (x, cosine, sine))
    return (groups * cosine + groups.flip(-2) * sine).flatten(-3)


def _rotate_by_product(x: Tensor, cosine: Tensor, sine: Tensor, pairs: int) -> Tensor:
    """In half the time on a CPU without a compiler, where an operation on a few neighbouring numbers is slow.

    The partner of each dimension comes from a product with a permutation matrix (exact: one term of each sum is not
    zero), and all else is done on whole rows of H * D numbers.
    """
    heads, size = x.shape[2:]
    rows = x.flatten(2)  # (B, T, H * D)
    partners = (rows.reshape(-1, size) @ _partners(size, pairs, x.dtype)).view(rows.shape)
    cosine, sine = (table.expand(-1, -1, heads, -1).flatten(2) for table in (cosine, sine))
    return torch.addcmul(rows * cosine, partners, sine).view(x.shape)


@cache
def _partners(size: int, pairs: int, dtype: torch.dtype) -> Tensor:
    """The permutation matrix (D, D) that swaps partners; made once, for making it takes longer than a small product."""
    partner = torch.arange(size)  # with D = 5 and 2 pairs: 2 3 0 1 4
    partner[: 2 * pairs] = partner[: 2 * pairs].roll(pairs)
    permutation = torch.zeros(size, size, dtype=dtype)
    permutation[torch.arange(size), partner] = 1
    return permutation


def attention_scores_reference(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Scaled inner products, (B * H, queries, keys), of ``query`` (B * H, queries, D) and ``key`` (B * H, keys, D)."""
    return scale * query @ key.transpose(1, 2)


def attention_scores(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """The same, with the scale inside the product, and the gradient of the keys in the memory layout of the keys.

    torch's own gradient of the keys is transposed in memory, and would be copied by what comes next.
    """
    return _Scores.apply(query, key, scale)


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(query, key)
        ctx.scale = scale
        return _scaled_product(query, key.transpose(1, 2), scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key = ctx.saved_tensors
        (gradient,) = gradients
        of_query = _scaled_product(gradient, key, ctx.scale)
        return of_query, _scaled_product(gradient.transpose(1, 2), query, ctx.scale), None


def _scaled_product(left: Tensor, right: Tensor, scale: float) -> Tensor:
    # beta=0: the first tensor is not read, so one number of any value is enough.
    return torch.baddbmm(left.new_empty(1, 1, 1), left, right, beta=0, alpha=scale)


def project_reference(x: Tensor, *layers: nn.Linear) -> tuple[Tensor, ...]:
    """``x`` through each of the linear layers, which have no bias."""
    return tuple(layer(x) for layer in layers)


def project(x: Tensor, *layers: nn.Linear) -> tuple[Tensor, ...]:
    """The same as one product on a GPU; as one each on a CPU, whose kernels are fastest on whole rows.

    The weights stay separate matrices either way, since Muon orthogonalises each by itself.
    """
    if x.device.type == "cpu":
        return project_reference(x, *layers)
    weight = torch.cat([layer.weight for layer in layers]).to(x.dtype)
    return F.linear(x, weight).split([layer.out_features for layer in layers], dim=-1)


def mix_reference(x: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """``x`` with this share (one number) of it replaced by ``other``."""
    return x * (1 - share) + other * share


def mix(x: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """The same in one operation; compiled code takes the plain form, of which it need not keep the difference."""
    return mix_reference(x, other, share) if torch.compiler.is_compiling() else torch.lerp(x, other, share)
