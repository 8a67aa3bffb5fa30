"""AdamW, as torch has it (fused), with decay on matrices and tables only."""

from __future__ import annotations

from collections.abc import Iterable

from torch.nn import Parameter
from torch.optim import AdamW, Optimizer

from babylm.config.schema import OptimizerConfig
from babylm.optimizers import _param_groups

CAN_REPLAY = True


def build(config: OptimizerConfig, named_parameters: Iterable[tuple[str, Parameter]]) -> Optimizer:
    """Matrices and tables with ``optimizer.weight_decay``, vectors without; all with ``optimizer.lr``."""
    parts = _param_groups.split(named_parameters)
    groups = _param_groups.group(parts.matrices + parts.tables, config.lr, config.weight_decay)
    groups += _param_groups.group(parts.vectors, config.lr, 0.0)
    first, second = config.betas
    return AdamW(groups, betas=(first, second), eps=config.eps, fused=True)
