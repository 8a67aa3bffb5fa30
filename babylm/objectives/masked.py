"""Masked prediction with full attention: MLM, or MNTP, which predicts a token from the position before it.

MNTP (masked next-token prediction, GPT-BERT, arXiv 2410.24159) gives masked rows the offset of causal ones, and so the
same head; see `babylm.objectives.hybrid`.
"""

from __future__ import annotations

from babylm.objectives._masking import MaskingSettings
from babylm.objectives._modes import Masked
from babylm.objectives._types import SpecialTokens

Settings = MaskingSettings


def build(settings: MaskingSettings, special: SpecialTokens) -> Masked:
    """The objective; ``objective.masked_prediction`` chooses between MLM and MNTP."""
    return Masked(settings, special)
