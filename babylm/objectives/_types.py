"""What objectives, the training loop and the model agree on: token batches in, masked batches between, sums out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from babylm.batches.feed import TokenBatch
from babylm.config.schema import ObjectiveConfig
from babylm.lazy import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch.nn import Module, Parameter


@dataclass(frozen=True)
class RunFacts:
    """What an objective may have to know of its run before it begins."""

    track: str
    corpus: str
    """Fingerprint of the prepared corpus."""
    vocabulary: Mapping[str, int]
    """Token -> id of the run's tokenizer."""


@dataclass(frozen=True)
class SpecialTokens:
    """The token ids an objective must know."""

    bos: int
    pad: int
    mask: int
    vocab_size: int
    first_ordinary_id: int
    """Ids from here on are ordinary: what a random replacement is drawn from."""
    last_ordinary_id: int | None = None
    """None: the last of the vocabulary."""


MODEL_INPUTS = ("pixel_values", "item_positions", "item_labels")
"""Fields of ``TokenBatch.extra`` that go to the model: pictures, places of items in the row, tokens that name them."""


@dataclass
class MaskedBatch:
    """Corrupted rows and the positions to predict; n depends on shapes and progress alone, so the host never waits."""

    tokens: Tensor
    """(rows, length) int64, corrupted."""
    document_ids: Tensor
    """(rows, length) int32."""
    bidirectional: Tensor
    """(rows,) bool, on the host: full attention, else causal."""
    target_positions: Tensor
    """(n,) int64: flat positions into rows * length whose hidden state predicts."""
    targets: Tensor
    """(n,) int64."""
    weights: Tensor
    """(n,) float32; 0 if there is no target."""
    masked: Tensor
    """(n,) bool: the target is a masked token, else the next token."""


class TokenLosses(Protocol):
    """What the model answers."""

    @property
    def nll(self) -> Tensor:
        """(n,) float32: negative log-probability of each target, in nats."""

    @property
    def log_z(self) -> Tensor:
        """(n,) float32: log of the softmax's normaliser."""


class Model(Protocol):
    """A model, as objectives see it (`BabyLMForCausalLM`).

    Most objectives need `token_losses` alone. The others are its parts: what else is computed from the hidden states
    (values, whole distributions) takes them from one forward pass.
    """

    def token_losses(
        self,
        input_ids: Tensor,
        document_ids: Tensor,
        bidirectional: Tensor,
        target_positions: Tensor,
        targets: Tensor,
        pixel_values: Tensor | None = None,
        item_positions: Tensor | None = None,
        item_labels: Tensor | None = None,
    ) -> TokenLosses:
        """The loss of each target (n,) of packed rows."""

    def target_states(
        self, input_ids: Tensor, document_ids: Tensor, bidirectional: Tensor, target_positions: Tensor
    ) -> Tensor:
        """The hidden states (n, hidden_size) that predict the targets."""

    def state_losses(self, states: Tensor, targets: Tensor) -> TokenLosses:
        """The loss of each target (n,) from its hidden state."""

    def state_logits(self, states: Tensor) -> Tensor:
        """Float32 logits (n, vocab_size) of hidden states."""


