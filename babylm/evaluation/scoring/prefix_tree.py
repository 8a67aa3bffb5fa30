"""Texts that begin alike, packed into one row each beginning of which the model reads once.

The rows are sorted, so the texts of a pack form a tree of tokens: a token's position is its depth, and it sees its own
ancestors alone. On entity tracking this is a 25th of the tokens: five options a description, and descriptions that go
on from one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

LONGEST_PACK = 512
"""More would spend more on attention, which every token of a pack takes part in, than it saves."""
SHORTEST_PACK = 64
LITTLE_SHARED = 4
"""A text of which less than one token in so many is in its pack already begins another pack, once this one is full
enough: what it would save is less than what the longer row costs in attention."""


class _Branch(NamedTuple):
    """The part of a text that its pack did not have yet."""

    ancestors: np.ndarray
    begin: int
    end: int


@dataclass
class Pack:
    """A row: tokens, their depths, and the branches that say who sees whom."""

    ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    branches: list[_Branch] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    paths: list[np.ndarray] = field(default_factory=list)
    """For each of ``texts``, where its tokens stand in the pack."""

    def mask(self, width: int) -> np.ndarray:
        """(width, width) bool: which token (row) sees which (column); beyond the pack each sees itself."""
        seen = np.eye(width, dtype=bool)
        for branch in self.branches:
            seen[branch.begin : branch.end, branch.ancestors] = True
            size = branch.end - branch.begin
            seen[branch.begin : branch.end, branch.begin : branch.end] |= np.tri(size, dtype=bool)
        return seen


def order(texts: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """The sorted order of ``texts``, and in that order how many tokens each begins with like its predecessor."""
    ranks = np.array(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.int64)
    common = np.zeros(len(texts), dtype=np.int64)
    for k in range(1, len(texts)):
        common[k] = _common(texts[ranks[k - 1]], texts[ranks[k]])
    return ranks, common


def saving(texts: Sequence[tuple[int, ...]], common: np.ndarray) -> float:
    """The share of all tokens that one tree of all texts would not read again."""
    return float(common.sum() / max(1, sum(map(len, texts))))


def pack(texts: Sequence[tuple[int, ...]], ranks: np.ndarray, common: np.ndarray) -> list[Pack]:
    """Packs of all texts, in sorted order; none is longer than a few of the longest text."""
    longest = max(map(len, texts))
    room = max(longest, min(LONGEST_PACK, max(SHORTEST_PACK, 4 * longest)))
    packs = [Pack()]
    path = np.zeros(0, dtype=np.int64)
    for rank, shared in zip(ranks, common, strict=True):
        text = texts[rank]
        size = len(packs[-1].ids)
        if size + len(text) - shared > room or (size >= SHORTEST_PACK and shared * LITTLE_SHARED < len(text)):
            packs.append(Pack())
            shared = 0
        row = packs[-1]
        begin = len(row.ids)
        row.ids += text[shared:]
        row.depths += range(shared, len(text))
        row.branches.append(_Branch(path[:shared], begin, len(row.ids)))
        path = np.concatenate([path[:shared], np.arange(begin, len(row.ids))])
        row.texts.append(int(rank))
        row.paths.append(path)
    return packs


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    for k, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return k
    return min(len(one), len(other))
