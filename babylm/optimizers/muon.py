"""Muon for the matrices of the body and Adam for everything else, in one optimizer.

Muon (Jordan et al., 2024) replaces the momentum of a matrix by the nearest orthogonal matrix; matrices of equal shape
are orthogonalised in one batch. With ``normalized`` the neurons of the update are scaled to equal length (NorMuon,
arXiv 2510.05491), along the longer side, where orthogonality does not determine the lengths. With ``cautious`` a
weight is decayed only if the update does not have the opposite sign. Every rank orthogonalises the same whole matrices
(of sharded parameters it then keeps its own rows), so nothing depends on the number of ranks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from babylm import sharding
from babylm.config.schema import OptimizerConfig
from babylm.optimizers import _adam, _muon_passes, _param_groups
from babylm.optimizers._newton_schulz import dtype_for, orthogonalize

CAN_REPLAY = True

CPU_NUMBERS = 1 << 20
"""Numbers in a batch of matrices on a CPU (4 MB in fp32)."""


class Muon(Optimizer):
    """Groups with ``momentum`` are stepped by Muon, the others by Adam with decoupled decay.

    ``lr`` and ``momentum`` may be tensors () on the device, for steps that are captured once and replayed.

    Muon groups: ``lr``, ``momentum``, ``weight_decay`` (times lr), ``normalized``, ``cautious``, ``beta2`` (decay of
    the neurons' mean squares), ``newton_schulz_steps``. Adam groups: ``lr``, ``betas``, ``eps``, ``weight_decay``.
    State is tensors only and loads with ``weights_only``.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})
        self.passes = _muon_passes.EAGER

    def compile(self) -> None:
        """Compile the elementwise work, for steps whose rates are tensors: numbers would be compiled in."""
        self.passes = _muon_passes.compiled()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of the parameters that have gradients; returns the value of ``closure``, None without one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if "momentum" not in group:
                _adam.step(group, self.state.__getitem__)
                continue
            for parameters in _buckets(group["params"]):
                self._step_bucket(parameters, group)
        return loss

    def _step_bucket(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Step n matrices of one shape (rows, columns), which are orthogonalised as one batch."""
        rows, columns = parameters[0].shape
        states = [self.state[p] for p in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
                if group["normalized"]:
                    # Not parameter.new_zeros: neurons' mean squares are whole on every process.
                    state["mean_square"] = torch.zeros(
                        max(rows, columns), dtype=parameter.dtype, device=parameter.device
                    )
        shard = parameters[0]
        gradients = [sharding.local(p.grad) for p in parameters if p.grad is not None]
        momenta = [sharding.local(s["momentum_buffer"]) for s in states]
        moved = self.passes.before(momenta, gradients, group["momentum"], dtype_for(shard.device))
        # (n, rows, columns)
        directions = orthogonalize(sharding.gather_stack(moved, shard), group["newton_schulz_steps"])
        self.passes.after(
            [sharding.local(p) for p in parameters],
            directions,
            [s["mean_square"] for s in states] if group["normalized"] else None,
            group["lr"],
            weight_decay=group["weight_decay"],
            cautious=group["cautious"],
            beta2=group["beta2"],
            cut=partial(sharding.unstack, parameter=shard) if sharding.is_sharded(shard) else None,
        )


def _buckets(parameters: list[Tensor]) -> Iterator[list[Tensor]]:
    """Parameters with gradients, grouped by shape; on a CPU in groups that fit into its cache."""
    by_shape = defaultdict(list)
    for parameter in parameters:
        if parameter.grad is not None:
            by_shape[parameter.shape].append(parameter)
    for shape, alike in by_shape.items():
        size = max(1, CPU_NUMBERS // shape.numel()) if alike[0].device.type == "cpu" else len(alike)
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def build(config: OptimizerConfig, named_parameters: Iterable[tuple[str, Parameter]]) -> Optimizer:
    """Matrices of the body by Muon; embeddings, head and tables by Adam; gains and biases by Adam without decay."""
    parts = _param_groups.split(named_parameters)
    groups = _param_groups.group(
        parts.matrices,
        config.lr,
        config.weight_decay,
        momentum=config.momentum,
        normalized=config.normuon,
        cautious=config.cautious_weight_decay,
        beta2=config.betas[1],
        newton_schulz_steps=config.newton_schulz_steps,
    )
    # `fused` tells torch's load_state_dict to put the step counts on the parameters' device.
    adam = {"betas": tuple(config.betas), "eps": config.eps, "fused": True}
    groups += _param_groups.group(parts.tables, config.adam_lr, config.adam_weight_decay, **adam)
    groups += _param_groups.group(parts.vectors, config.adam_lr, 0.0, **adam)
    return Muon(groups)
