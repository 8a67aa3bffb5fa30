"""Imitation of good sequences: filtered fine-tuning, and training on corrections or demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from babylm.config.fields import number
from babylm.objectives._sequences import SequenceObjective, Sequences, SequenceSettings
from babylm.objectives._types import SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Settings(SequenceSettings):
    """Settings of the objective ``supervised``."""

    minimum_reward: float = number(0.5, "[-1e9, 1e9]")
    """Sequences with less reward are not imitated."""

    def teaches_nothing(self, rewards: Sequence[Sequence[float]]) -> str | None:
        """See `SequenceSettings`."""
        largest = max(map(max, rewards), default=0.0)
        if largest >= self.minimum_reward:
            return None
        return f"no reward is above {largest:.3g}, and objective.minimum_reward={self.minimum_reward:g} is needed"


class Supervised(SequenceObjective):
    """Next-token prediction on the sequences that were accepted."""

    config: Settings
    learner_metrics = ("imitated",)

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """Negative log-likelihood per token of each sequence whose reward is at least ``minimum_reward``."""
        good = sequences.reward >= self.config.minimum_reward
        return -sequences.mean_logp[good], {"imitated": good.float()}


def build(settings: Settings, special: SpecialTokens) -> Supervised:
    """The objective."""
    return Supervised(settings, special)
