"""Learning rate and momentum as pure functions of the step.

Nothing here has state, so a resumed run needs only its step number. Steps count from 0; the rate of a step is the
shape's value at the middle of the step, so neither the first nor the last step has a rate of zero.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from babylm.config.schema import OptimizerConfig, ScheduleConfig

if TYPE_CHECKING:
    from torch.optim import Optimizer

MOMENTUM_START = 0.85
"""Momentum of Muon at step 0 (modded-nanogpt's value)."""


def shape(config: ScheduleConfig, progress: float) -> float:
    """The learning-rate factor at ``progress`` (0 to 1): continuous, 0 at the start if there is a warm-up.

    All shapes rise linearly over the share ``warmup``. Then ``trapezoid`` stays at 1 and falls linearly over the last
    share ``cooldown``; ``linear`` and ``cosine`` fall over the rest; each ends at ``final_lr_factor``.

    >>> config = ScheduleConfig(name="trapezoid", warmup=0.1, cooldown=0.5)
    >>> [shape(config, progress) for progress in (0, 0.05, 0.1, 0.5, 0.75, 1)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    progress = min(max(progress, 0.0), 1.0)
    rise = min(1.0, progress / config.warmup) if config.warmup > 0 else 1.0
    if config.name == "constant":
        return rise
    if config.name == "trapezoid":
        left = min(1.0, (1.0 - progress) / config.cooldown) if config.cooldown > 0 else 1.0
    else:
        left = min(1.0, (1.0 - progress) / (1.0 - config.warmup)) if config.warmup < 1 else 1.0
        if config.name == "cosine":
            left = 0.5 - 0.5 * math.cos(math.pi * left)
    # The smaller of the two keeps the shape continuous where a long warm-up meets a long cool-down.
    return min(rise, config.final_lr_factor + (1.0 - config.final_lr_factor) * left)


def momentum(config: OptimizerConfig, step: int) -> float:
    """Muon's momentum at ``step``: linear from 0.85 to ``momentum`` over ``momentum_warmup`` steps.

    >>> [round(momentum(OptimizerConfig(momentum=0.95, momentum_warmup=100), step), 3) for step in (0, 50, 200)]
    [0.85, 0.9, 0.95]
    """
    start = min(MOMENTUM_START, config.momentum)
    done = min(1.0, step / config.momentum_warmup) if config.momentum_warmup > 0 else 1.0
    return start + (config.momentum - start) * done


def apply(optimizer: Optimizer, schedule: ScheduleConfig, config: OptimizerConfig, step: int, progress: float) -> float:
    """Set every group's learning rate (and momentum, if it has one) for ``step``; returns the learning-rate factor.

    ``progress``: that of the middle of the step (`babylm.batches.feed.Feed.progress` of ``step + 0.5``).
    """
    factor = shape(schedule, progress)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
        if "momentum" in group:
            group["momentum"] = momentum(config, step)
    return factor
