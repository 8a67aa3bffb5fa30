"""Parameters by their treatment in an optimizer: matrices of the body, other tables, gains and biases.

Decided by shape and name: two-dimensional parameters whose name has none of `TABLES` are matrices of the body.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from torch.nn import Parameter

TABLES = ("embedding", "embed_", "lm_head", "head.", "classifier", "score", "relative", "position", "lambda", "average")
"""Parts of a name that mark lookup tables, output layers and tables of scalars, whatever their shape."""
SMALLEST_SIDE = 32
"""A narrower matrix is a list of vectors (a gate per head, weights over layers): orthogonalising it makes no sense."""


class ParameterParts(NamedTuple):
    """All parameters, each in exactly one part, in the model's order."""

    matrices: list[Parameter]
    tables: list[Parameter]
    """Embeddings, head, relative tables: two dimensions or more, but not a linear map inside the body."""
    vectors: list[Parameter]
    """Gains, biases, scalars; never decayed."""


def split(named_parameters: Iterable[tuple[str, Parameter]]) -> ParameterParts:
    """Sort parameters into `ParameterParts`; those without gradient are left out, and a shared one counts once."""
    parts, seen = ParameterParts([], [], []), set()
    for name, parameter in named_parameters:
        if not parameter.requires_grad or id(parameter) in seen:
            continue
        seen.add(id(parameter))
        if parameter.ndim < 2:
            parts.vectors.append(parameter)
        elif parameter.ndim == 2 and min(parameter.shape) >= SMALLEST_SIDE and not any(t in name for t in TABLES):
            parts.matrices.append(parameter)
        else:
            parts.tables.append(parameter)
    return parts


def group(parameters: list[Parameter], lr: float, weight_decay: float, **settings: Any) -> list[dict[str, Any]]:
    """A list of one parameter group with its ``base_lr``; empty if there are no parameters."""
    if not parameters:
        return []
    return [{"params": parameters, "lr": lr, "base_lr": lr, "weight_decay": weight_decay, **settings}]
