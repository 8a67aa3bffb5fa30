"""The loss of each target over a large vocabulary, with one matrix of logits in memory.

`token_losses_reference` is the definition; `token_losses` gives the same numbers up to rounding.
``tests/models/test_kernels.py`` compares them, values and gradients, eagerly and as compiled.

Shapes: N targets, W width, V entries of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class TokenLosses(NamedTuple):
    """Per target, float32 (N,): the negative log-likelihood in nats and the log of the softmax's normaliser."""

    nll: Tensor
    log_z: Tensor


CHUNK = {"cpu": 32, "cuda": 4096}
"""Rows of logits brought to fp32 at a time: what stays in a core's cache, or what keeps kernels large."""


def softcap(logits: Tensor, cap: float) -> Tensor:
    """``cap * tanh(logits / cap)``; the logits themselves for a cap of 0."""
    return cap * torch.tanh(logits / cap) if cap else logits


def token_losses_reference(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, logit_softcap: float = 0.0
) -> TokenLosses:
    """Cross entropy of the logits ``hidden @ weight.T + bias`` per target, and their log-normaliser.

    ``hidden``: (N, W) in the compute dtype; ``weight``: (V, W); ``bias``: (V,); ``targets``: (N,).
    """
    logits = softcap(F.linear(hidden, weight.to(hidden.dtype), bias.to(hidden.dtype)).float(), logit_softcap)
    return TokenLosses(F.cross_entropy(logits, targets, reduction="none"), logits.logsumexp(-1))


def _log_normaliser(logits: Tensor) -> Tensor:
    """``logsumexp(logits, -1)``: (N, V) in any dtype to float32 (N,)."""
    scores = logits.to(torch.float32, copy=True)
    peak = scores.amax(-1, keepdim=True)
    return scores.sub_(peak).exp_().sum(-1).log_().add_(peak[:, 0])


def _scaled_softmax_(logits: Tensor, log_z: Tensor, scale: Tensor, logit_softcap: float) -> None:
    """Overwrite capped ``logits`` (N, V) with ``scale * softmax``, by row, times the derivative of the soft cap."""
    scores = logits.float()
    slope = 1 - (scores / logit_softcap).square_() if logit_softcap else None  # tanh' = 1 - tanh ** 2
    scores.sub_(log_z[:, None]).exp_().mul_(scale[:, None])
    logits.copy_(scores if slope is None else scores.mul_(slope))


class SoftmaxLoops(NamedTuple):
    """The elementwise parts of the loss, and whether they take all rows at once."""

    log_normaliser: Callable[..., Tensor]
    scaled_softmax_: Callable[..., None]
    all_rows: bool


EAGER_LOOPS = SoftmaxLoops(_log_normaliser, _scaled_softmax_, all_rows=False)


def compiled_loops(*args: Any, **kwargs: Any) -> SoftmaxLoops:
    """The elementwise parts compiled, for any number of targets; takes what ``torch.compile`` takes."""
    kwargs["dynamic"] = True
    log_normaliser = torch.compile(_log_normaliser, *args, **kwargs)
    scaled_softmax_ = torch.compile(_scaled_softmax_, *args, **kwargs)
    return SoftmaxLoops(_fixed_vocabulary(log_normaliser), _fixed_vocabulary(scaled_softmax_), all_rows=True)


def _fixed_vocabulary(loop: Callable[..., Any]) -> Callable[..., Any]:
    """``loop`` with the number of columns of its first tensor compiled in: loads of known width vectorise."""

    def call(logits: Tensor, *others: Any) -> Any:
        torch._dynamo.mark_static(logits, 1)
        return loop(logits, *others)

    return call


def token_losses(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    logit_softcap: float = 0.0,
    loops: SoftmaxLoops = EAGER_LOOPS,
) -> TokenLosses:
    """The same with one (N, V) matrix in the compute dtype; cross entropy under autocast holds several in fp32.

    Normalisers are taken in fp32, a few rows at a time, and the backward overwrites the logits with their gradient. So
    the backward can run once only: ``RuntimeError`` for a second one.
    """
    dtype = hidden.dtype
    return TokenLosses(*_TokenLosses.apply(hidden, weight.to(dtype), bias.to(dtype), targets, logit_softcap, loops))


class _TokenLosses(torch.autograd.Function):
    """With p the softmax of a row and t its target: d nll / d logits = p - onehot(t), d log_z / d logits = p."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        logit_softcap: float,
        loops: SoftmaxLoops,
    ) -> tuple[Tensor, Tensor]:
        logits = F.linear(hidden, weight, bias)  # (N, V), the one copy
        log_z = torch.empty(len(targets), device=hidden.device)
        for rows in _chunks(logits, loops):
            part = logits[rows]
            if logit_softcap:
                part.div_(logit_softcap).tanh_().mul_(logit_softcap)
            log_z[rows] = loops.log_normaliser(part)
        nll = log_z - logits.gather(1, targets[:, None]).squeeze(1)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(hidden, weight, targets, log_z)
            ctx.logits, ctx.logit_softcap, ctx.loops = logits, logit_softcap, loops
        return nll, log_z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_nll, of_log_z = gradients  # (N,) each
        hidden, weight, targets, log_z = ctx.saved_tensors
        logits, ctx.logits = ctx.logits, None
        if logits is None:
            raise RuntimeError("the token loss can be differentiated once only: its logits' memory has been reused")
        of_target = of_nll
        if ctx.logit_softcap:
            capped = logits.gather(1, targets[:, None]).squeeze(1).float() / ctx.logit_softcap
            of_target = of_nll * (1 - capped.square())
        for rows in _chunks(logits, ctx.loops):
            ctx.loops.scaled_softmax_(logits[rows], log_z[rows], (of_nll + of_log_z)[rows], ctx.logit_softcap)
        # - onehot(t), by flat index: scatter_add_ takes a thousand times longer on a CPU.
        flat = torch.arange(len(logits), device=logits.device) * logits.shape[1] + targets
        logits.view(-1).index_add_(0, flat, -of_target.to(logits.dtype))
        return logits @ weight, logits.T @ hidden, logits.sum(0), None, None, None


def _chunks(logits: Tensor, loops: SoftmaxLoops) -> list[slice]:
    size = len(logits) if loops.all_rows else CHUNK.get(logits.device.type, 1024)
    return [slice(start, start + size) for start in range(0, len(logits), max(size, 1))]
