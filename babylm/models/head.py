"""From hidden states to logits, and to the loss without a second copy of the logits.

The loss is an autograd function of its own: one product gives the logits of all targets in the compute dtype;
normalisers are taken in fp32, a few rows at a time; and the backward turns the stored logits into their gradient in
place. So the peak is one (targets, vocabulary) matrix in bf16, where cross entropy under autocast holds several in
fp32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration import BabyLMConfig
from .layers import Linear, Norm, drop

CHUNK = {"cpu": 64, "cuda": 4096}
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

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., hidden) to raw logits (..., vocabulary), float32."""
        logits = self.output(self.transform(hidden)).float()
        return self.soft_cap * torch.tanh(logits / self.soft_cap) if self.soft_cap else logits

    def loss(self, hidden: Tensor, targets: Tensor) -> TokenLoss:
        """Hidden states (n, hidden) and targets (n,) to the loss of each target."""
        hidden = self.transform(hidden)
        return token_loss(hidden, self.output.weight, self.output.bias, targets, self.soft_cap)

    def transform(self, hidden: Tensor) -> Tensor:
        """What comes before the output embedding."""
        if self.dense is None or self.norm is None:
            return hidden
        return drop(self.norm(F.gelu(self.dense(hidden))), self.dropout if self.training else 0.0)


def token_loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, soft_cap: float = 0.0) -> TokenLoss:
    """Cross entropy of ``hidden @ weight.T + bias`` per target, and the log-normaliser; both differentiable.

    ``hidden``: (n, width) in the compute dtype; ``weight``: (vocabulary, width); ``bias``: (vocabulary,);
    ``targets``: (n,). The backward may run once only (it reuses the logits' memory).
    """
    nll, log_z = _TokenLoss.apply(hidden, weight.to(hidden.dtype), bias.to(hidden.dtype), targets, soft_cap)
    return TokenLoss(nll, log_z)


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, soft_cap: float
    ) -> tuple[Tensor, Tensor]:
        logits = F.linear(hidden, weight, bias)
        nll = torch.empty(len(targets), device=hidden.device)
        log_z = torch.empty_like(nll)
        for rows in _chunks(logits):
            part = logits[rows]
            if soft_cap:
                part.copy_(torch.tanh(part.float() / soft_cap) * soft_cap)
            scores = part.float()
            log_z[rows] = scores.logsumexp(-1)
            nll[rows] = log_z[rows] - scores.gather(1, targets[rows, None]).squeeze(1)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(hidden, weight, targets, log_z)
            ctx.logits = logits
            ctx.soft_cap = soft_cap
        return nll, log_z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_nll, of_log_z = gradients
        hidden, weight, targets, log_z = ctx.saved_tensors
        logits, ctx.logits = ctx.logits, None
        if logits is None:
            raise RuntimeError("the token loss can be differentiated once only: its logits' memory has been reused")
        for rows in _chunks(logits):
            part = logits[rows]
            scores = part.float()
            gradient = (scores - log_z[rows, None]).exp_().mul_((of_nll[rows] + of_log_z[rows])[:, None])
            gradient.scatter_add_(1, targets[rows, None], -of_nll[rows, None])
            if ctx.soft_cap:
                gradient.mul_(1 - (scores / ctx.soft_cap).square_())
            part.copy_(gradient)
        return logits @ weight, logits.T @ hidden, logits.sum(0), None, None


def _chunks(logits: Tensor) -> list[slice]:
    size = CHUNK.get(logits.device.type, 1024)
    return [slice(start, start + size) for start in range(0, len(logits), size)]
