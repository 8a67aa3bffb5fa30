"""All seeds of a run, each derived from (run seed, purpose, ...): two purposes never share a stream of numbers.

A seed is a pure function of its parts, so nothing about random numbers has to be saved: a resumed run derives the same
ones. `derive_seed` seeds torch's generators; `permutation` orders documents and rows by hashes computed here,
since numpy does not promise that its generators keep their streams.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from babylm.lazy import torch

if TYPE_CHECKING:
    from torch import device


class Purpose(IntEnum):
    """Purpose of a seed (`derive_seed`). A number is never reused for another purpose."""

    MASKS = 1
    """The uniforms of an objective, by step."""
    DROPOUT = 2
    """By step and first row of the batch."""
    WEIGHTS = 3
    """The weights a network starts from."""
    EPISODES = 4
    """Items of an episode, by round and episode."""
    SAMPLING = 5
    """Tokens sampled from a model, by round and episode, or by number and prompt."""
    TEACHER = 6
    """A scripted teacher's choices, by round and episode."""
    CONDITION = 7
    """Draws of a study, by condition."""


class Order(IntEnum):
    """Objects that a `permutation` orders."""

    DOCUMENTS = 1
    """The documents of an epoch."""
    ROWS = 2
    """The rows of an epoch, by phase and epoch."""


def derive_seed(seed: int, purpose: Purpose, *parts: int) -> int:
    """Mix a run's seed, a purpose and further numbers (step, row, ...) into a seed of 63 bits.

    >>> derive_seed(1, Purpose.MASKS, 0) == derive_seed(1, Purpose.MASKS, 0) != derive_seed(1, Purpose.DROPOUT, 0)
    True
    """
    state = 0x9E3779B97F4A7C15
    for part in (seed, int(purpose), *parts):
        state = (state ^ (part + 0x9E3779B97F4A7C15 + (state << 6) + (state >> 2))) & (2**64 - 1)
        state = (state ^ (state >> 31)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    return state >> 1


def seed_generators(seed: int, device: device) -> None:
    """Seed torch's own generators of the CPU and of ``device``, as ``torch.manual_seed`` does, for every step.

    ``torch.manual_seed`` asks every backend that could be there, which took 0.14 ms on a CPU and 0.4 ms beside a GPU.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)


def permutation(count: int, seed: int, order: Order, *parts: int) -> NDArray[np.int64]:
    """A random order of ``range(count)``, the same for the same key on every machine and library version.

    Sorts the SplitMix64 hash of (key, index).

    >>> sorted(permutation(5, 1, Order.ROWS, 0).tolist())
    [0, 1, 2, 3, 4]
    """
    state = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in (seed, int(order), *parts):
            state = _mix(state ^ np.uint64(part % 2**64) * np.uint64(0xD6E8FEB86659FD93))
        hashes = _mix(state + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.argsort(hashes, kind="stable")


def resampling_generator() -> np.random.Generator:
    """The generator of bootstraps and permutation tests: always the same, so intervals are functions of the data."""
    return np.random.default_rng(0)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))
