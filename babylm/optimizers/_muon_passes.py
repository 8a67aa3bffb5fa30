"""Muon's elementwise work before and after the orthogonalisation of n matrices of one shape (rows, columns).

Written as operations on lists, which torch makes one kernel each. Rates may be numbers or tensors ().
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Passes(NamedTuple):
    """The two halves, eager or compiled."""

    before: Callable[..., Tensor]
    after: Callable[..., None]


def before(momenta: list[Tensor], gradients: list[Tensor], momentum: float | Tensor, dtype: torch.dtype) -> Tensor:
    """Update the running means of the gradients; (n, rows, columns) them moved on towards the gradients (Nesterov).

    ``dtype``: that in which they are orthogonalised.
    """
    if isinstance(momentum, Tensor):
        torch._foreach_lerp_(momenta, gradients, [1 - momentum] * len(momenta))
        moved = torch._foreach_lerp(gradients, momenta, [momentum] * len(momenta))
    else:
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)
        moved = torch._foreach_lerp(gradients, momenta, momentum)
    return torch.stack(list(moved)).to(dtype)


def after(
    parameters: list[Tensor],
    directions: Tensor,
    mean_squares: list[Tensor] | None,
    lr: float | Tensor,
    *,
    weight_decay: float,
    cautious: bool,
    beta2: float,
    cut: Callable[[Tensor], list[Tensor]] | None = None,
) -> None:
    """Step the parameters along ``directions`` (n, rows, columns), with decay.

    ``mean_squares``: of the neurons, updated here; None if they are not scaled to equal length. ``cut``: the parts of
    whole matrices that belong to ``parameters``, if those are shards.
    """
    rows, columns = directions.shape[1:]
    # An orthogonal map to more dimensions shrinks root mean squares by sqrt(columns / rows): undo that.
    scale = torch.full((1, 1, 1), max(1.0, rows / columns) ** 0.5, device=directions.device)
    if mean_squares is not None:
        scale = scale * equal_lengths(directions, mean_squares, beta2)
    scaled = directions * scale
    _update(parameters, list(scaled.unbind()) if cut is None else cut(scaled), lr, weight_decay, cautious)


def equal_lengths(directions: Tensor, mean_squares: list[Tensor], beta2: float) -> Tensor:
    """Factors that divide each neuron by its running root mean square (updated here) and preserve each matrix's norm.

    Neurons are the rows of a tall or square matrix, the columns of a wide one: along the shorter side an orthogonal
    matrix has unit vectors already. ``directions``: (n, rows, columns), to which the factors broadcast.

    Two rows of length 1 and 2 are scaled to one length, with the norm of the matrix as before:

    >>> matrix = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    >>> scaled = matrix * equal_lengths(matrix, [torch.zeros(2)], beta2=0.9)
    >>> scaled, bool(torch.isclose(scaled.norm(), matrix.norm()))
    (tensor([[[1.5811, 0.0000],
             [0.0000, 1.5811]]]), True)
    """
    short = 2 if directions.shape[1] >= directions.shape[2] else 1  # the dimension over which a neuron extends
    lengths = torch.linalg.vector_norm(directions, dim=short, dtype=torch.float32)  # (n, neurons), as are those below
    squares = lengths.square() / directions.shape[short]
    torch._foreach_lerp_(mean_squares, list(squares.unbind()), 1 - beta2)
    running = torch.stack(mean_squares).clamp(min=1e-30)
    # (n, 1): the factor that gives each matrix its squared norm back after the division.
    norm_ratio = squares.sum(1, keepdim=True) / (squares / running).sum(1, keepdim=True).clamp(min=1e-30)
    return (norm_ratio / running).sqrt().unsqueeze(short)


def _update(
    parameters: list[Tensor], updates: list[Tensor], lr: float | Tensor, weight_decay: float, cautious: bool
) -> None:
    """Subtract lr times the updates, and the decay."""
    decay = lr * weight_decay
    if weight_decay and cautious:
        # Per weight: 0 if update and weight have opposite signs, else 1. As sign(u w) in {-1, 0, 1}, plus 1, at
        # most 1: without booleans, which would have to be converted.
        agree = torch._foreach_mul(updates, parameters)
        torch._foreach_sign_(agree)
        torch._foreach_add_(agree, 1.0)
        torch._foreach_clamp_max_(agree, 1.0)
        if isinstance(decay, Tensor):
            torch._foreach_mul_(agree, decay)
            torch._foreach_addcmul_(parameters, parameters, agree, value=-1.0)
        else:
            torch._foreach_addcmul_(parameters, parameters, agree, value=-decay)
    elif weight_decay:
        torch._foreach_mul_(parameters, 1 - decay)
    if isinstance(lr, Tensor):
        # Not in place: these are slices of one tensor, which compiled code would copy at each change.
        torch._foreach_sub_(parameters, torch._foreach_mul(updates, lr))
    else:
        torch._foreach_add_(parameters, updates, alpha=-lr)


EAGER = Passes(before, after)


def compiled() -> Passes:
    """The second half compiled, for a rate that is a tensor: a third of the bytes. The first half has none to save."""
    return Passes(before, torch.compile(after, dynamic=False))
