"""Averages of the weights over training: exponential, or uniform over the last part.

When the average is updated, and with which weight, is a pure function of the step; only the averages are state. The
exponential average is corrected for its start (as Adam's are): its first value is the weights themselves, so it can be
used from the first update on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from babylm import sharding
from babylm.config.schema import AveragingConfig


def count(config: AveragingConfig, step: int, steps: int) -> int:
    """Number of updates made once ``step`` (from 0) of ``steps`` is done; the last step is always an update.

    >>> tail = AveragingConfig(name="tail", tail=0.5, every=2)
    >>> [count(tail, step, 10) for step in range(10)]
    [0, 0, 0, 0, 0, 1, 1, 2, 2, 3]
    """
    start = 0
    if config.name == "tail":
        # At least one step. The 1e-9 is for rounding: 0.29 of 100 steps is 28.999999999999996.
        start = steps - max(1, math.floor(config.tail * steps + 1e-9))
    if config.name == "none" or step < start:
        return 0
    return (step - steps + 1) // config.every - (start - steps) // config.every


def weight(config: AveragingConfig, step: int, steps: int) -> float:
    """Weight of the new weights in the average's update after ``step``; 0 if no update is due.

    >>> tail = AveragingConfig(name="tail", tail=0.5, every=2)
    >>> [weight(tail, step, 10) for step in (4, 5, 6, 7)]
    [0.0, 1.0, 0.0, 0.5]
    """
    number = count(config, step, steps)
    if number == 0 or number == count(config, step - 1, steps):
        return 0.0
    if config.name == "tail":
        return 1.0 / number
    decay = config.decay**config.every
    return (1.0 - decay) / (1.0 - decay**number)


class WeightAverage:
    """The running average of named parameters, each in its dtype and on its device."""

    def __init__(self, config: AveragingConfig, named_parameters: Iterable[tuple[str, Tensor]], steps: int) -> None:
        self.config, self.steps = config, steps
        self.values: list[Tensor] = []
        """Empty until the first update; of sharded parameters, shards."""
        self.follow(named_parameters)

    def follow(self, named_parameters: Iterable[tuple[str, Tensor]]) -> None:
        """Average these parameters from now on: those of the same network, after it has been sharded."""
        assert not self.values, "the average is of other tensors"
        named = dict(named_parameters)
        self.names, self.parameters = list(named), list(named.values())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Call after every optimizer step, with its number (from 0)."""
        share = weight(self.config, step, self.steps)
        if share == 0.0:
            return
        if not self.values:
            self.values = [p.detach().clone() for p in self.parameters]
        else:
            values, parameters = ([sharding.local(x) for x in these] for these in (self.values, self.parameters))
            torch._foreach_lerp_(values, parameters, share)

    def averaged_state(self) -> dict[str, Tensor] | None:
        """Name -> average (not a copy); None before the first update."""
        return dict(zip(self.names, self.values, strict=True)) if self.values else None

    @contextmanager
    def swap(self) -> Iterator[bool]:
        """Put the average into the model for a block, and its weights back afterwards, to the bit.

        Yields whether there is an average yet.
        """
        if not self.values:
            yield False
            return
        live = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.values)
        try:
            yield True
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, live)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by name; empty before the first update."""
        return self.averaged_state() or {}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Load the averages of a `state_dict`; ``ValueError`` if names or shapes are of another model."""
        if not state:
            self.values = []
            return
        shapes = {name: p.shape for name, p in zip(self.names, self.parameters, strict=True)}
        if {name: value.shape for name, value in state.items()} != shapes:
            raise ValueError("averaging: the saved average is of another model")
        self.values = [sharding.like(state[n], p).clone() for n, p in zip(self.names, self.parameters, strict=True)]
