"""Orthogonalisation by odd matrix polynomials: each step maps every singular value s to a s + b s³ + c s⁵.

Two sets of coefficients: Polar Express (Amsel et al., arXiv 2505.16932), which picks the best polynomial for each step
and so comes closer to 1 in five steps, and the one quintic repeated that came with Muon (Jordan et al., 2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

POLAR_EXPRESS = (
    (8.1566, -22.4833, 15.8788),
    (4.0429, -2.8089, 0.5000),
    (3.8917, -2.7725, 0.5061),
    (3.2858, -2.3681, 0.4645),
    (2.3465, -1.7098, 0.4232),
)
QUINTIC = ((3.4445, -4.7750, 2.0315),)
SAFETY = 1.02
"""Margin for the rounding of bf16: the first polynomial diverges for singular values above 1."""


def orthogonalize(
    matrices: Tensor, steps: int = 5, coefficients: tuple[tuple[float, float, float], ...] = POLAR_EXPRESS
) -> Tensor:
    """Approximately the nearest orthogonal matrix to each of ``matrices`` (batch, rows, columns).

    The singular values of the result are near 1 (within .7 to 1.2 after 5 steps, unless they are below about 1e-3 of
    the matrix's norm); its dtype is that of `dtype_for`. If ``steps`` is larger than the number of coefficients, the
    last ones are repeated.

    >>> matrix = torch.diag(torch.tensor([3.0, 1.0, 0.5]))[None]
    >>> singular_values = torch.linalg.svdvals(orthogonalize(matrix).float())
    >>> bool((singular_values > 0.7).all() and (singular_values < 1.2).all())
    True
    """
    assert matrices.ndim == 3, matrices.shape
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.to(dtype_for(matrices.device))
    norm = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True, dtype=torch.float32)  # (batch, 1, 1)
    x = x / (norm * SAFETY + 1e-30).to(x.dtype)
    for step in range(steps):
        a, b, c = coefficients[min(step, len(coefficients) - 1)]
        # a x + b (x xᵀ) x + c (x xᵀ)² x; of x xᵀ and xᵀ x the smaller one is formed: (batch, short, short).
        gram = x.mT @ x if tall else x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, x, polynomial, beta=a) if tall else torch.baddbmm(x, polynomial, x, beta=a)
    return x


def dtype_for(device: torch.device) -> torch.dtype:
    """bf16 if its matrix product is the fast one (GPUs, CPUs with AMX), else fp32; the same on every rank."""
    if device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_amx_tile_supported()):
        return torch.bfloat16
    return torch.float32
