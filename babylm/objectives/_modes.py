"""The two pure modes of language modelling, as the objectives causal, masked and hybrid use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from babylm.batches.feed import TokenBatch
from babylm.lazy import torch
from babylm.objectives import _masking
from babylm.objectives._masking import MaskingSettings
from babylm.objectives._types import MaskedBatch, Objective, SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor


class Causal(Objective):
    """Every row is read from left to right and nothing is corrupted."""

    metric_names = ("causal",)

    def corrupt(self, batch: TokenBatch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Objective.corrupt`; ``uniforms`` is empty and ``progress`` is ignored."""
        rows, _ = batch.shape
        targets = _masking.causal(batch.tokens, batch.document_ids, self.special)
        return _whole(batch, batch.tokens, targets, torch.zeros(rows, dtype=torch.bool), masked=False)


class Masked(Objective):
    """Every row is masked by random spans whose share follows the schedule of the mask rate."""

    uniforms_per_token = _masking.UNIFORMS_PER_TOKEN
    metric_names = ("masked",)
    config: MaskingSettings

    def corrupt(self, batch: TokenBatch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Objective.corrupt`; ``progress`` (0 to 1) sets the mask rate."""
        rows, _ = batch.shape
        rate = self.config.mask_rate_at(progress)
        tokens, targets = _masking.masked(
            batch.tokens, batch.document_ids, batch.words, uniforms, rate, self.config, self.special
        )
        return _whole(batch, tokens, targets, torch.ones(rows, dtype=torch.bool), masked=True)


def both_modes(config: MaskingSettings, special: SpecialTokens) -> Mapping[str, Objective]:
    """The pure modes that a mixture is measured by."""
    return {"causal": Causal(config, special), "masked": Masked(config, special)}


def _whole(
    batch: TokenBatch, tokens: Tensor, targets: _masking.Targets, bidirectional: Tensor, masked: bool
) -> MaskedBatch:
    """A batch all of whose rows are of one mode; positions in rows become flat ones."""
    rows, length = batch.shape
    start = torch.arange(0, rows * length, length, device=tokens.device)[:, None]
    weights = targets.weights.flatten()
    return MaskedBatch(
        tokens=tokens,
        document_ids=batch.document_ids,
        bidirectional=bidirectional,
        target_positions=(start + targets.positions).flatten(),
        targets=targets.targets.flatten(),
        weights=weights,
        masked=torch.full_like(weights, masked, dtype=torch.bool),
    )
