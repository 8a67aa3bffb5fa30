"""Rank responses to align, with the sigmoid of score differences (saturated-learning; RRHF: arXiv 2304.05302)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._sequences import SequenceObjective, Sequences, SequenceSettings
from babylm.objectives._types import SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Settings(SequenceSettings):
    """Settings of the objective ``rrhf``."""

    rank_weight: float = number(0.1, "[0, 1e4]")
    """Weight of the ranking term."""
    anchor: bool = True
    """Also imitate the best sequence of each group; without it the ranking destroys the model."""

    @property
    def compares(self) -> bool:
        """See `SequenceSettings`."""
        return True


class RRHF(SequenceObjective):
    """Every better sequence of a group gains over every worse one."""

    config: Settings

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """Per group: rank_weight * sum over i better than j of sigmoid(s_i - s_j) (logp_j - logp_i) + NLL of the best.

        Log-probabilities are means per token; there is no hinge.
        """
        values = []
        for group in sequences.group.unique():
            members = (sequences.group == group).nonzero().flatten()
            score, mean = sequences.reward[members], sequences.mean_logp[members]
            better = score[:, None] > score[None, :]
            rank = (torch.sigmoid(score[:, None] - score[None, :]) * (mean[None, :] - mean[:, None]) * better).sum()
            value = self.config.rank_weight * rank
            if self.config.anchor:
                value = value - mean[score.argmax()]
            values.append(value)
        return torch.stack(values) if values else sequences.logp[:0], {}


def build(settings: Settings, special: SpecialTokens) -> RRHF:
    """The objective."""
    return RRHF(settings, special)
