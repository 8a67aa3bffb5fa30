"""Sizes of the study of warmth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Sizes of the planted world, its models and its fine-tuning."""

    entities: int
    relations: int
    tuned: int
    """Questions that are fine-tuned on; tested are others."""
    tested: int
    hidden_size: int
    layers: int
    steps: int
    """Of pretraining."""
    batch: int
    lr: float
    tuning_steps: int
    tuning_lr: float


SCALES = {
    "smoke": Scale(12, 1, 4, 8, 64, 2, 250, 16, 0.02, 40, 1e-3),
    "cpu": Scale(30, 3, 30, 60, 128, 3, 700, 16, 0.02, 80, 2e-4),
}


@dataclass(frozen=True)
class LoraTuning:
    """How a real subject is fine-tuned: low-rank adapters in fp32, AdamW, one pass over the rows."""

    batch: int = 8
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.1
    """Rank, alpha and dropout are the authors'."""
    lr: float = 5e-4
    """The authors' 1e-5 is for 10 epochs of models 30 to 260 times as large."""
