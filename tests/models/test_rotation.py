"""Rotary positions: what a CPU computes eagerly is what the definition says, forward and backward."""

import pytest
import torch

from babylm.models import position


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
def test_whole_rows_equal_the_definition(half, rows, monkeypatch):
    positions = torch.arange(7).expand(rows, 7) + 3 * torch.arange(rows)[:, None]
    table = position.rotary_table(positions, 8, 100.0, half, torch.float64)
    x = torch.randn(3, 7, 2, 8, dtype=torch.float64, requires_grad=True)
    ours = position.rotate(x, table)
    (gradient,) = torch.autograd.grad(ours.square().sum() + ours.sum(), x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    plain = position.rotate(x, table)
    (expected,) = torch.autograd.grad(plain.square().sum() + plain.sum(), x)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda y: position.rotate(y, table), x)


def test_lengths_stay(monkeypatch):
    x = torch.randn(2, 5, 3, 6, dtype=torch.float64)
    table = position.rotary_table(torch.arange(5)[None], 6, 100.0, False, torch.float64)
    torch.testing.assert_close(position.rotate(x, table).norm(dim=-1), x.norm(dim=-1))
