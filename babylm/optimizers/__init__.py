"""Optimizers, one plug-in per file: ``build(config, named_parameters)`` returns one torch optimizer.

Every parameter group has ``base_lr``; `babylm.schedules.apply` sets a step's learning rate from it. A file that says
``CAN_REPLAY = True`` makes an optimizer whose steps a GPU can capture once and replay: its rates may be tensors, and it
reads no number on the host.
"""

from collections.abc import Iterable

from torch.nn import Parameter
from torch.optim import Optimizer

from babylm import registry
from babylm.config.schema import OptimizerConfig

__all__ = ["build", "can_replay"]


def build(config: OptimizerConfig, named_parameters: Iterable[tuple[str, Parameter]]) -> Optimizer:
    """The optimizer ``config.name`` over all parameters; ValueError with the nearest names if it is unknown."""
    return registry.load("optimizers", config.name).build(config, named_parameters)


def can_replay(name: str) -> bool:
    """Whether the optimizer's steps can be captured once and replayed (``CAN_REPLAY`` of its file)."""
    return bool(getattr(registry.load("optimizers", name), "CAN_REPLAY", False))
