"""Sizes of the study of quality signals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How large models, data and measurements are."""

    hidden_size: int
    layers: int
    base_steps: int
    corpus: int
    """Traces that the base learns from."""
    judge_steps: int
    judge_groups: int
    questions: int
    """Questions among which the saturated ones are looked for."""
    samples: int
    """Samples per question; all must be right."""
    steps: int
    """Steps of fine-tuning per arm."""
    test_questions: int
    test_samples: int
    training_terms: tuple[int, ...] = (2, 3)
    test_terms: tuple[int, ...] = (4, 5)
    groups_per_step: int = 16


SCALES = {
    "smoke": Scale(32, 2, 300, 4_000, 10, 16, 60, 2, 6, 30, 2, (2,), (3,)),
    "cpu": Scale(64, 3, 1000, 30_000, 100, 32, 500, 8, 60, 200, 8),
    "gpu": Scale(256, 6, 4000, 100_000, 400, 64, 2000, 8, 150, 400, 8),
}
"""``cpu``: 0.13M parameters, two cores; ``gpu``: 5M parameters."""
