"""Muon's elementwise work: rates as tensors, eager and compiled, equal the plain form; compiled it is fewer passes."""

from __future__ import annotations

import math

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


def test_compiled_passes_are_equal_and_move_fewer_bytes(monkeypatch):
    from torch._inductor import compile_fx, metrics

    # It counts bytes only for the log.
    monkeypatch.setattr(compile_fx.inductor_metrics_log, "isEnabledFor", lambda level: True)

    settings = {"normalized": True, "weight_decay": 0.4, "cautious": True}
    with Bytes() as eager:
        plain = step(passes.EAGER, torch.tensor(0.02), torch.tensor(0.93), tensors(), **settings)
    torch.compiler.reset()
    metrics.reset()
    form = passes.compiled()
    with torch._inductor.config.patch(force_disable_caches=True):
        others = step(form, torch.tensor(0.02), torch.tensor(0.93), tensors(), **settings)
    for one, other in zip(plain, others, strict=True):
        torch.testing.assert_close(other, one, rtol=2e-6, atol=2e-7)
    compiled = metrics.num_bytes_accessed
    matrices = 4 * COUNT * math.prod(SHAPE)
    print(f"passes over all matrices: eager {eager.bytes / matrices:.1f}, compiled {compiled / matrices:.1f}")
    print(f"operations: eager {eager.operations}, kernels compiled {metrics.generated_kernel_count}")
    assert 0 < compiled < 0.6 * eager.bytes
    assert form.before is not passes.EAGER.before
