"""Proximal policy optimisation with a value head (Schulman et al. 2017, arXiv 1707.06347), on the tokens of a sequence.

The reward of a sequence comes at its last token. Advantages are those of generalised advantage estimation (GAE, arXiv
1506.02438) without discount: a value per token says which part of a sequence was better than expected, where one
advantage for the whole sequence (``gae_lambda=1`` with values of 0) would push all of its tokens alike.

The value head is a linear map of the hidden state that predicts the token. It belongs to the objective: it is trained
with the model by the run's optimizer, saved with the run's state, and not exported. Its values at the time of sampling
are recorded with each turn (`behaviour_values`), as advantages and clipping refer to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from babylm.batches.feed import TokenBatch
from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._sequences import SequenceBatch, SequenceObjective, SequenceSettings, collect
from babylm.objectives._types import Loss, MaskedBatch, Model, SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Settings(SequenceSettings):
    """Settings of the objective ``ppo``."""

    epsilon: float = number(0.2, "(0, 1]")
    """Largest change of a token's probability ratio that is rewarded."""
    gae_lambda: float = number(0.95, "[0, 1]")
    """1: the reward minus the value of the token; smaller: less variance and more trust in the values."""
    beta: float = number(0.0, "[0, 1e4]")
    """Weight of the divergence from the reference: a token's reward is less by its log-ratio when it was sampled."""
    value_weight: float = number(0.1, "[0, 1e4]")
    """Weight of the value loss."""
    value_clip: float = number(0.2, "[0, 1e9]")
    """Largest change of a value, since it was recorded, that is rewarded; 0: no clipping."""
    entropy_weight: float = number(0.0, "[0, 1e4]")
    """Weight of the entropy of the next-token distributions, which is then maximised, too."""


class PPO(SequenceObjective):
    """Clipped surrogate + value loss - entropy: the mean over the tokens of each sequence."""

    config: Settings
    learner_metrics = ("reward", "clipped", "value_error", "entropy")
    optional_fields = ("behaviour_value",)

    def prepare(self, network: Any) -> None:
        """Make the value head, which says 0 at first."""
        if self.module is None:
            weight = next(network.parameters())
            self.module = torch.nn.Linear(network.config.hidden_size, 1, device=weight.device)
            self.restart(network)

    def restart(self, network: Any) -> None:
        """Let all values be 0."""
        assert self.module is not None
        for parameter in self.module.parameters():
            torch.nn.init.zeros_(parameter)

    def behaviour_values(self, model: Model, batch: TokenBatch) -> Tensor:
        """(rows, length): the value of the hidden state that predicts each token of a sequence; 0 for other tokens."""
        values = torch.zeros(batch.shape, device=batch.tokens.device)
        with torch.no_grad():
            targets = self.corrupt(batch, batch.tokens.new_zeros(0), 0.0)
            values.view(-1)[targets.target_positions + 1] = self._values(_states(model, targets))
        return values

    def _values(self, states: Tensor) -> Tensor:
        assert self.module is not None, "prepare makes the value head"
        with torch.autocast(states.device.type, enabled=False):
            values: Tensor = self.module(states.float())[:, 0]
        return values

    def loss(self, model: Model, batch: MaskedBatch) -> Loss:
        """See `SequenceObjective.loss`; one item per sequence."""
        if not isinstance(batch, SequenceBatch):
            return super().loss(model, batch)
        config, recorded = self.config, batch.optional.get("behaviour_value")
        assert recorded is not None, "values are recorded with each turn before it is learnt from"
        states = _states(model, batch)
        logp, values = -model.state_losses(states, batch.targets).nll, self._values(states)
        advantage = self._advantages(batch, recorded)
        ratio = (logp - batch.behaviour_logp).exp()
        clipped = ratio.clamp(1 - config.epsilon, 1 + config.epsilon)
        per_token = -torch.minimum(ratio * advantage, clipped * advantage)
        error = (values - (recorded + advantage)).square()
        if config.value_clip:
            near = recorded + (values - recorded).clamp(-config.value_clip, config.value_clip)
            error = torch.maximum(error, (near - (recorded + advantage)).square())
        per_token = per_token + 0.5 * config.value_weight * error
        metrics = {"clipped": (ratio != clipped).float(), "value_error": error.detach()}
        if config.entropy_weight:
            log_probs = model.state_logits(states).log_softmax(-1)
            entropy = -(log_probs.exp() * log_probs).sum(-1)
            per_token = per_token - config.entropy_weight * entropy
            metrics["entropy"] = entropy.detach()
        sequences = collect(batch, logp)
        _, index = torch.unique(batch.sequence_ids, return_inverse=True)
        items = torch.zeros_like(sequences.length).index_add(0, index, per_token) / sequences.length
        return self._summed(sequences, items, {"reward": sequences.reward, **metrics})

    def _advantages(self, batch: SequenceBatch, values: Tensor) -> Tensor:
        """(n,) advantages of the tokens of sequences, from the values recorded when they were sampled."""

        def by_row(of_targets: Tensor, fill: float = 0.0) -> Tensor:
            """(rows, length): each target's value where the token is that predicts it."""
            everywhere = of_targets.new_full((batch.tokens.numel(),), fill)
            everywhere[batch.target_positions] = of_targets
            return everywhere.view(batch.tokens.shape)

        ids = by_row(batch.sequence_ids, -1)
        is_last = torch.ones_like(ids, dtype=torch.bool)
        is_last[:, :-1] = ids[:, 1:] != ids[:, :-1]
        rewards = torch.where(is_last, by_row(batch.reward), 0.0)
        if self.config.beta:
            rewards = rewards - self.config.beta * by_row(batch.behaviour_logp - batch.reference_logp)
        of_all = advantages(by_row(values), rewards, ids, self.config.gae_lambda)
        return of_all.flatten()[batch.target_positions]


def _states(model: Model, batch: MaskedBatch) -> Tensor:
    return model.target_states(batch.tokens, batch.document_ids, batch.bidirectional, batch.target_positions)


def advantages(values: Tensor, rewards: Tensor, ids: Tensor, gae_lambda: float) -> Tensor:
    """GAE without discount: (rows, tokens) each; ``ids``: the sequence of each token, -1 for none, where it is 0.

    >>> values, rewards = torch.tensor([[0.0, 0.5, 0.25, 9.0]]), torch.tensor([[0.0, 0.0, 1.0, 9.0]])
    >>> advantages(values, rewards, torch.tensor([[3, 3, 3, -1]]), gae_lambda=1.0)  # the reward minus each value
    tensor([[1.0000, 0.5000, 0.7500, 0.0000]])
    >>> advantages(values, rewards, torch.tensor([[3, 3, 3, -1]]), gae_lambda=0.0)  # the next value minus this one
    tensor([[ 0.5000, -0.2500,  0.7500,  0.0000]])
    """
    result = torch.zeros_like(values)
    later = torch.zeros_like(values[:, 0])
    for position in range(values.shape[1] - 1, -1, -1):
        delta = rewards[:, position] - values[:, position]
        if position + 1 < values.shape[1]:
            goes_on = ids[:, position + 1] == ids[:, position]
            delta = delta + torch.where(goes_on, values[:, position + 1], 0.0)
            later = torch.where(goes_on, later, 0.0)
        later = delta + gae_lambda * later
        result[:, position] = later
    return torch.where(ids >= 0, result, 0.0)


def build(settings: Settings, special: SpecialTokens) -> PPO:
    """The objective."""
    return PPO(settings, special)
