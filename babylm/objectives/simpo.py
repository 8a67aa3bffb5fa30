"""Simple preference optimisation (Meng et al. 2024, arXiv 2405.14734): no reference, mean log-probabilities."""

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
    """Settings of the objective ``simpo``."""

    beta: float = number(2.0, "(0, 1e4]")
    """Scale of the mean log-probabilities."""
    gamma: float = number(1.0, "[0, 1e4]")
    """Margin by which the chosen sequence has to lead, after scaling."""

    @property
    def compares(self) -> bool:
        """See `SequenceSettings`."""
        return True


class SimPO(SequenceObjective):
    """The official interaction baseline's objective, with ``lm_weight`` 0.2."""

    config: Settings
    learner_metrics = ("accuracy",)

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """-log sigmoid(beta * (mean logp of the chosen - of the rejected) - gamma), per pair."""
        pairs = pairs_of(sequences)
        lead = sequences.mean_logp[pairs.chosen] - sequences.mean_logp[pairs.rejected]
        value = -torch.nn.functional.logsigmoid(self.config.beta * lead - self.config.gamma)
        return value, {"accuracy": (lead > 0).float()}


def build(settings: Settings, special: SpecialTokens) -> SimPO:
    """The objective."""
    return SimPO(settings, special)
