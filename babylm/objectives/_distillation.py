"""Learning from the whole next-token distribution of teachers, beside the text: the base of the distilling objectives.

For each target, with the teacher's distribution p and the student's q, both at temperature T,

    loss = (1 - w) * (cross-entropy + z-loss) + w * T^2 * KL,     KL(p || q) forward, KL(q || p) reverse

The factor T^2 keeps the gradient of the divergence at the scale of T = 1 (Hinton et al. 2015, arXiv 1503.02531).
Teachers read the corrupted rows of the student, with the student's attention, and predict the same targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from babylm.batches.feed import TokenBatch
from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._modes import Hybrid, HybridSettings
from babylm.objectives._types import Loss, MaskedBatch, Model

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 2048
"""Targets whose logits are computed at once; the whole distributions of a step would not fit into memory."""


@dataclass
class DistillationSettings(HybridSettings):
    """Settings of all distilling objectives; those of ``hybrid`` say which tokens are predicted."""

    distillation_weight: float = number(0.5, "[0, 1]")
    """Weight of the divergence from the teachers; the text has the rest."""
    temperature: float = number(1.0, "(0, 1e3]")
    """Of both distributions in the divergence."""
    divergence: Literal["forward", "reverse"] = "forward"
    """``forward``: the student covers what the teacher says; ``reverse``: it says nothing that the teacher would not
    (arXiv 2410.22081)."""
    average: Literal["probabilities", "logits"] = "probabilities"
    """What is averaged over several teachers; ``logits``: as BabyLlama."""
    distillation_begin: float = number(0.0, "[0, 1)")
    """Share of the run after which distillation begins."""

    @property
    def prediction_mode(self) -> str:
        """How the trained model fills a mask: not at all if every row is causal."""
        return "causal" if self.causal_ratio == 1 else self.masked_prediction


@dataclass
class DistilledBatch(MaskedBatch):
    """A masked batch and the weight of the divergence at this moment of the run."""

    distillation_weight: float


class Distillation(Hybrid):
    """Causal and masked targets, predicted as text and as teachers predict them."""

    metric_names = ("causal", "masked", "distillation")
    config: DistillationSettings
    teachers: Sequence[Any] = ()
    """Models in evaluation mode, without gradients."""

    def corrupt(self, batch: TokenBatch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """See `Hybrid.corrupt`."""
        weight = self.config.distillation_weight if progress >= self.config.distillation_begin else 0.0
        return DistilledBatch(**vars(super().corrupt(batch, uniforms, progress)), distillation_weight=weight)

    def loss(self, model: Model, batch: MaskedBatch) -> Loss:
        """See `Objective.loss`; ``distillation`` is the mean divergence per target in nats, without T^2."""
        assert isinstance(batch, DistilledBatch)
        if not batch.distillation_weight:
            return super().loss(model, batch)
        states = _states(model, batch)
        with torch.no_grad():
            teacher_states = [_states(teacher, batch) for teacher in self.teachers]
        parts = []
        for begin in range(0, len(batch.targets), CHUNK):
            part = slice(begin, begin + CHUNK)
            inputs = states[part], batch.targets[part], *[each[part] for each in teacher_states]
            # Logits are computed again in the backward, so that those of one chunk exist at a time.
            parts.append(torch.utils.checkpoint.checkpoint(self._chunk, model, *inputs, use_reentrant=False))
        nll, log_z, divergence = (torch.cat(values) for values in zip(*parts, strict=True))
        weight = batch.distillation_weight
        text = nll + self.config.z_loss * log_z.square()
        value = (1 - weight) * text + weight * self.config.temperature**2 * divergence
        total = (value * batch.weights).sum()
        return Loss(total, self._metrics(batch, total, nll.detach(), log_z.detach(), divergence.detach()))

    def _chunk(
        self, model: Model, states: Tensor, targets: Tensor, *teacher_states: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(n,) each: cross-entropy, log of the normaliser, divergence."""
        logits = model.state_logits(states)  # (n, vocabulary)
        log_z = logits.logsumexp(-1)
        nll = log_z - logits.gather(1, targets[:, None])[:, 0]
        with torch.no_grad():
            of_teachers = [
                teacher.state_logits(each) for teacher, each in zip(self.teachers, teacher_states, strict=True)
            ]
            teacher = mean_log_probs(of_teachers, self.config.temperature, self.config.average)
        student = (logits / self.config.temperature).log_softmax(-1)
        p, q = (teacher, student) if self.config.divergence == "forward" else (student, teacher)
        return nll, log_z, (p.exp() * (p - q)).sum(-1)

    def _metrics(
        self, batch: MaskedBatch, total: Tensor, nll: Tensor, log_z: Tensor, divergence: Tensor
    ) -> dict[str, tuple[Tensor, Tensor]]:
        real = batch.weights > 0
        masked = real & batch.masked
        causal = real & ~batch.masked
        return {
            "loss": (total.detach(), batch.weights.sum()),
            "z": ((log_z.square() * real).sum(), real.sum()),
            "causal": ((nll * causal).sum(), causal.sum()),
            "masked": ((nll * masked).sum(), masked.sum()),
            "distillation": ((divergence * real).sum(), real.sum()),
        }


def _states(model: Model, batch: MaskedBatch) -> Tensor:
    return model.target_states(batch.tokens, batch.document_ids, batch.bidirectional, batch.target_positions)


def mean_log_probs(logits: Sequence[Tensor], temperature: float, average: str) -> Tensor:
    """Log-probabilities (n, vocabulary) of several teachers together.

    >>> teachers = [torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 2.0]])]
    >>> mean_log_probs(teachers, 2.0, "logits").exp()  # the softmax of 0 and 1 / 2
    tensor([[0.3775, 0.6225]])
    >>> mean_log_probs(teachers, 2.0, "probabilities").exp()  # the mean of 1/2 and the softmax of 0 and 1
    tensor([[0.3845, 0.6155]])
    """
    scaled = torch.stack([each / temperature for each in logits])
    if average == "logits":
        return scaled.mean(0).log_softmax(-1)
    log_probs = scaled.log_softmax(-1).logsumexp(0)
    return log_probs - log_probs.logsumexp(-1, keepdim=True)
