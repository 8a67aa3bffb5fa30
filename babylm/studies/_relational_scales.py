"""Sizes of the relational study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How many episodes there are, and how large the student is."""

    control_tasks: int
    """Tasks per seed of the planted and the null agent."""
    control_seeds: int
    tasks: int
    """Tasks per seed of a model."""
    state_tasks: int
    """Of these, how many are read again for attention and states."""
    hidden_size: int
    layers: int
    transcripts: int
    """Episodes that the student learns from, when it has no base."""
    steps: int
    """Steps of fine-tuning, when the student has no base."""
    base_steps: int
    """Steps of fine-tuning of a given base."""
    power_repeats: int
    """Simulated studies per power."""
    batch_tasks: int = 16
    """Tasks that are run at once, six episodes each."""
    endpoint_tasks: int = 10


SCALES = {
    "smoke": Scale(60, 3, 6, 3, 32, 2, 1000, 120, 2, 20, batch_tasks=4, endpoint_tasks=2),
    "cpu": Scale(300, 20, 50, 20, 64, 3, 4000, 300, 60, 100),
    "gpu": Scale(300, 20, 200, 50, 256, 6, 20_000, 3000, 600, 1000, batch_tasks=50),
}
"""``cpu``: a student of 0.2M parameters, one core; ``gpu``: 200 tasks, so that the interaction can be seen."""
