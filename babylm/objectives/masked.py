"""Masked prediction with full attention: MLM, or MNTP, which reads the answer one position earlier.

MNTP (masked next-token prediction, GPT-BERT, arXiv 2410.24159) makes the masked reading share the causal one's offset,
and so its head; see `babylm.objectives.hybrid`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from babylm import schedules
from babylm.config.schema import ObjectiveConfig
from babylm.objectives import _masking
from babylm.objectives._types import Batch, MaskedBatch, Objective, SpecialTokens


class Masked(Objective):
    """Every row is masked by random spans whose share follows the schedule of the mask rate."""

    uniforms_per_token = _masking.UNIFORMS_PER_TOKEN
    kinds = ("masked",)

    def corrupt(self, batch: Batch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Objective.corrupt`; ``progress`` (0 to 1) sets the mask rate."""
        rows, length = batch.tokens.shape
        rate = schedules.mask_rate(self.config, progress)
        tokens, slots = _masking.masked(
            batch.tokens, batch.documents, batch.words, uniforms, rate, self.config, self.special
        )
        start = torch.arange(0, rows * length, length, device=tokens.device)[:, None]
        bidirectional = torch.ones(rows, dtype=torch.bool)
        targets, weights = slots.targets.flatten(), slots.weights.flatten()
        at = (start + slots.at).flatten()
        yes = torch.ones_like(weights, dtype=torch.bool)
        return MaskedBatch(tokens, batch.documents, bidirectional, at, targets, weights, yes)


def build(config: ObjectiveConfig, special: SpecialTokens) -> Masked:
    """The objective; ``objective.masked_prediction`` chooses between MLM and MNTP."""
    return Masked(config, special)
