"""Rotary positions as they are defined, eagerly on a CPU and as compiled."""

import pytest
import torch

from babylm.models.kernels import rotate
from babylm.models.positions import rotary_table


def defined(x, positions, theta, rotary_dim):
    """RoPE number by number: partners are half of the rotated dimensions apart, angles as in `rotary_table`."""
    result = x.clone()
    for pair in range(rotary_dim // 2):
        angle = positions[..., None] * theta ** (-2 * pair / rotary_dim)
        first, second = x[..., pair], x[..., pair + rotary_dim // 2]
        result[..., pair] = first * angle.cos() - second * angle.sin()
        result[..., pair + rotary_dim // 2] = second * angle.cos() + first * angle.sin()
    return result


@pytest.fixture(params=[False, True], ids=["eager", "compiled"])
def way(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)


@pytest.mark.parametrize("rotary_dim", [2, 4, 6, 8])
@pytest.mark.parametrize("rows", [1, 3])
def test_rotation_is_as_defined(rotary_dim, rows, way):
    position_ids = torch.arange(7).expand(rows, 7) + 3 * torch.arange(rows)[:, None]
    table = rotary_table(position_ids, 8, rotary_dim, 100.0, torch.float64)
    x = torch.randn(3, 7, 2, 8, dtype=torch.float64)
    torch.testing.assert_close(rotate(x, table), defined(x, position_ids, 100.0, rotary_dim), rtol=1e-6, atol=1e-6)


def test_lengths_stay(way):
    x = torch.randn(2, 5, 3, 6, dtype=torch.float64)
    table = rotary_table(torch.arange(5)[None], 6, 6, 100.0, torch.float64)
    torch.testing.assert_close(rotate(x, table).norm(dim=-1), x.norm(dim=-1), rtol=1e-6, atol=1e-6)
