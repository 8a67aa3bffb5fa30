"""Objectives: what a row of tokens is asked to predict. One plug-in a file, each with ``build(config, special)``.

An objective corrupts a batch on its device and asks the network, which it knows only as a callable, for the loss at the
chosen positions. All randomness is a tensor of uniforms drawn once for all rows of the optimizer step, and losses are
sums; so ranks and accumulated batches, which take slices of both, give what one big batch gives.
"""

from babylm import registry
from babylm.config.schema import ObjectiveConfig
from babylm.objectives._types import Batch, Loss, MaskedBatch, Model, Objective, SpecialTokens

__all__ = ["Batch", "Loss", "MaskedBatch", "Model", "Objective", "SpecialTokens", "build"]


def build(config: ObjectiveConfig, special: SpecialTokens) -> Objective:
    """The objective ``config.name``; ``ValueError`` with the nearest names when there is none."""
    return registry.load("objectives", config.name).build(config, special)
