"""The modes of language modelling: causal rows, masked rows, and both in one batch at any ratio.

Which rows of a mixture are causal is a fixed, evenly spread pattern over the run's row numbers (rows come in random
order already), so the ratio is exact over any stretch and a batch's number of causal rows is known without asking the
device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from babylm.batches.feed import TokenBatch
from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives import _masking
from babylm.objectives._masking import MaskingSettings
from babylm.objectives._types import MaskedBatch, Objective, SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor, device


class Causal(Objective):
    """Every row is read from left to right and nothing is corrupted."""

    metric_names = ("causal",)

    def corrupt(self, batch: TokenBatch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Objective.corrupt`; ``uniforms`` is empty and ``progress`` is ignored."""
        rows, _ = batch.shape
        targets = _masking.causal(batch.tokens, batch.document_ids, self.special)
        return _whole(batch, batch.tokens, targets, torch.zeros(rows, dtype=torch.bool), masked=False)

    def can_replay(self) -> bool:
        """See `Objective.can_replay`."""
        return _is_unchanged(self, Causal)

    def corrupt_at(self, batch: TokenBatch, uniforms: Tensor, rate: float | Tensor, most: float) -> MaskedBatch:
        """See `Objective.corrupt_at`; there is no rate."""
        return self.corrupt(batch, uniforms, 0.0)


class Masked(Objective):
    """Every row is masked by random spans whose share follows the schedule of the mask rate."""

    uniforms_per_token = _masking.UNIFORMS_PER_TOKEN
    metric_names = ("masked",)
    config: MaskingSettings

    def corrupt(self, batch: TokenBatch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Objective.corrupt`; ``progress`` (0 to 1) sets the mask rate."""
        rate = self.mask_rate_at(progress)
        return self.corrupt_at(batch, uniforms, rate, rate)

    def can_replay(self) -> bool:
        """See `Objective.can_replay`."""
        return _is_unchanged(self, Masked)

    def mask_rate_at(self, progress: float) -> float:
        """See `Objective.mask_rate_at`."""
        return self.config.mask_rate_at(progress)

    def corrupt_at(self, batch: TokenBatch, uniforms: Tensor, rate: float | Tensor, most: float) -> MaskedBatch:
        """See `Objective.corrupt_at`."""
        rows, _ = batch.shape
        tokens, targets = _masking.masked(
            batch.tokens, batch.document_ids, batch.words, uniforms, rate, most, self.config, self.special
        )
        return _whole(batch, tokens, targets, torch.ones(rows, dtype=torch.bool), masked=True)


@dataclass
class HybridSettings(MaskingSettings):
    """Settings of a mixture of causal and masked rows."""

    causal_ratio: float = number(0.5, "[0, 1]")
    """Share of rows that are causal; the others are masked."""

    @property
    def backend(self) -> str:
        """The model is scored causally, which every task can do."""
        return "causal"

    def head_fraction(self, progress: float) -> float:
        """All positions of causal rows, the masked ones of the others."""
        return self.causal_ratio + (1 - self.causal_ratio) * self.mask_rate_at(progress)

    def describe(self) -> str:
        """The objective in words."""
        return f"{self.name} ({100 * self.causal_ratio:.0f} % causal, else masked, {self.masked_prediction})"


class RowModes(NamedTuple):
    """Which rows of a batch are causal."""

    bidirectional: Tensor
    """(rows,) bool, on the host: the masked ones."""
    causal: Tensor
    """(causal rows,) their numbers, on the batch's device."""
    masked: Tensor
    """(masked rows,)"""


class Hybrid(Objective):
    """Row i is causal if floor((i + 1) * ratio) > floor(i * ratio); the others are masked."""

    uniforms_per_token = _masking.UNIFORMS_PER_TOKEN
    config: HybridSettings

    def __init__(self, config: HybridSettings, special: SpecialTokens) -> None:
        super().__init__(config, special)
        # An exact ratio in integers: no rounding at row 10^7, and the same on host and device.
        self.ratio = Fraction(config.causal_ratio).limit_denominator(10_000)
        self._modes: dict[tuple[int, int, device], RowModes] = {}

    def row_modes(self, first_row: int, rows: int, device: device) -> RowModes:
        """The modes of ``rows`` rows from ``first_row`` on; kept, as few patterns are met in a run."""
        up, down = self.ratio.numerator, self.ratio.denominator
        key = (first_row % down, rows, device)  # the pattern has the period of the denominator
        if key not in self._modes:
            # On the host, which must know the rows of each mode.
            row_number = torch.arange(first_row % down, first_row % down + rows)
            is_causal = (row_number + 1) * up // down > row_number * up // down
            causal, masked = (mask.nonzero().squeeze(1).to(device) for mask in (is_causal, ~is_causal))
            self._modes[key] = RowModes(~is_causal, causal, masked)
        return self._modes[key]

    def corrupt(self, batch: TokenBatch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Objective.corrupt`. The targets of the causal rows come first, then those of the masked ones."""
        rate = self.mask_rate_at(progress)
        return self.corrupt_at(batch, uniforms, rate, rate)

    def can_replay(self) -> bool:
        """See `Objective.can_replay`."""
        return _is_unchanged(self, Hybrid)

    @property
    def row_period(self) -> int:
        """See `Objective.row_period`: the denominator of the ratio."""
        return self.ratio.denominator

    def mask_rate_at(self, progress: float) -> float:
        """See `Objective.mask_rate_at`."""
        return self.config.mask_rate_at(progress)

    def corrupt_at(self, batch: TokenBatch, uniforms: Tensor, rate: float | Tensor, most: float) -> MaskedBatch:
        """See `Objective.corrupt_at`."""
        rows, length = batch.shape
        bidirectional, causal_rows, masked_rows = self.row_modes(batch.first_row, rows, batch.tokens.device)
        next_tokens = _masking.causal(batch.tokens[causal_rows], batch.document_ids[causal_rows], self.special)
        corrupted, hidden_tokens = _masking.masked(
            batch.tokens[masked_rows],
            batch.document_ids[masked_rows],
            batch.words[masked_rows],
            uniforms[masked_rows],
            rate,
            most,
            self.config,
            self.special,
        )
        # Positions in a row become flat ones, into rows * length.
        positions = [
            (rows_of_mode[:, None] * length + targets.positions).flatten()
            for rows_of_mode, targets in ((causal_rows, next_tokens), (masked_rows, hidden_tokens))
        ]
        weights = torch.cat([next_tokens.weights.flatten(), hidden_tokens.weights.flatten()])
        return MaskedBatch(
            tokens=batch.tokens.index_copy(0, masked_rows, corrupted),
            document_ids=batch.document_ids,
            bidirectional=bidirectional,
            target_positions=torch.cat(positions),
            targets=torch.cat([next_tokens.targets.flatten(), hidden_tokens.targets.flatten()]),
            weights=weights,
            masked=torch.arange(len(weights), device=weights.device) >= next_tokens.positions.numel(),
        )

    def validation_modes(self) -> Mapping[str, Objective]:
        """Causal and masked prediction, each over all rows."""
        return {"causal": Causal(self.config, self.special), "masked": Masked(self.config, self.special)}


def _is_unchanged(objective: Objective, kind: type[Objective]) -> bool:
    """Whether nothing of what a step computes is overridden by a subclass of ``kind``."""
    names = ("corrupt", "corrupt_at", "loss", "after_step", "prepare")
    return all(getattr(type(objective), name) is getattr(kind, name) for name in names)


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
