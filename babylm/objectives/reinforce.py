"""REINFORCE on single sequences, with bounded importance weights (ReSpect, CoGen) or leave-one-out baselines (RLOO)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._sequences import SequenceObjective, Sequences, SequenceSettings, rewards_differ
from babylm.objectives._types import SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Settings(SequenceSettings):
    """Settings of the objective ``reinforce``."""

    negative_reward: float = number(-1.0, "[-1e9, 0]")
    """What a reward of -1 is worth (ReSpect: -0.1); rewards above 0 stay as they are."""
    baseline: Literal["none", "leave_one_out"] = "none"
    """``leave_one_out``: the mean reward of the other sequences of the group (RLOO, arXiv 2402.14740)."""
    importance: Literal["none", "negative"] = "none"
    """``negative``: advantages below 0 are weighted by the ratio of the probability now and when sampled, which keeps
    their gradient bounded (ReSpect, arXiv 2410.13852; CoGen, 2408.15992)."""
    importance_clip: float = number(5.0, "(0, 1e9]")
    """Largest importance weight."""
    length_normalized: bool = False
    """Mean instead of summed log-probabilities."""

    @property
    def compares(self) -> bool:
        """See `SequenceSettings`."""
        return self.baseline == "leave_one_out"

    def teaches_nothing(self, rewards: Sequence[Sequence[float]]) -> str | None:
        """See `SequenceSettings`."""
        if not self.compares and max(map(max, rewards), default=1.0) <= 0:
            return (
                "no reward is above 0, so no completion gets likelier; objective.baseline=leave_one_out compares them"
            )
        return super().teaches_nothing(rewards)


class Reinforce(SequenceObjective):
    """The policy gradient, one step."""

    config: Settings
    learner_metrics = ("reward",)

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """-weight * advantage * logp per sequence."""
        advantage = torch.where(sequences.reward < 0, -self.config.negative_reward * sequences.reward, sequences.reward)
        if self.config.baseline == "leave_one_out":
            advantage = advantage - leave_one_out(sequences._replace(reward=advantage))
        weight = torch.ones_like(advantage)
        if self.config.importance == "negative":
            ratio = (sequences.logp.detach() - sequences.behaviour_logp).exp().clamp(max=self.config.importance_clip)
            weight = torch.where(advantage < 0, ratio, weight)
        logp = sequences.mean_logp if self.config.length_normalized else sequences.logp
        return -weight * advantage * logp, {"reward": sequences.reward}


def leave_one_out(sequences: Sequences) -> Tensor:
    """(S,) mean reward of the other sequences of the group; 0 for a group of one."""
    same = sequences.group[:, None] == sequences.group[None, :]
    same.fill_diagonal_(False)
    count = same.sum(1)
    mean = (same * sequences.reward).sum(1) / count.clamp(min=1)
    return torch.where((count == 0) | rewards_differ(sequences), mean, sequences.reward)


def build(settings: Settings, special: SpecialTokens) -> Reinforce:
    """The objective."""
    return Reinforce(settings, special)
