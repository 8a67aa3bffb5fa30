"""Small parts: dtype-following linear layers, norms, dropout, feed-forward, and the one table of initial values.

Weights stay in fp32; the stream flows in the compute dtype (bf16 inside ``torch.autocast``, else the weights' own),
and each layer casts its weight to the stream's dtype once a forward. So elementwise work between two products moves
half the bytes that autocast's fp32 islands would.

Initial values (``initialise``); d = hidden size, L = layers, sigma = sqrt(2 / (5 d)) as in LTG-BERT:

=============================================  ==================================================================
embedding, untied output, relative table       normal cut at 2 sigma, standard deviation sigma
query, key, value, feed-forward in, classifier the same
attention and feed-forward output projections  the same times 1 / sqrt(2 L), or zero with ``initializer: zero``
gates of the attention                         zero: twice a sigmoid, so they start at one
mixing weights (values, input, depth)          zero: the model starts as the plain transformer
biases; gains of norms                         zero; one
=============================================  ==================================================================
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration import BabyLMConfig

ONE = 0x3F80
"""The number one in bf16."""


class Linear(nn.Linear):
    """A linear layer that computes in its input's dtype; ``role`` is its line in the table of initial values."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False, role: str = "input") -> None:
        super().__init__(inputs, outputs, bias=bias)
        self.role = role

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


def project(x: Tensor, *layers: Linear) -> tuple[Tensor, ...]:
    """``x`` through layers without bias: one product on a GPU; one each on a CPU, whose kernels want whole rows.

    The weights are matrices of their own either way, since Muon makes each orthogonal by itself.
    """
    if x.device.type == "cpu":
        return tuple(layer(x) for layer in layers)
    weight = torch.cat([layer.weight for layer in layers]).to(x.dtype)
    return F.linear(x, weight).split([layer.out_features for layer in layers], dim=-1)


class Norm(nn.Module):
    """RMS or layer norm over the last dimension, with gain (and bias for ``layer``) when affine."""

    def __init__(self, size: int, config: BabyLMConfig) -> None:
        super().__init__()
        self.size = size
        self.eps = config.norm_eps
        self.centred = config.norm == "layer"
        self.weight = nn.Parameter(torch.ones(size)) if config.norm_affine else None
        self.bias = nn.Parameter(torch.zeros(size)) if config.norm_affine and self.centred else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., size) to the same, in its dtype."""
        weight = None if self.weight is None else self.weight.to(x.dtype)
        if self.centred:
            bias = None if self.bias is None else self.bias.to(x.dtype)
            return F.layer_norm(x, (self.size,), weight, bias, self.eps)
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            normed = _RMSNorm.apply(x, self.eps)
            return normed if weight is None else normed * weight
        return F.rms_norm(x, (self.size,), weight, self.eps)


class _RMSNorm(torch.autograd.Function):
    """RMS norm without gain in a third of the passes that torch's own takes on a CPU, where it is not one kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = (length.square_() / x.shape[-1]).add_(eps).rsqrt_().to(x.dtype)
        normed = x * scale
        ctx.save_for_backward(normed, scale)
        return normed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        normed, scale = ctx.saved_tensors
        along = torch.linalg.vecdot(gradient, normed).unsqueeze(-1) / normed.shape[-1]
        return torch.addcmul(gradient, normed, along, value=-1).mul_(scale), None


def drop(x: Tensor, dropout: float) -> Tensor:
    """``x`` with this share of its elements zeroed and the others scaled up."""
    if dropout == 0.0:
        return x
    return x * _keep(x, dropout) if x.device.type == "cpu" else F.dropout(x, dropout)


def add_branch(stream: Tensor, branch: Tensor, dropout: float) -> Tensor:
    """``stream + dropout(branch)``."""
    if dropout == 0.0:
        return stream + branch
    if stream.device.type == "cpu":
        return torch.addcmul(stream, branch, _keep(branch, dropout))
    return stream + F.dropout(branch, dropout)


def _keep(like: Tensor, dropout: float) -> Tensor:
    """A dropout mask on the CPU, 0 or 1 / (1 - p) in the shape and dtype of ``like``.

    Fifteen random bits an element, four elements a number: torch's own draws a number each, which took longer than a
    layer's products. The probability is rounded to a multiple of 2**-15. The mask is made of the bits in place, since
    turning booleans into numbers takes longer than drawing them: less than the threshold is negative after taking it
    off, its sign fills the number, and what is left of the number one is one or zero.
    """
    count, steps = like.numel(), round(dropout * 32_768)
    bits = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    mask = bits.view(torch.int16)[:count].view(like.shape).bitwise_and_(32_767).sub_(steps)
    mask = mask.bitwise_right_shift_(15).bitwise_not_().bitwise_and_(ONE).view(torch.bfloat16)
    return mask.to(like.dtype).mul_(32_768 / (32_768 - steps))


class FeedForward(nn.Module):
    """GEGLU, SwiGLU or squared ReLU between two linear layers without bias.

    The GELU is the exact one: on a CPU it takes a fifth of the tanh form's time, and differs from it by less than 5e-4.
    """

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.activation = config.activation
        self.gate = Linear(width, inner) if config.activation != "relu2" else None
        self.up = Linear(width, inner)
        self.norm = Norm(inner, config) if config.inner_norm else None
        self.down = Linear(inner, width, role="output")

    def forward(self, x: Tensor) -> Tensor:
        """(rows, length, width) to the same."""
        if self.gate is None:
            inner = F.relu(self.up(x)).square()
        else:
            gate, up = project(x, self.gate, self.up)
            inner = (F.silu(gate) if self.activation == "swiglu" else F.gelu(gate)) * up
        return self.down(inner if self.norm is None else self.norm(inner))


def initialise(module: nn.Module, config: BabyLMConfig) -> None:
    """Set the initial values of ``module``'s own parameters (see the table above); its children are left alone.

    Only ``torch.nn.init`` is used: transformers 5 guards it against overwriting loaded weights.
    """
    std = math.sqrt(2 / (5 * config.hidden_size))
    role = getattr(module, "role", "input")
    if isinstance(module, (nn.Linear, nn.Embedding)):
        if role == "gate" or (role == "output" and config.initializer == "zero"):
            nn.init.zeros_(module.weight)
        else:
            scale = 1 / math.sqrt(2 * config.num_hidden_layers) if role == "output" else 1.0
            nn.init.trunc_normal_(module.weight, std=std * scale, a=-2 * std * scale, b=2 * std * scale)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, Norm):
        if module.weight is not None:
            nn.init.ones_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    else:
        for parameter in module.parameters(recurse=False):  # mixing weights
            nn.init.zeros_(parameter)
