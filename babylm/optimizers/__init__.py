"""Optimizers: one plug-in a file, each with ``build(config, named_parameters)`` that gives one torch optimizer.

Every parameter group carries ``base_lr``; the learning rate of a step is set from it by `babylm.schedules.apply`.
"""

from collections.abc import Iterable

from torch.nn import Parameter
from torch.optim import Optimizer

from babylm import registry
from babylm.config.schema import OptimizerConfig

__all__ = ["build"]


def build(config: OptimizerConfig, named_parameters: Iterable[tuple[str, Parameter]]) -> Optimizer:
    """The optimizer ``config.name`` over all parameters that want a gradient; unknown names answer with the nearest."""
    return registry.load("optimizers", config.name).build(config, named_parameters)
