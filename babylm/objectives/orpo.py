"""Odds-ratio preference optimisation (Hong et al. 2024, arXiv 2403.07691): imitation and preference in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._sequences import SequenceObjective, Sequences, SequenceSettings, pairs_of
from babylm.objectives._types import SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Settings(SequenceSettings):
    """Settings of the objective ``orpo``."""

    beta: float = number(0.1, "(0, 1e4]")
    """Weight of the odds ratio beside the likelihood of the chosen sequence."""

    @property
    def compares(self) -> bool:
        """See `SequenceSettings`."""
        return True


class ORPO(SequenceObjective):
    """No reference model is needed."""

    config: Settings
    learner_metrics = ("accuracy",)

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """NLL per token of the chosen - beta * log sigmoid(log odds ratio of the pair), per pair."""
        pairs = pairs_of(sequences)
        mean = sequences.mean_logp
        odds = mean - torch.log1p(-mean.exp().clamp(max=1 - 1e-6))  # log(p / (1 - p)), p the mean probability
        lead = odds[pairs.chosen] - odds[pairs.rejected]
        value = -mean[pairs.chosen] - self.config.beta * torch.nn.functional.logsigmoid(lead)
        return value, {"accuracy": (lead > 0).float()}


def build(settings: Settings, special: SpecialTokens) -> ORPO:
    """The objective."""
    return ORPO(settings, special)
