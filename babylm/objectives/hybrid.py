"""Causal and masked rows in one batch, at any ratio: GPT-BERT's objective without splitting devices between modes.

Which rows are causal is a fixed, evenly spread pattern over the run's row numbers (rows come in random order already),
so the ratio is exact over any stretch and a batch's number of causal rows is known without asking the device.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from babylm import schedules
from babylm.config.schema import ObjectiveConfig
from babylm.objectives import _masking
from babylm.objectives._types import Batch, MaskedBatch, Objective, SpecialTokens


class Hybrid(Objective):
    """Row i is causal where floor((i + 1) * ratio) > floor(i * ratio); the others are masked."""

    uniforms_per_token = _masking.UNIFORMS_PER_TOKEN

    def __init__(self, config: ObjectiveConfig, special: SpecialTokens) -> None:
        super().__init__(config, special)
        # An exact ratio in integers: no rounding at row 10^7, and the same on host and device.
        self.ratio = Fraction(config.causal_ratio).limit_denominator(10_000)

    def corrupt(self, batch: Batch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Objective.corrupt`. The slots of the causal rows come first, then those of the masked ones."""
        rows, length = batch.tokens.shape
        up, down = self.ratio.numerator, self.ratio.denominator
        # On the host, which must know the rows of each kind; only their places go to the device, without waiting.
        number = torch.arange(batch.first_row, batch.first_row + rows)
        is_causal = (number + 1) * up // down > number * up // down
        n_causal = (batch.first_row + rows) * up // down - batch.first_row * up // down
        order = torch.argsort(~is_causal, stable=True).to(batch.tokens.device, non_blocking=True)
        first, rest = order[:n_causal], order[n_causal:]

        asked = _masking.causal(batch.tokens[first], batch.documents[first], self.special)
        rate = schedules.mask_rate(self.config, progress)
        corrupted, hidden = _masking.masked(
            batch.tokens[rest],
            batch.documents[rest],
            batch.words[rest],
            uniforms[rest],
            rate,
            self.config,
            self.special,
        )
        tokens = batch.tokens.index_copy(0, rest, corrupted)
        at = [(rows_at[:, None] * length + s.at).flatten() for rows_at, s in ((first, asked), (rest, hidden))]
        targets = torch.cat([asked.targets.flatten(), hidden.targets.flatten()])
        weights = torch.cat([asked.weights.flatten(), hidden.weights.flatten()])
        masked = torch.arange(len(weights), device=tokens.device) >= asked.at.numel()
        return MaskedBatch(tokens, batch.documents, ~is_causal, torch.cat(at), targets, weights, masked)


def build(config: ObjectiveConfig, special: SpecialTokens) -> Hybrid:
    """The objective; ``objective.causal_ratio`` is the share of causal rows."""
    return Hybrid(config, special)
