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

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration import BabyLMConfig


class Linear(nn.Linear):
    """A linear layer that computes in its input's dtype; ``role`` is its line in the table of initial values."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False, role: str = "input") -> None:
        super().__init__(inputs, outputs, bias=bias)
        self.role = role

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


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
        return F.rms_norm(x, (self.size,), weight, self.eps)


def add_branch(stream: Tensor, branch: Tensor, dropout: float) -> Tensor:
    """``stream + dropout(branch)``."""
    return stream + F.dropout(branch, dropout)


class FeedForward(nn.Module):
    """GEGLU (tanh GELU), SwiGLU or squared ReLU between two linear layers without bias."""

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
            # One product for both halves; the weights are two matrices for the sake of Muon.
            weight = torch.cat((self.gate.weight, self.up.weight)).to(x.dtype)
            gate, up = F.linear(x, weight).chunk(2, dim=-1)
            inner = (F.silu(gate) if self.activation == "swiglu" else F.gelu(gate, approximate="tanh")) * up
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
