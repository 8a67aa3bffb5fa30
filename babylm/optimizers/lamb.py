"""LAMB (You et al., arXiv 1904.00962): Adam whose step in each matrix is as long as the matrix is large.

Gains and biases take plain Adam steps, as in the published implementations: a trust ratio of a vector that starts at
zero would keep it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from babylm import sharding
from babylm.config.schema import OptimizerConfig
from babylm.optimizers import _param_groups


class Lamb(Optimizer):
    """Groups have ``lr``, ``betas``, ``eps``, ``weight_decay`` and ``adapt`` (whether the trust ratio is used)."""

    def __init__(self, groups: list[dict[str, Any]], betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, {"lr": 0.0, "betas": betas, "eps": eps, "weight_decay": 0.0, "adapt": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of the parameters that have gradients; returns the value of ``closure``, None without one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        parameters = [p for p in group["params"] if p.grad is not None]
        if not parameters:
            return
        states = [self.state[p] for p in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["step"] += 1
        sharded_as, (beta1, beta2) = parameters[0], group["betas"]
        gradients = [sharding.local(p.grad) for p in parameters if p.grad is not None]
        parameters = [sharding.local(p) for p in parameters]
        means = [sharding.local(s["exp_avg"]) for s in states]
        squares = [sharding.local(s["exp_avg_sq"]) for s in states]
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)

        steps = [float(s["step"]) for s in states]
        denominators = torch._foreach_div(squares, [1 - beta2**t for t in steps])
        torch._foreach_sqrt_(denominators)
        torch._foreach_add_(denominators, group["eps"])
        updates = torch._foreach_div(means, [1 - beta1**t for t in steps])
        torch._foreach_div_(updates, denominators)
        torch._foreach_add_(updates, parameters, alpha=group["weight_decay"])
        if group["adapt"]:
            weights, lengths = sharding.norms(parameters, sharded_as), sharding.norms(updates, sharded_as)
            ratios = torch.where((weights > 0) & (lengths > 0), weights / lengths, 1.0)
            torch._foreach_mul_(updates, list(ratios.unbind()))
        torch._foreach_add_(parameters, updates, alpha=-group["lr"])


def build(config: OptimizerConfig, named_parameters: Iterable[tuple[str, Parameter]]) -> Optimizer:
    """Matrices and tables with decay and trust ratio, vectors with neither; all with ``optimizer.lr``."""
    parts = _param_groups.split(named_parameters)
    groups = _param_groups.group(parts.matrices + parts.tables, config.lr, config.weight_decay, adapt=True)
    groups += _param_groups.group(parts.vectors, config.lr, 0.0, adapt=False)
    first, second = config.betas
    return Lamb(groups, (first, second), config.eps)