@dataclass
class Loss:
    """Sums over targets; the caller divides by a constant of the step."""

    total: Tensor
    metrics: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Name -> (sum, what it is divided by in logs), detached. ``loss`` is the weighted mean over targets that the
    optimizer sees; the others are unweighted."""


class Objective:
    """Base of the objectives: a subclass says which positions are predicted (`corrupt`).

    An objective may train a ``module`` of its own beside the model, or keep other state from step to step: both are
    saved with the run's state and never exported.
    """

    uniforms_per_token = 0
    """Random numbers needed per token."""
    metric_names: tuple[str, ...] = ("causal", "masked")
    """Metrics that are losses per target: columns of the log, and curves of the report."""

    def __init__(self, config: ObjectiveConfig, special: SpecialTokens) -> None:
        self.config, self.special = config, special
        self.module: Module | None = None
        """What is trained beside the model (a value head); made by `prepare`."""

    def open(self, run: RunFacts) -> None:
        """Check, before a run's folder is made, what the objective needs besides text; ValueError names the setting."""

    def identity(self) -> dict[str, Any]:
        """What must be equal for a run to be continued, by key, where a setting alone does not say it."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What every revision records about the objective, beside its name."""
        return {}

    def remarks(self) -> list[str]:
        """Lines about the objective for the plan that is shown before the first step."""
        return []

    def flops_per_token(self, length: int, head_fraction: float, training: float) -> float:
        """FLOPs per token, in rows of ``length``, of what the objective computes beside training the model.

        ``head_fraction``: share of the positions whose logits are computed; ``training``: the model's own FLOPs.
        """
        return 0.0

    def prepare(self, network: Any) -> None:
        """Make what the objective needs of the network that it trains; called once, before the first step."""

    def restart(self, network: Any) -> None:
        """Forget, in place, what was learnt so far: ``network`` has its first weights again and learns anew."""

    def after_step(self, network: Any, completed: int) -> None:
        """Called after each optimizer step with the number of steps done."""

    def behaviour_values(self, model: Model, batch: TokenBatch) -> Tensor | None:
        """(rows, length) values to be recorded with sampled tokens before they are learnt from; None for none."""
        return None

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """The parameters of ``module``, by names that begin with ``objective.``."""
        if self.module is None:
            return []
        return [(f"objective.{name}", parameter) for name, parameter in self.module.named_parameters()]

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain data that an exact continuation needs."""
        return {} if self.module is None else {"module": dict(self.module.state_dict())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        if self.module is not None:
            from babylm import sharding

            sharding.load(self.module, state["module"])

    def draw_uniforms(self, rows: int, length: int, generator: Generator) -> Tensor:
        """Uniforms (rows, uniforms_per_token, length) for all rows of an optimizer step, on the generator's device."""
        shape = (rows, self.uniforms_per_token, length)
        return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)

    def corrupt(self, batch: TokenBatch, uniforms: Tensor, progress: float) -> MaskedBatch:
        """Corrupt ``batch``: a deterministic function of the arguments. ``uniforms``: those of the batch's rows."""
        raise NotImplementedError

    def can_replay(self) -> bool:
        """Whether all steps of a phase are the same operations (`corrupt_at`), so that a GPU can replay them."""
        return False

    @property
    def row_period(self) -> int:
        """Rows after which the pattern of modes repeats."""
        return 1

    def mask_rate_at(self, progress: float) -> float:
        """The share of masked tokens at ``progress``; 0 if nothing is masked."""
        return 0.0

    def corrupt_at(self, batch: TokenBatch, uniforms: Tensor, rate: float | Tensor, most: float) -> MaskedBatch:
        """`corrupt` at a mask rate, which may be a tensor () on the device; ``most``: the largest rate of the phase.

        The number of targets follows from ``most``: those beyond the rate's own have the weight 0.
        """
        raise NotImplementedError

    def loss(self, model: Model, batch: MaskedBatch) -> Loss:
        """Weighted sum over targets of nll + z_loss * log_z²; metrics by kind of target, and ``z``, the mean of log_z².

        ``model`` computes the hidden states once; the logits are those of ``batch.target_positions`` alone.
        """
        losses = model.token_losses(
            batch.tokens, batch.document_ids, batch.bidirectional, batch.target_positions, batch.targets
        )
        value = losses.nll
        if self.config.z_loss:
            value = value + self.config.z_loss * losses.log_z.square()
        total = (value * batch.weights).sum()
        real = batch.weights > 0
        nll, square = losses.nll.detach(), losses.log_z.detach().square()
        metrics = {"loss": (total.detach(), batch.weights.sum()), "z": ((square * real).sum(), real.sum())}
        for kind in self.metric_names:
            of_kind = real & (batch.masked if kind == "masked" else ~batch.masked)
            metrics[kind] = ((nll * of_kind).sum(), of_kind.sum())
        return Loss(total, metrics)

    def validation_modes(self) -> Mapping[str, Objective]:
        """Objectives by which held-out text is measured, by the name of the metric that each gives."""
        return dict.fromkeys(self.metric_names, self)
