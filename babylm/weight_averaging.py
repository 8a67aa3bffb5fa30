"""Averages of the weights over training: exponential, or uniform over the last part.

When the average is updated, and with which weight, is a pure function of the step; only the averages are state. The
exponential average is corrected for its start (its first value is the weights themselves), so early ones are usable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from babylm.config.schema import AveragingConfig


def count(config: AveragingConfig, step: int, steps: int) -> int:
    """Updates made after ``step`` (from 0) of ``steps`` is done: every ``every`` steps, the last step among them."""
    start = 0
    if config.name == "tail":
        # No tail is shorter than one step; the guard keeps a share like 0.2 of 10 from becoming 2.0000001 steps.
        start = steps - max(1, math.floor(config.tail * steps + 1e-9))
    if config.name == "none" or step < start:
        return 0
    return (step - steps + 1) // config.every - (start - steps) // config.every


def weight(config: AveragingConfig, step: int, steps: int) -> float:
    """Weight of the weights after ``step`` in the average: 0 where no update is due."""
    number = count(config, step, steps)
    if number == 0 or number == count(config, step - 1, steps):
        return 0.0
    if config.name == "tail":
        return 1.0 / number
    kept = config.decay**config.every
    return (1.0 - kept) / (1.0 - kept**number)


class WeightAverage:
    """The running average of some parameters, in their dtype and on their device."""

    def __init__(self, config: AveragingConfig, named_parameters: Iterable[tuple[str, Tensor]], steps: int) -> None:
        self.config, self.steps = config, steps
        named = dict(named_parameters)
        self.names, self.parameters = list(named), list(named.values())
        self.values: list[Tensor] = []
        """Empty until the first update."""

    @torch.no_grad()
    def update(self, step: int) -> None:
        """To be called after every optimizer step, with its number (from 0)."""
        share = weight(self.config, step, self.steps)
        if share == 0.0:
            return
        if not self.values:
            self.values = [p.detach().clone() for p in self.parameters]
        else:
            torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], share)

    def averaged_state(self) -> dict[str, Tensor] | None:
        """Name -> average, or ``None`` before the first update. Not a copy."""
        return dict(zip(self.names, self.values, strict=True)) if self.values else None

    @contextmanager
    def swap(self) -> Iterator[bool]:
        """The model holds the average inside the block, and its own weights, to the bit, after it; tells whether so."""
        if not self.values:
            yield False
            return
        own = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.values)
        try:
            yield True
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, own)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by name; empty before the first update."""
        return self.averaged_state() or {}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state_dict` gave; ``ValueError`` where names or shapes are of another model."""
        if not state:
            self.values = []
            return
        shapes = {name: p.shape for name, p in zip(self.names, self.parameters, strict=True)}
        if {name: value.shape for name, value in state.items()} != shapes:
            raise ValueError("averaging: the saved average is of another model")
        self.values = [state[n].to(p).clone() for n, p in zip(self.names, self.parameters, strict=True)]
