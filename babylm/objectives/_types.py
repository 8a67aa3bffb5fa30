"""What objectives, the training loop and the network agree on: batches in, examples between, sums out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from babylm.config.schema import ObjectiveConfig


@dataclass(frozen=True)
class SpecialTokens:
    """The token ids an objective must know."""

    bos: int
    pad: int
    mask: int
    vocabulary: int
    first_ordinary_id: int
    """Ids from here on are ordinary: what a random replacement is drawn from."""
    last_ordinary_id: int | None = None
    """None: the last of the vocabulary."""


@dataclass
class Batch:
    """Packed rows, before corruption: each begins with BOS, documents never see each other."""

    tokens: Tensor
    """(rows, length) int64."""
    documents: Tensor
    """(rows, length) int32, from 0 in each row and never falling; trailing pads are a document of their own."""
    words: Tensor
    """(rows, length) uint8: how many words end in the token."""
    first_row: int
    """Index of the first row in the whole run: step * rows per step + position in the step."""


@dataclass
class MaskedBatch:
    """Corrupted rows and the positions that are asked; ``n`` depends on shapes and progress only, so no device sync."""

    tokens: Tensor
    """(rows, length) int64, corrupted."""
    documents: Tensor
    bidirectional: Tensor
    """(rows,) bool, on the host: full attention, else causal."""
    at: Tensor
    """(n,) int64: flat positions into rows * length whose state predicts."""
    targets: Tensor
    """(n,) int64."""
    weights: Tensor
    """(n,) float32; 0 where a slot has no target."""
    masked: Tensor
    """(n,) bool: the target is a masked token, else the next one."""


class TokenLosses(Protocol):
    """What the network answers."""

    @property
    def nll(self) -> Tensor:
        """(n,) float32: negative log-probability of each target, in nats."""

    @property
    def log_z(self) -> Tensor:
        """(n,) float32: log of the softmax's normaliser."""


class Model(Protocol):
    """A model, as objectives see it."""

    def token_losses(
        self,
        input_ids: Tensor,
        document_ids: Tensor,
        bidirectional: Tensor,
        target_positions: Tensor,
        targets: Tensor,
    ) -> TokenLosses:
        """The loss of each target (n,) of packed rows (`BabyLMForCausalLM.token_losses`)."""


@dataclass
class Loss:
    """Sums over targets; the caller divides by a constant of the step."""

    total: Tensor
    metrics: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Name -> (sum, count), detached and unweighted: ``causal``, ``masked`` (nats), ``z`` (squared log-normaliser)."""


class Objective:
    """Base of the language-modelling objectives: subclasses say which positions are asked (``corrupt``)."""

    uniforms_per_token = 0
    """Uniforms needed per token."""
    kinds: tuple[str, ...] = ("causal", "masked")
    """Kinds of targets it asks for: the names of its metrics."""

    def __init__(self, config: ObjectiveConfig, special: SpecialTokens) -> None:
        self.config, self.special = config, special

    def draw_uniforms(self, rows: int, length: int, generator: torch.Generator) -> Tensor:
        """Uniforms (rows, channels, length) for all rows of an optimizer step, on the generator's device."""
        shape = (rows, self.uniforms_per_token, length)
        return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)

    def corrupt(self, batch: Batch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """Corrupt ``batch``: a deterministic function of the arguments. ``uniforms``: those of the batch's rows."""
        raise NotImplementedError

    def loss(self, network: Model, example: MaskedBatch) -> Loss:
        """Weighted sum over targets of nll + z_loss * log_z²."""
        scored = network.token_losses(
            example.tokens, example.documents, example.bidirectional, example.at, example.targets
        )
        value = scored.nll
        if self.config.z_loss:
            value = value + self.config.z_loss * scored.log_z.square()
        total = (value * example.weights).sum()
        real = example.weights > 0
        nll, square = scored.nll.detach(), scored.log_z.detach().square()
        metrics = {"z": ((square * real).sum(), real.sum())}
        for kind in self.kinds:
            of_kind = real & (example.masked if kind == "masked" else ~example.masked)
            metrics[kind] = ((nll * of_kind).sum(), of_kind.sum())
        return Loss(total, metrics)
