"""Objectives over whole sequences (completions, turns): likelihoods of sequences in, one loss per item out.

A batch of sequences is a `TokenBatch` whose ``extra`` says, per token, which sequence it belongs to:

    prompt:  "the dog"   completions: "sees a ball" (chosen) and "see ball" (rejected), one row each

    tokens        BOS the dog sees  a  ball EOS   | BOS the dog see ball EOS PAD
    sequence_ids   -1  -1  -1    0  0    0   0    |  -1  -1  -1   1    1   1  -1
    group_ids      -1  -1  -1    0  0    0   0    |  -1  -1  -1   0    0   0  -1
    reward          0   0   0    1  1    1   1    |   0   0   0   0    0   0   0
    behaviour_logp, reference_logp   log-probability of each token when it was sampled, and under the reference model

Pictures and items of a row (`_types.MODEL_INPUTS`) are handed on to the model.

A batch without ``sequence_ids`` is corpus text, which the same objective reads as language modelling (`Hybrid`): so any
share of corpus rows keeps the student's language. A group's sequences are never spread over batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

from babylm.batches.feed import TokenBatch
from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._modes import Hybrid, HybridSettings
from babylm.objectives._types import MODEL_INPUTS, Loss, MaskedBatch, Model

if TYPE_CHECKING:
    from torch import Tensor

FIELDS = ("sequence_ids", "group_ids", "reward", "behaviour_logp", "reference_logp")


@dataclass
class SequenceSettings(HybridSettings):
    """Settings of all objectives over sequences; those of ``hybrid`` are for corpus rows in between."""

    lm_weight: float = number(0.0, "[0, 100]")
    """Weight of plain next-token prediction (mean per token) on the best sequences, added to the loss."""

    @property
    def compares(self) -> bool:
        """Whether it learns from differences within a group alone, so that a lone completion teaches nothing."""
        return False

    def teaches_nothing(self, rewards: Sequence[Sequence[float]]) -> str | None:
        """Why nothing good can be learnt from these rewards, one list per group; None if something can."""
        if self.compares and all(len(set(group)) < 2 for group in rewards):
            return f"objective.name={self.name} compares completions of a prompt, and none have different rewards"
        return None

    def for_interaction(self) -> Self:
        """These settings as an interaction needs them, whose teachers give rewards from 0 to 1, 0.5 for neither."""
        return self

    def describe(self) -> str:
        """The objective in words."""
        return self.name


class Sequences(NamedTuple):
    """The sequences of a batch, (S,) each."""

    logp: Tensor
    """Sum of the log-probabilities of its tokens under the model that learns, in nats, with gradient."""
    length: Tensor
    """Number of its tokens, float."""
    group: Tensor
    """Sequences of one group answer one prompt; groups count from 0."""
    reward: Tensor
    """What came back: a score, a preference (larger is better), or +1, 0, -1 for good, neutral, bad."""
    behaviour_logp: Tensor
    """Sum of the log-probabilities when the sequence was sampled."""
    reference_logp: Tensor
    """Sum of the log-probabilities under the reference model."""
    k3: Tensor | None = None
    """Sum over its tokens of exp(r) - r - 1, r their log-ratio of the reference to the model: an estimate of the KL
    divergence from the reference that is never negative (Schulman's k3), with gradient."""

    @property
    def mean_logp(self) -> Tensor:
        """Mean log-probability per token."""
        return self.logp / self.length


class Pairs(NamedTuple):
    """Best and worst sequence of each group that has both, as indices into `Sequences`, (P,) each."""

    chosen: Tensor
    rejected: Tensor


def pairs_of(sequences: Sequences) -> Pairs:
    """The best and the worst sequence of each group by reward; groups of one reward have none.

    >>> group, reward = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([1.0, 0.0, 2.0, 2.0, 3.0])
    >>> pairs_of(Sequences(reward, reward, group, reward, reward, reward))
    Pairs(chosen=tensor([0, 4]), rejected=tensor([1, 2]))
    """
    chosen, rejected = [], []
    for group in range(int(sequences.group.max()) + 1 if len(sequences.group) else 0):
        members = (sequences.group == group).nonzero().flatten()
        if len(members) < 2:
            continue
        rewards = sequences.reward[members]
        best, worst = members[rewards.argmax()], members[rewards.argmin()]
        if sequences.reward[best] > sequences.reward[worst]:
            chosen.append(best)
            rejected.append(worst)
    empty = sequences.group.new_zeros(0)
    return Pairs(torch.stack(chosen) if chosen else empty, torch.stack(rejected) if rejected else empty)


def rewards_differ(sequences: Sequences) -> Tensor:
    """(S,) whether a sequence's group has different rewards. If not, its advantage is 0, and not what rounding leaves.

    >>> group, reward = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([1.0, 0.0, 0.3, 0.3, 0.3])
    >>> rewards_differ(Sequences(reward, reward, group, reward, reward, reward))
    tensor([ True,  True, False, False, False])
    """
    group, reward = sequences.group, sequences.reward
    return ((group[:, None] == group[None, :]) & (reward[:, None] != reward[None, :])).any(1)


@dataclass
class SequenceBatch(MaskedBatch):
    """A masked batch whose targets are tokens of sequences, with what each target's sequence brings, (n,) each."""

    sequence_ids: Tensor
    group_ids: Tensor
    reward: Tensor
    behaviour_logp: Tensor
    reference_logp: Tensor
    optional: dict[str, Tensor] = field(default_factory=dict)
    """Those of the objective's ``optional_fields`` that the rows have, (n,) each."""
    inputs: dict[str, Tensor] = field(default_factory=dict)
    """Further inputs of the model, `MODEL_INPUTS`; (rows, ...) each."""


class SequenceObjective(Hybrid):
    """Base of the learners: `sequence_loss` says what the likelihoods of the sequences are worth."""

    config: SequenceSettings
    learner_metrics: tuple[str, ...] = ()
    optional_fields: tuple[str, ...] = ()
    """Further values per token that it reads from the rows."""

    @property
    def metric_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Losses of corpus rows, and those of the learner."""
        return ("causal", "masked", "sequence", *self.learner_metrics)

    def corrupt(self, batch: TokenBatch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """Corpus rows as `Hybrid` does; of rows of sequences, the targets are the tokens of the sequences alone."""
        if "sequence_ids" not in batch.extra:
            return super().corrupt(batch, uniforms, progress)
        rows, length = batch.shape
        device = batch.tokens.device
        start = torch.arange(0, rows * length, length, device=device)[:, None]
        positions = (start + torch.arange(length - 1, device=device)).flatten()  # (rows * (length - 1),)
        # Prompts and padding are no targets: the product with the vocabulary is half the work of a small model.
        is_target = batch.extra["sequence_ids"][:, 1:].flatten() >= 0
        extra = {name: batch.extra[name][:, 1:].flatten()[is_target] for name in FIELDS}
        optional = {n: batch.extra[n][:, 1:].flatten()[is_target] for n in self.optional_fields if n in batch.extra}
        targets = batch.tokens[:, 1:].flatten()[is_target]
        return SequenceBatch(
            tokens=batch.tokens,
            document_ids=batch.document_ids,
            bidirectional=torch.zeros(rows, dtype=torch.bool),
            target_positions=positions[is_target],
            targets=targets,
            weights=torch.ones(len(targets), device=device),
            masked=torch.zeros_like(targets, dtype=torch.bool),
            optional=optional,
            inputs={name: batch.extra[name] for name in MODEL_INPUTS if name in batch.extra},
            **extra,
        )

    def loss(self, model: Model, batch: MaskedBatch) -> Loss:
        """The sum of the losses of all items (pairs, groups or sequences), and metrics.

        ``loss`` is that of corpus rows alone; the mean loss per item is called ``sequence``.
        """
        if not isinstance(batch, SequenceBatch):
            loss = super().loss(model, batch)
            return Loss(loss.total, {name: loss.metrics[name] for name in ("loss", "z", "causal", "masked")})
        losses = model.token_losses(
            batch.tokens,
            batch.document_ids,
            batch.bidirectional,
            batch.target_positions,
            batch.targets,
            **batch.inputs,
        )
        sequences = collect(batch, -losses.nll)
        value, metrics = self.sequence_loss(sequences)
        return self._summed(sequences, value, metrics)

    def _summed(self, sequences: Sequences, value: Tensor, metrics: dict[str, Tensor]) -> Loss:
        """The sum of the losses ``value`` of the items, with the language-modelling term, and what is reported."""
        total, count = value.sum(), torch.tensor(float(max(len(value), 1)), device=value.device)
        if self.config.lm_weight and len(sequences.logp):
            best = self.imitated(sequences)
            total = total - self.config.lm_weight * (sequences.mean_logp * best).sum()
        reported = {"sequence": (value.detach().sum(), count)}
        for name, values in metrics.items():
            size = torch.tensor(float(len(values)), device=values.device)
            reported[name] = (values.detach().float().sum(), size)
        return Loss(total, reported)

    def imitated(self, sequences: Sequences) -> Tensor:
        """(S,) 1 for the sequences that the language-modelling term imitates: the best of each group."""
        best = torch.zeros_like(sequences.reward)
        pairs = pairs_of(sequences)
        best[pairs.chosen] = 1
        return best

    def sequence_loss(self, sequences: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """(items,) losses with gradient, and metrics: name -> values, of which the mean is logged."""
        raise NotImplementedError


def collect(batch: SequenceBatch, logp: Tensor) -> Sequences:
    """Sum what belongs to each sequence; ``logp`` (n,): log-probability of each target."""
    ids, index = torch.unique(batch.sequence_ids, return_inverse=True)

    def total(values: Tensor) -> Tensor:
        return torch.zeros(len(ids), device=logp.device).index_add(0, index, values.float())

    def of_sequence(values: Tensor) -> Tensor:
        """A value that all tokens of a sequence share; a mean would round it, and equal rewards must stay equal."""
        return values.new_zeros(len(ids)).scatter(0, index, values)

    log_ratio = batch.reference_logp - logp
    _, group = torch.unique(of_sequence(batch.group_ids), return_inverse=True)
    return Sequences(
        logp=total(logp),
        length=total(torch.ones_like(logp)),
        group=group,
        reward=of_sequence(batch.reward),
        behaviour_logp=total(batch.behaviour_logp),
        reference_logp=total(batch.reference_logp),
        k3=total(log_ratio.exp() - log_ratio - 1),
    )
