"""Objectives: what a row of tokens is asked to predict. One plug-in per file.

A plug-in's file has ``build(settings, special) -> Objective`` and, if it has settings of its own, a dataclass
``Settings`` that inherits from `babylm.config.schema.ObjectiveConfig` and overrides the facts that differ (share of
logits computed, prediction mode, description). An objective corrupts a batch on its device and asks the model, which
it knows only by ``token_losses``, for the loss at the chosen positions. All randomness is a tensor of uniforms drawn
once for all rows of the optimizer step, and losses are sums; so ranks and accumulated batches, which take slices of
both, give what one big batch gives.
"""

from babylm import registry
from babylm.batches.feed import TokenBatch
from babylm.config.schema import ObjectiveConfig
from babylm.objectives._modes import Causal, Hybrid
from babylm.objectives._sequences import SequenceObjective, Sequences, SequenceSettings, pairs_of
from babylm.objectives._types import Loss, MaskedBatch, Model, Objective, RunFacts, SpecialTokens

__all__ = [
    "Causal",
    "Hybrid",
    "Loss",
    "MaskedBatch",
    "Model",
    "Objective",
    "RunFacts",
    "SequenceObjective",
    "SequenceSettings",
    "Sequences",
    "SpecialTokens",
    "TokenBatch",
    "build",
    "pairs_of",
]


def build(settings: ObjectiveConfig, special: SpecialTokens) -> Objective:
    """The objective ``settings.name``; ValueError with the nearest names if there is none."""
    settings_type = registry.settings("objectives", settings.name, ObjectiveConfig)
    if not isinstance(settings, settings_type):  # made by hand, from the settings that all objectives have
        settings = settings_type(**vars(settings))
    objective = registry.load("objectives", settings.name).build(settings, special)
    assert isinstance(objective, Objective)
    return objective
