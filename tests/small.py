"""A corpus of random tokens and a plan over it, for tests that need no text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from babylm import registry
from babylm.batches import plan
from babylm.batches.stream import TokenStream
from babylm.config.schema import Config, ObjectiveConfig, PhaseConfig

BOS, PAD = 0, 2


@dataclass
class Tokens:
    tokens: np.ndarray
    words: np.ndarray
    offsets: np.ndarray


def corpus(documents: int = 200, mean: int = 30, seed: int = 0) -> Tokens:
    """Documents of 0 to 2*mean tokens; each token's id says where it stands (5 + position)."""
    generator = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(generator.integers(0, 2 * mean, documents))))
    count = int(offsets[-1])
    return Tokens(np.arange(count) + 5, generator.integers(0, 2, count).astype(np.uint8), offsets)


def stream(seed: int | None = 3, **sizes: int) -> TokenStream:
    return TokenStream(corpus(**sizes), bos=BOS, pad=PAD, seed=seed)


def config(
    *phases: tuple[float, int, int], track: str = "free", milestones: tuple[int, ...] = (), **budget: float
) -> Config:
    """A configuration with phases (until, sequence length, tokens per step) and a budget."""
    made = Config(track=track, milestones=list(milestones))
    made.phases = [PhaseConfig(*phase) for phase in phases or ((1.0, 16, 128),)]
    for key, value in budget.items():
        setattr(made.budget, key, value)
    return made


def flat_flops(length: int) -> float:
    return 1.0


def build(made: Config, source: TokenStream) -> plan.Plan:
    return plan.build(
        source,
        phases=made.phases,
        budget=made.budget,
        track=made.track,
        flops_per_token=flat_flops,
        milestones=made.milestones,
    )


def objective_settings(name: str, **settings: Any) -> ObjectiveConfig:
    """The settings of an objective, by its name."""
    kind = registry.settings("objectives", name, ObjectiveConfig)
    made = kind(name=name, **settings)
    assert isinstance(made, ObjectiveConfig)
    return made
