"""Muon for the matrices of the body and Adam for everything else, in one optimizer.

Muon (Jordan et al., 2024) replaces the momentum of a matrix by the nearest orthogonal matrix. Matrices of equal shape,
standing or lying, are orthogonalised in one batch. With ``normalized`` the update's neurons are brought to one length
(NorMuon, arXiv 2510.05491), along the longer side, where orthogonality alone leaves their lengths free. With
``cautious`` a weight is decayed only where the update does not pull the other way. Every rank does the same work on the
same gradients, so nothing depends on the number of ranks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from babylm.optimizers import _adam, _groups
from babylm.optimizers._newton_schulz import orthogonalize
from babylm.sections import OptimizerConfig


class Muon(Optimizer):
    """Groups with ``momentum`` are stepped by Muon, the others by Adam with decoupled decay.

    Muon groups: ``lr``, ``momentum``, ``weight_decay`` (times lr), ``normalized``, ``cautious``, ``beta2`` (decay of
    the neurons' mean squares), ``newton_schulz_steps``. Adam groups: ``lr``, ``betas``, ``eps``, ``weight_decay``.
    State is tensors only and loads with ``weights_only``.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; parameters without gradient are left alone. Returns what ``closure`` gives."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if "momentum" not in group:
                _adam.step(group, self.state.__getitem__)
                continue
            buckets = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    buckets[tuple(sorted(parameter.shape))].append(parameter)
            for parameters in buckets.values():
                self._step_bucket(parameters, group)
        return loss

    def _step_bucket(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Step matrices of one shape up to transposition, stacked with their shorter side first."""
        states = [self.state[p] for p in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
                if group["normalized"]:
                    state["mean_square"] = parameter.new_zeros(max(parameter.shape))
        gradients = [p.grad for p in parameters if p.grad is not None]
        momenta = [s["momentum_buffer"] for s in states]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        nesterov = torch._foreach_lerp(gradients, momenta, group["momentum"])

        updates = orthogonalize(_stack(nesterov), group["newton_schulz_steps"]).to(nesterov[0].dtype)
        if group["normalized"]:
            updates = self._normalize(updates, states, group["beta2"])
        # Unit gain whatever the shape: a map to more dimensions than it comes from may be longer.
        updates *= torch.tensor([max(1.0, p.shape[0] / p.shape[1]) ** 0.5 for p in parameters]).to(updates)[
            :, None, None
        ]
        weights = _stack(parameters)
        decay = group["lr"] * group["weight_decay"]
        if group["cautious"]:
            kept = torch.where(updates * weights >= 0, weights * (1 - decay), weights)
        else:
            kept = weights * (1 - decay)
        kept.sub_(updates, alpha=group["lr"])
        torch._foreach_copy_(parameters, [_turn(w, p) for w, p in zip(kept.unbind(), parameters, strict=True)])

    def _normalize(self, updates: Tensor, states: list[dict[str, Tensor]], beta2: float) -> Tensor:
        """Divide each neuron (column of the stack) by its running root mean square; the whole keeps its norm."""
        squares = [s["mean_square"] for s in states]
        torch._foreach_lerp_(squares, list(updates.square().mean(dim=1).unbind()), 1 - beta2)
        scaled = updates / (torch.stack(squares).sqrt() + 1e-10)[:, None, :]
        norm, new_norm = (torch.linalg.matrix_norm(x, keepdim=True) for x in (updates, scaled))
        return scaled * (norm / (new_norm + 1e-30))


def _turn(matrix: Tensor, parameter: Tensor) -> Tensor:
    """Standing (and square) parameters are stacked transposed, so that rows (neurons) are on the long side."""
    return matrix.mT if parameter.shape[0] >= parameter.shape[1] else matrix


def _stack(matrices: Sequence[Tensor]) -> Tensor:
    return torch.stack([_turn(m, m) for m in matrices])


def build(config: OptimizerConfig, named_parameters: Iterable[tuple[str, Parameter]]) -> Optimizer:
    """Matrices of the body by Muon; embeddings, head and tables by Adam; gains and biases by Adam without decay."""
    parts = _groups.split(named_parameters)
    groups = _groups.group(
        parts.matrices,
        config.lr,
        config.weight_decay,
        momentum=config.momentum,
        normalized=config.normalized,
        cautious=config.cautious,
        beta2=config.betas[1],
        newton_schulz_steps=config.newton_schulz_steps,
    )
    # `fused` tells torch's load_state_dict to put the step counts where the parameters are.
    adam = {"betas": tuple(config.betas), "eps": config.eps, "fused": True}
    groups += _groups.group(parts.tables, config.adam_lr, config.adam_weight_decay, **adam)
    groups += _groups.group(parts.vectors, config.adam_lr, 0.0, **adam)
    return Muon(groups)
