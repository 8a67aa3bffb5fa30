"""From hidden states to logits, and to the loss without a second copy of the logits.

The loss is an autograd function of its own: one product gives the logits of all targets in the compute dtype;
normalisers are taken in fp32, a few rows at a time; and the backward turns the stored logits into their gradient in
place. So the peak is one (targets, vocabulary) matrix in bf16; cross entropy under autocast holds several in fp32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration import BabyLMConfig
from .layers import Linear, Norm, drop

CHUNK = {"cpu": 32, "cuda": 4096}
"""Rows of logits brought to fp32 at a time: what stays in a core's cache, or what keeps kernels large."""


class TokenLoss(NamedTuple):
    """Per target, float32 (n,): the negative log-likelihood in nats and the log of the softmax' normaliser."""

    nll: Tensor
    log_z: Tensor


class Head(nn.Module):
    """Optional transform (linear, GELU, norm, dropout), then the output embedding with a bias and a soft cap."""

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.soft_cap = config.soft_cap
        self.dropout = config.dropout
        self.dense = Linear(width, width, bias=True) if config.head_transform else None
        self.norm = Norm(width, config) if config.head_transform else None
        self.output = Linear(width, config.vocab_size, bias=True)
        self.kernels = EAGER

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the elementwise parts of the loss; the number of targets may vary."""
        kwargs["dynamic"] = True
        normaliser = torch.compile(_log_normaliser, *args, **kwargs)
        softmax = torch.compile(_scaled_softmax_, *args, **kwargs)
        self.kernels = Kernels(normaliser, softmax, whole=True)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., hidden) to raw logits (..., vocabulary), float32."""
        logits = self.output(self.transform(hidden)).float()
        return self.soft_cap * torch.tanh(logits / self.soft_cap) if self.soft_cap else logits

    def loss(self, hidden: Tensor, targets: Tensor) -> TokenLoss:
        """Hidden states (n, hidden) and targets (n,) to the loss of each target."""
        hidden = self.transform(hidden)
        kernels = self.kernels if self.training else EAGER
        return token_loss(hidden, self.output.weight, self.output.bias, targets, self.soft_cap, kernels)

    def transform(self, hidden: Tensor) -> Tensor:
        """What comes before the output embedding."""
        if self.dense is None or self.norm is None:
            return hidden
        return drop(self.norm(F.gelu(self.dense(hidden))), self.dropout if self.training else 0.0)


def _log_normaliser(logits: Tensor) -> Tensor:
    """(n, vocabulary) in any dtype to float32 (n,)."""
    scores = logits.to(torch.float32, copy=True)
    peak = scores.amax(-1, keepdim=True)
    return scores.sub_(peak).exp_().sum(-1).log_().add_(peak[:, 0])


def _scaled_softmax_(logits: Tensor, log_z: Tensor, scale: Tensor, soft_cap: float) -> None:
    """Turn ``logits`` into their softmax times ``scale``, by row, times the soft cap's own derivative."""
    scores = logits.float()
    slope = 1 - (scores / soft_cap).square_() if soft_cap else None
    scores.sub_(log_z[:, None]).exp_().mul_(scale[:, None])
    logits.copy_(scores if slope is None else scores.mul_(slope))


class Kernels(NamedTuple):
    """The elementwise parts of the loss, and whether they take all rows at once."""

    log_normaliser: Callable[..., Tensor]
    scaled_softmax_: Callable[..., None]
    whole: bool


EAGER = Kernels(_log_normaliser, _scaled_softmax_, whole=False)


def token_loss(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, soft_cap: float = 0.0, kernels: Kernels = EAGER
) -> TokenLoss:
    """Cross entropy of ``hidden @ weight.T + bias`` per target, and the log-normaliser; both differentiable.

    ``hidden``: (n, width) in the compute dtype; ``weight``: (vocabulary, width); ``bias``: (vocabulary,); ``targets``:
    (n,). The backward may run once only (it reuses the logits' memory).
    """
    dtype = hidden.dtype
    nll, log_z = _TokenLoss.apply(hidden, weight.to(dtype), bias.to(dtype), targets, soft_cap, kernels)
    return TokenLoss(nll, log_z)


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, soft_cap: float, kernels: Kernels
    ) -> tuple[Tensor, Tensor]:
        logits = F.linear(hidden, weight, bias)
        log_z = torch.empty(len(targets), device=hidden.device)
        for rows in _chunks(logits, kernels):
            part = logits[rows]
            if soft_cap:
                part.div_(soft_cap).tanh_().mul_(soft_cap)
            log_z[rows] = kernels.log_normaliser(part)
        nll = log_z - logits.gather(1, targets[:, None]).squeeze(1)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(hidden, weight, targets, log_z)
            ctx.logits, ctx.soft_cap, ctx.kernels = logits, soft_cap, kernels
        return nll, log_z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_nll, of_log_z = gradients
        hidden, weight, targets, log_z = ctx.saved_tensors
        logits, ctx.logits = ctx.logits, None
        if logits is None:
            raise RuntimeError("the token loss can be differentiated once only: its logits' memory has been reused")
        places = targets[:, None]
        of_target = of_nll
        if ctx.soft_cap:
            of_target = of_nll * (1 - (logits.gather(1, places).squeeze(1).float() / ctx.soft_cap).square())
        for rows in _chunks(logits, ctx.kernels):
            ctx.kernels.scaled_softmax_(logits[rows], log_z[rows], (of_nll + of_log_z)[rows], ctx.soft_cap)
        # By flat index: scatter_add_ takes a thousand times longer on a CPU.
        flat = torch.arange(len(logits), device=logits.device) * logits.shape[1] + targets
        logits.view(-1).index_add_(0, flat, -of_target.to(logits.dtype))
        return logits @ weight, logits.T @ hidden, logits.sum(0), None, None, None


def _chunks(logits: Tensor, kernels: Kernels) -> list[slice]:
    size = len(logits) if kernels.whole else CHUNK.get(logits.device.type, 1024)
    return [slice(start, start + size) for start in range(0, len(logits), max(size, 1))]
