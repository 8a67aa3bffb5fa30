"""Group-relative policy optimisation (arXiv 2402.03300; without division by the deviation: Dr. GRPO, 2503.20783)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._sequences import SequenceObjective, Sequences, SequenceSettings, rewards_differ
from babylm.objectives._types import SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Settings(SequenceSettings):
    """Settings of the objective ``grpo``."""

    scale_rewards: bool = True
    """Divide advantages by the standard deviation of the group's rewards."""
    epsilon: float = number(0.2, "(0, 1]")
    """Largest change of the probability ratio that is rewarded."""
    beta: float = number(0.0, "[0, 1e4]")
    """Weight of the KL divergence from the reference: the estimator k3 of each token, in the mean."""
    length_normalized: bool = True
    """Mean log-ratios per token instead of sums."""

    @property
    def compares(self) -> bool:
        """See `SequenceSettings`."""
        return True


class GRPO(SequenceObjective):
    """Advantages within groups of samples of one prompt; ratios of whole sequences (as GSPO)."""

    config: Settings
    learner_metrics = ("reward", "clipped")

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """Clipped surrogate per sequence + beta * k3, by the mean (or sum) over its tokens."""
        advantage = group_advantage(sequences, self.config.scale_rewards)
        length = sequences.length if self.config.length_normalized else torch.ones_like(sequences.length)
        ratio = ((sequences.logp - sequences.behaviour_logp) / length).exp()
        clipped = ratio.clamp(1 - self.config.epsilon, 1 + self.config.epsilon)
        value = -torch.minimum(ratio * advantage, clipped * advantage)
        if self.config.beta:
            assert sequences.k3 is not None
            value = value + self.config.beta * sequences.k3 / length
        return value, {"reward": sequences.reward, "clipped": (ratio != clipped).float()}


def group_advantage(sequences: Sequences, scale: bool) -> Tensor:
    """(S,) reward minus the group's mean, over the group's deviation if ``scale``; 0 in a group of equal rewards.

    Sums, and no matrix products: these round rewards to bf16 under autocast, and the deviation enlarges what is left.
    """
    same = sequences.group[:, None] == sequences.group[None, :]
    count = same.sum(1)
    advantage = sequences.reward - (same * sequences.reward).sum(1) / count
    advantage = torch.where(rewards_differ(sequences), advantage, torch.zeros_like(advantage))
    if not scale:
        return advantage
    deviation = ((same * advantage.square()).sum(1) / (count - 1).clamp(min=1)).sqrt()
    return advantage / (deviation + 1e-4)


def build(settings: Settings, special: SpecialTokens) -> GRPO:
    """The objective."""
    return GRPO(settings, special)
