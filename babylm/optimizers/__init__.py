"""Optimizers, one plug-in per file: ``build(config, named_parameters)`` returns one torch optimizer.

Every parameter group has ``base_lr``; `babylm.schedules.apply` sets a step's learning rate from it.
"""

from collections.abc import Iterable

from torch.nn import Parameter
from torch.optim import Optimizer

from babylm import registry
from babylm.config.schema import OptimizerConfig

__all__ = ["build"]


def build(config: OptimizerConfig, named_parameters: Iterable[tuple[str, Parameter]]) -> Optimizer:
    """The optimizer ``config.name`` over all parameters; ValueError with the nearest names if it is unknown."""
    return registry.load("optimizers", config.name).build(config, named_parameters)
