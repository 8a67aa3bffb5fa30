"""Rotary positions: what is computed eagerly on a CPU and what is compiled is what the definition says."""

import pytest
import torch
import torch.nn.functional as F

from babylm.models import positions


def defined(x, positions, base, half):
    """RoPE number by number: pairs are halves apart, pair k turns by position * base ** (-2 k / turned)."""
    turned = x.shape[-1] // 2 if half else x.shape[-1]
    result = x.clone()
    for pair in range(turned // 2):
        angle = positions[..., None] * base ** (-2 * pair / turned)
        one, other = x[..., pair], x[..., pair + turned // 2]
        result[..., pair] = one * angle.cos() - other * angle.sin()
        result[..., pair + turned // 2] = other * angle.cos() + one * angle.sin()
    return result


@pytest.fixture(params=[False, True], ids=["eager", "compiled"])
def way(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
def test_rotation_is_as_defined(half, rows, way):
    position_ids = torch.arange(7).expand(rows, 7) + 3 * torch.arange(rows)[:, None]
    table = positions.rotary_table(position_ids, 8, 100.0, half, torch.float64)
    x = torch.randn(3, 7, 2, 8, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(positions.rotate(x, table), defined(x, position_ids, 100.0, half), rtol=1e-6, atol=1e-6)
    assert torch.autograd.gradcheck(lambda y: positions.rotate(y, table), x)


@pytest.mark.parametrize("half", [True, False])
def test_norm_and_rotation_at_once_are_the_two_in_turn(half, way):
    table = positions.rotary_table(torch.arange(7)[None], 8, 100.0, half, torch.float64)
    x = torch.randn(3, 7, 2, 8, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 7, 2, 8, dtype=torch.float64)

    def both(function):
        result = function(x)
        return result, *torch.autograd.grad((result * weights).sum(), x)

    # A large epsilon, so that its part in the gradient shows.
    ours = both(lambda y: positions.normed_rotation(y, table, 0.3))
    expected = both(lambda y: positions.rotate(F.rms_norm(y, (8,), None, 0.3), table))
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)  # the scale is taken in float32


def test_lengths_stay(way):
    x = torch.randn(2, 5, 3, 6, dtype=torch.float64)
    table = positions.rotary_table(torch.arange(5)[None], 6, 100.0, False, torch.float64)
    torch.testing.assert_close(positions.rotate(x, table).norm(dim=-1), x.norm(dim=-1), rtol=1e-6, atol=1e-6)
