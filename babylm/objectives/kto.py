"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306): single sequences, good or bad."""

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
    """Settings of the objective ``kto``."""

    beta: float = number(0.1, "(0, 1e4]")
    """Strength of the reference."""
    desirable_weight: float = number(1.0, "[0, 1e4]")
    """Weight of good sequences (reward above 0)."""
    undesirable_weight: float = number(1.0, "[0, 1e4]")
    """Weight of bad sequences (reward below 0); neutral ones do not count."""


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
        sign = sequences.reward.sign()
        weight = torch.where(sign > 0, self.config.desirable_weight, self.config.undesirable_weight)
        value = weight * (1 - torch.sigmoid(sign * self.config.beta * (ratio - z)))
        return value[sign != 0], {"kl": z[None]}


def build(settings: Settings, special: SpecialTokens) -> KTO:
    """The objective."""
    return KTO(settings, special)
