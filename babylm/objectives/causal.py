"""Next-token prediction with causal attention."""

from __future__ import annotations

from babylm.config.schema import ObjectiveConfig
from babylm.objectives._modes import Causal
from babylm.objectives._types import SpecialTokens


def build(settings: ObjectiveConfig, special: SpecialTokens) -> Causal:
    """The objective; it has no settings but the z-loss."""
    return Causal(settings, special)
