"""Adam with decoupled decay for some groups of another optimizer: torch's kernels on that optimizer's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from babylm import sharding


@torch.no_grad()
def step(group: dict[str, Any], state: Callable[[Tensor], dict[str, Tensor]]) -> None:
    """One step of AdamW on ``group`` (``lr``, ``betas``, ``eps``, ``weight_decay``).

    ``state``: parameter -> its state in the other optimizer, filled here at the first step.
    """
    parameters = [p for p in group["params"] if p.grad is not None]
    if not parameters:
        return
    states = [state(p) for p in parameters]
    for parameter, parameter_state in zip(parameters, states, strict=True):
        if not parameter_state:
            parameter_state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            parameter_state["exp_avg"] = torch.zeros_like(parameter)
            parameter_state["exp_avg_sq"] = torch.zeros_like(parameter)
    adamw(
        [sharding.local(p) for p in parameters],
        [sharding.local(p.grad) for p in parameters if p.grad is not None],
        [sharding.local(s["exp_avg"]) for s in states],
        [sharding.local(s["exp_avg_sq"]) for s in states],
        [],
        [s["step"] for s in states],
        fused=True,
        amsgrad=False,
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
    )
