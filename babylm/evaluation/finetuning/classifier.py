"""The official classifier: any encoder, the state of one token, and a head of two layers.

Unusual: rows are padded on the right and the last token is found by the mask, so that a row has the same logits alone
and in any batch. (The scripts of 2026 pad on the left and take the last column. That is the same except for models with
absolute positions that ignore the mask, such as GPT-2: they read shifted positions there.)
"""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from torch import Tensor, nn

from babylm.console import first_line
from babylm.evaluation.scoring.scorer import Scorer

NORM_EPS = 1e-5


class Classifier(nn.Module):
    """``encoder(input_ids=, attention_mask=)`` and a head on the state of its first or last token."""

    def __init__(self, encoder: nn.Module, width: int, labels: int, pooling: str, dropout: float) -> None:
        super().__init__()
        assert pooling in ("first", "last")
        self.encoder, self.pooling = encoder, pooling
        self.head = nn.Sequential(
            nn.LayerNorm(width, NORM_EPS, elementwise_affine=False),
            nn.Linear(width, width),
            nn.GELU(),
            nn.LayerNorm(width, NORM_EPS, elementwise_affine=False),
            nn.Dropout(dropout),
            nn.Linear(width, labels),
        )

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Float32 logits (rows, labels) of rows padded on the right."""
        hidden = states(self.encoder(input_ids=ids, attention_mask=mask))
        position = torch.zeros_like(mask[:, 0]) if self.pooling == "first" else mask.sum(1) - 1
        pooled = hidden[torch.arange(len(ids), device=ids.device), position]  # (rows, width)
        with torch.autocast(ids.device.type, enabled=False):
            return self.head(pooled.float())


def encoder_in(scorer: Scorer) -> nn.Module:
    """The encoder inside a scorer's model, not copied: what ``AutoModel`` loads from the same folder."""
    model = scorer.model
    if model.base_model is not model:
        return model.base_model
    # A class that does not name its encoder. If its code runs already, it was trusted.
    from transformers import AutoModel

    trusted = type(model).__module__.startswith("transformers_modules.")
    try:
        encoder = AutoModel.from_pretrained(model.name_or_path, trust_remote_code=trusted)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"fine-tuning: AutoModel finds no encoder in {model.name_or_path} ({first_line(error)})"
        ) from None
    return encoder.to(scorer.device)


def copied(encoder: nn.Module) -> nn.Module:
    """An encoder of the same weights in fp32, to be trained."""
    return copy.deepcopy(encoder).float().requires_grad_(True)


def plain_attention(encoder: Any) -> None:
    """Compute attention as matrix products and a softmax instead of torch's fused kernel, if the class has the choice.

    On a CPU in bf16 the kernel's backward is slow: a step takes 1.4 (our models) to 2 times (BERT, GPT-2) as long.
    """
    if hasattr(encoder, "set_attention"):
        encoder.set_attention("eager")
    elif hasattr(encoder, "set_attn_implementation"):
        encoder.set_attn_implementation("eager")


def states(output: Any) -> Tensor:
    """The last hidden states (rows, length, width) in an encoder's output."""
    if isinstance(output, tuple):
        return output[0]
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None and getattr(output, "hidden_states", None):
        hidden = output.hidden_states[-1]
    if hidden is None:
        raise ValueError(f"fine-tuning: the model gives no hidden states, only {', '.join(output.keys())}")
    return hidden


@torch.no_grad()
def probe(encoder: nn.Module, device: torch.device) -> tuple[int, bool]:
    """(width of the states, whether a token sees those after it), by trying."""
    training = encoder.training
    encoder.eval()
    ids = torch.tensor([[1, 2, 3], [1, 2, 4]], device=device)
    hidden = states(encoder(input_ids=ids, attention_mask=torch.ones_like(ids)))
    encoder.train(training)
    return hidden.shape[-1], not torch.equal(hidden[0, 0], hidden[1, 0])


def pooling_of(pooling: str, rules: int, is_bidirectional: bool) -> str:
    """``auto`` by the rules of a year: the last token in 2026; in 2025 the first, if it sees the others.

    >>> pooling_of("auto", 2025, is_bidirectional=True)
    'first'
    """
    if pooling == "auto":
        return "last" if rules == 2026 or not is_bidirectional else "first"
    if pooling == "first" and not is_bidirectional:
        logging.getLogger(__name__).warning(
            "glue.pooling=first: the first token of this model has seen no other, so the score says nothing"
        )
    return pooling
