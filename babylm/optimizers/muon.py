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
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from babylm import sharding
from babylm.config.schema import OptimizerConfig
from babylm.optimizers import _adam, _param_groups
from babylm.optimizers._newton_schulz import orthogonalize

CPU_NUMBERS = 1 << 20
"""Numbers in a batch of matrices on a CPU (4 MB in fp32)."""


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
                    state["mean_square"] = torch.zeros(
                        max(rows, columns), dtype=parameter.dtype, device=parameter.device
                    )
        sharded_as = parameters[0]
        gradients = [sharding.local(p.grad) for p in parameters if p.grad is not None]
        momenta = [sharding.local(s["momentum_buffer"]) for s in states]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        nesterov = torch._foreach_lerp(gradients, momenta, group["momentum"])
        # (n, rows, columns)
        directions = orthogonalize(sharding.stack(nesterov, sharded_as), group["newton_schulz_steps"])

        # An orthogonal map to more dimensions shrinks root mean squares by sqrt(columns / rows): undo that.
        scale = torch.full((1, 1, 1), max(1.0, rows / columns) ** 0.5, device=directions.device)
        if group["normalized"]:
            scale = scale * _equal_lengths(directions, [s["mean_square"] for s in states], group["beta2"])
        updates = sharding.unstack(directions * scale, sharded_as)
        parameters = [sharding.local(p) for p in parameters]
        decay = group["lr"] * group["weight_decay"]
        if decay and group["cautious"]:
            # Per weight: 0 if update and weight have opposite signs, else 1. As sign(u w) in {-1, 0, 1}, plus 1, at
            # most 1: without booleans, which would have to be converted.
            agree = torch._foreach_mul(updates, parameters)
            torch._foreach_sign_(agree)
            torch._foreach_add_(agree, 1.0)
            torch._foreach_clamp_max_(agree, 1.0)
            torch._foreach_addcmul_(parameters, parameters, agree, value=-decay)
        elif decay:
            torch._foreach_mul_(parameters, 1 - decay)
        torch._foreach_add_(parameters, updates, alpha=-group["lr"])


def _buckets(parameters: list[Tensor]) -> Iterator[list[Tensor]]:
    """Parameters with gradients, grouped by shape; on a CPU in groups that fit into its cache."""
    by_shape = defaultdict(list)
    for parameter in parameters:
        if parameter.grad is not None:
            by_shape[parameter.shape].append(parameter)
    for shape, alike in by_shape.items():
        size = max(1, CPU_NUMBERS // shape.numel()) if alike[0].device.type == "cpu" else len(alike)
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _equal_lengths(directions: Tensor, mean_squares: list[Tensor], beta2: float) -> Tensor:
    """Factors that divide each neuron by its running root mean square (updated here) and preserve each matrix's norm.

    Neurons are the rows of a tall or square matrix, the columns of a wide one: along the shorter side an orthogonal
    matrix has unit vectors already. ``directions``: (n, rows, columns), to which the factors broadcast.

    Two rows of length 1 and 2 are scaled to one length, with the norm of the matrix as before:

    >>> matrix = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    >>> scaled = matrix * _equal_lengths(matrix, [torch.zeros(2)], beta2=0.9)
    >>> scaled, bool(torch.isclose(scaled.norm(), matrix.norm()))
    (tensor([[[1.5811, 0.0000],
             [0.0000, 1.5811]]]), True)
    """
    short = 2 if directions.shape[1] >= directions.shape[2] else 1  # the dimension over which a neuron extends
    lengths = torch.linalg.vector_norm(directions, dim=short, dtype=torch.float32)  # (n, neurons), as are those below
    squares = lengths.square() / directions.shape[short]
    torch._foreach_lerp_(mean_squares, list(squares.unbind()), 1 - beta2)
    running = torch.stack(mean_squares).clamp(min=1e-30)
    # (n, 1): the factor that gives each matrix its squared norm back after the division.
    norm_ratio = squares.sum(1, keepdim=True) / (squares / running).sum(1, keepdim=True).clamp(min=1e-30)
    return (norm_ratio / running).sqrt().unsqueeze(short)


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
