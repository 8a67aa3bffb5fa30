"""Muon's elementwise work: rates as tensors, eager and compiled, equal the plain form; compiled it is fewer passes."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from babylm.optimizers import _muon_passes as passes

SHAPE, COUNT = (48, 32), 3


def tensors(seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw():
        return [torch.randn(SHAPE, generator=generator) for _ in range(COUNT)]

    squares = [torch.rand(48, generator=generator) for _ in range(COUNT)]
    return {"parameters": draw(), "momenta": draw(), "gradients": draw(), "mean_squares": squares}


def step(form, rate, momentum, made, **settings):
    """One step with a direction that stands for the orthogonalised one."""
    stacked = form.before(made["momenta"], made["gradients"], momentum, torch.float32)
    squares = made["mean_squares"] if settings.pop("normalized") else None
    form.after(made["parameters"], stacked.float() / 7, squares, rate, beta2=0.95, **settings)
    return [*made["parameters"], *made["momenta"], *(squares or [])]


class Bytes(TorchDispatchMode):
    """Counts operations that compute, and the bytes that they read and write."""

    def __init__(self):
        super().__init__()
        self.operations = self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if not func.is_view and "empty" not in str(func):
            self.operations += 1
            for part in (args, result):
                flat = torch.utils._pytree.tree_leaves(part)
                self.bytes += sum(t.numel() * t.element_size() for t in flat if isinstance(t, torch.Tensor))
        return result


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("decay", [(0.0, False), (0.4, False), (0.4, True)])
def test_rates_as_tensors_equal_numbers(normalized, decay):
    settings = {"normalized": normalized, "weight_decay": decay[0], "cautious": decay[1]}
    plain = step(passes.EAGER, 0.02, 0.93, tensors(), **settings)
    others = step(passes.EAGER, torch.tensor(0.02), torch.tensor(0.93), tensors(), **settings)
    for one, other in zip(plain, others, strict=True):
        torch.testing.assert_close(other, one, rtol=2e-6, atol=2e-7)


def test_the_compiled_half_is_equal_and_moves_a_third_of_the_bytes(monkeypatch):
    from torch._inductor import compile_fx, metrics

    # It counts bytes only for the log.
    monkeypatch.setattr(compile_fx.inductor_metrics_log, "isEnabledFor", lambda level: True)
    made, same, rate = tensors(), tensors(), torch.tensor(0.02)
    directions = torch.stack(made["gradients"]) / 7
    settings = {"weight_decay": 0.4, "cautious": True, "beta2": 0.95}
    with Bytes() as eager:
        passes.EAGER.after(made["parameters"], directions, made["mean_squares"], rate, **settings)
    torch.compiler.reset()
    metrics.reset()
    with torch._inductor.config.patch(force_disable_caches=True):
        passes.compiled().after(same["parameters"], directions, same["mean_squares"], rate, **settings)
    for name in ("parameters", "mean_squares"):
        torch.testing.assert_close(same[name], made[name], rtol=2e-6, atol=2e-7)
    assert 0 < metrics.num_bytes_accessed < 0.4 * eager.bytes
