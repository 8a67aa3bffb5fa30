"""Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290): best against worst of each group."""

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
    """Settings of the objective ``dpo``."""

    beta: float = number(0.1, "(0, 1e4]")
    """Strength of the reference: larger keeps the student closer to it. Learning from saturated data needs 5."""

    @property
    def compares(self) -> bool:
        """See `SequenceSettings`."""
        return True


class DPO(SequenceObjective):
    """The chosen sequence gains likelihood over the rejected one, against a frozen reference."""

    config: Settings
    learner_metrics = ("accuracy",)

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """-log sigmoid(beta * (log-ratio of the chosen - log-ratio of the rejected)), per pair."""
        pairs = pairs_of(sequences)
        ratio = sequences.logp - sequences.reference_logp
        margin = self.config.beta * (ratio[pairs.chosen] - ratio[pairs.rejected])
        return -torch.nn.functional.logsigmoid(margin), {"accuracy": (margin > 0).float()}


def build(settings: Settings, special: SpecialTokens) -> DPO:
    """The objective."""
    return DPO(settings, special)
