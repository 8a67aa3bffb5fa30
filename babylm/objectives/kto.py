"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306): single sequences, good or bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._sequences import SequenceObjective, Sequences, SequenceSettings
from babylm.objectives._types import SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Settings(SequenceSettings):
    """Settings of the objective ``kto``."""

    beta: float = number(0.1, "(0, 1e4]")
    """Strength of the reference."""
    desirable_weight: float = number(1.0, "[0, 1e4]")
    """Weight of good sequences."""
    undesirable_weight: float = number(1.0, "[0, 1e4]")
    """Weight of bad sequences."""
    neutral_reward: float | None = number(None, "[-1e9, 1e9]")
    """Sequences with more reward are good, those with less bad, and others do not count. null: 0.5 in an interaction,
    whose teachers give 0 to 1; else 0."""

    def for_interaction(self) -> Settings:
        """See `SequenceSettings`."""
        return replace(self, neutral_reward=0.5) if self.neutral_reward is None else self

    def teaches_nothing(self, rewards: Sequence[Sequence[float]]) -> str | None:
        """See `SequenceSettings`."""
        neutral = self.neutral_reward or 0.0
        largest = max(map(max, rewards), default=neutral)
        if largest > neutral or not rewards:
            return None
        return f"no reward is above objective.neutral_reward={neutral:g}, so none is good; the largest is {largest:.3g}"


class KTO(SequenceObjective):
    """Good sequences gain likelihood against the reference, bad ones lose it."""

    config: Settings
    learner_metrics = ("kl",)

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """weight * (1 - sigmoid(+-beta * (log-ratio - z))) per sequence; z is the batch's mean log-ratio, at least 0.

        z estimates KL(student, reference). TRL estimates it on mismatched pairs; here it is that of the batch, without
        gradient, as the sequences are the student's samples.
        """
        ratio = sequences.logp - sequences.reference_logp
        z = ratio.detach().mean().clamp(min=0)
        sign = (sequences.reward - (self.config.neutral_reward or 0.0)).sign()
        weight = torch.where(sign > 0, self.config.desirable_weight, self.config.undesirable_weight)
        value = weight * (1 - torch.sigmoid(sign * self.config.beta * (ratio - z)))
        return value[sign != 0], {"kl": z[None]}


def build(settings: Settings, special: SpecialTokens) -> KTO:
    """The objective."""
    return KTO(settings, special)
