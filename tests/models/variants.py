"""Small models of every architectural choice, with weights far from their initial values."""

from __future__ import annotations

from typing import Any

import torch

from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM

SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "position_buckets": 8,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "plain": {"qk_norm": False, "attention_gate": "none", "value_residual": False, "x0_skip": False},
    "gpt-bert": {
        "norm": "layer",
        "position": "relative",
        "qk_norm": False,
        "sub_norm": True,
        "attention_gate": "elementwise",
        "value_residual": False,
        "x0_skip": False,
        "layer_connections": "denseformer",
        "head_transform": True,
    },
    "affine": {
        "norm": "layer",
        "norm_affine": True,
        "position": "rotary",
        "partial_rotary_factor": 1.0,
        "activation": "swiglu",
    },
    "unet": {
        "layer_connections": "unet",
        "activation": "relu2",
        "tie_embeddings": False,
        "logit_softcap": 5.0,
        "norm_affine": True,
    },
    "relative": {"position": "relative", "layer_connections": "denseformer", "head_transform": True},
}


def config(**changes: Any) -> BabyLMConfig:
    """A configuration of a few thousand parameters."""
    return BabyLMConfig(**{**SMALL, **changes})


def network(seed: int = 0, **changes: Any) -> BabyLMForCausalLM:
    """A model in evaluation mode in which every weight matters (no mixing weight is zero)."""
    torch.manual_seed(seed)
    model = BabyLMForCausalLM(config(**changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return model


def packed_logits(model, batch, documents, bidirectional, positions=None):
    """Logits (n, vocabulary) of packed rows at flat positions (all by default), as `token_losses` computes them."""
    hidden = model.model.forward_packed(batch, documents, bidirectional).flatten(0, 1)
    return model.head(hidden if positions is None else hidden[positions])


def tokens(rows: int, length: int, seed: int = 1) -> torch.Tensor:
    """Random ordinary tokens."""
    return torch.randint(4, SMALL["vocab_size"], (rows, length), generator=torch.Generator().manual_seed(seed))
