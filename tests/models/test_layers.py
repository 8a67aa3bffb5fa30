"""Norms against those of torch, and the choice of GELU."""

import pytest
import torch
import torch.nn.functional as F

from babylm.models.layers import Norm

from .variants import config


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("size", [24, 64])
def test_rms_norm(affine, size):
    torch.manual_seed(0)
    norm = Norm(size, config(norm_affine=affine))
    x = torch.randn(5, 7, size, requires_grad=True)
    if affine:
        torch.nn.init.normal_(norm.weight)
    ours, right = norm(x), F.rms_norm(x, (size,), norm.weight, 1e-5)
    torch.testing.assert_close(ours, right, atol=1e-5, rtol=1e-5)
    leaves = (x, norm.weight) if affine else (x,)
    upstream = torch.randn_like(x)
    for mine, theirs in zip(*(torch.autograd.grad(y, leaves, upstream) for y in (ours, right)), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_the_exact_gelu_is_near_the_tanh_form():
    x = torch.linspace(-8, 8, 100_001, dtype=torch.float64)
    assert (torch.nn.functional.gelu(x) - torch.nn.functional.gelu(x, approximate="tanh")).abs().max() < 5e-4
