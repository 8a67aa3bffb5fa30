"""Causal and masked rows in one batch: GPT-BERT's objective (arXiv 2410.24159) without splitting devices by mode."""

from __future__ import annotations

from babylm.objectives._modes import Hybrid, HybridSettings
from babylm.objectives._types import SpecialTokens

Settings = HybridSettings


def build(settings: HybridSettings, special: SpecialTokens) -> Hybrid:
    """The objective; ``objective.causal_ratio`` is the share of causal rows."""
    return Hybrid(settings, special)
