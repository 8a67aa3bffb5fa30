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
    "plain": {"qk_norm": False, "attention_gate": "none", "value_residual": False, "input_skip": False},
    "gpt-bert": {
        "norm": "layer",
        "position": "relative",
        "qk_norm": False,
        "inner_norm": True,
        "attention_gate": "element",
        "value_residual": False,
        "input_skip": False,
        "depth": "average",
        "head_transform": True,
    },
    "affine": {"norm": "layer", "norm_affine": True, "position": "rotary", "activation": "swiglu"},
    "unet": {"depth": "unet", "activation": "relu2", "tie_embeddings": False, "soft_cap": 5.0, "norm_affine": True},
    "relative": {"position": "relative", "depth": "average", "head_transform": True},
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


def tokens(rows: int, length: int, seed: int = 1) -> torch.Tensor:
    """Random ordinary tokens."""
    return torch.randint(4, SMALL["vocab_size"], (rows, length), generator=torch.Generator().manual_seed(seed))
