"""Next-token prediction with causal attention."""

from __future__ import annotations

import torch
from torch import Tensor

from babylm.config.schema import ObjectiveConfig
from babylm.objectives import _masking
from babylm.objectives._types import Batch, MaskedBatch, Objective, SpecialTokens


class Causal(Objective):
    """Every row is read from left to right and nothing is corrupted."""

    kinds = ("causal",)

    def corrupt(self, batch: Batch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Objective.corrupt`; ``uniforms`` is empty and ``progress`` is ignored."""
        rows, length = batch.tokens.shape
        slots = _masking.causal(batch.tokens, batch.documents, self.special)
        start = torch.arange(0, rows * length, length, device=batch.tokens.device)[:, None]
        bidirectional = torch.zeros(rows, dtype=torch.bool)
        targets, weights = slots.targets.flatten(), slots.weights.flatten()
        at = (start + slots.at).flatten()
        no = torch.zeros_like(weights, dtype=torch.bool)
        return MaskedBatch(batch.tokens, batch.documents, bidirectional, at, targets, weights, no)


def build(config: ObjectiveConfig, special: SpecialTokens) -> Causal:
    """The objective; it has no settings but the z-loss."""
    return Causal(config, special)
