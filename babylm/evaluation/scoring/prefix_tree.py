"""Texts with common prefixes packed into one row, so that the model reads each prefix once.

The texts are sorted, so those of a pack form a tree of tokens: the position of a token is its depth, and a token sees
its ancestors only. The texts ``a b c``, ``a b d`` and ``a e`` are the row

    token   a b c d e        c sees a b; d sees a b; e sees a
    depth   0 1 2 2 1

with 5 tokens instead of 8. On entity tracking this is a 25th of the tokens: five options per description, and
descriptions that continue one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

LONGEST_PACK = 512
"""Tokens; longer packs would cost more in attention, quadratic in the pack, than they save."""
SHORTEST_PACK = 64
LITTLE_SHARED = 4
"""A text that shares less than 1 / `LITTLE_SHARED` of its tokens with its pack begins another one, if the pack has
`SHORTEST_PACK` tokens: it would save less than the longer row costs in attention."""


class _Branch(NamedTuple):
    """The tokens of a text that its pack did not have yet."""

    ancestors: np.ndarray
    begin: int
    end: int


@dataclass
class Pack:
    """A row: tokens, their depths, and the branches, which say who sees whom."""

    ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    branches: list[_Branch] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    paths: list[np.ndarray] = field(default_factory=list)
    """For each of ``texts``, the positions of its tokens in the pack."""

    def mask(self, width: int) -> np.ndarray:
        """(width, width) bool: which token (row) sees which (column); padding sees itself."""
        seen = np.eye(width, dtype=bool)
        for branch in self.branches:
            seen[branch.begin : branch.end, branch.ancestors] = True
            size = branch.end - branch.begin
            seen[branch.begin : branch.end, branch.begin : branch.end] |= np.tri(size, dtype=bool)
        return seen


def order(texts: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """The sorted order of ``texts``, and in that order, the length of the prefix each shares with its predecessor.

    >>> order([(1, 2, 4), (1, 5), (1, 2, 3)])
    (array([2, 0, 1]), array([0, 2, 1]))
    """
    ranks = np.array(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.int64)
    common = np.zeros(len(texts), dtype=np.int64)
    for k in range(1, len(texts)):
        common[k] = _common(texts[ranks[k - 1]], texts[ranks[k]])
    return ranks, common


def saving(texts: Sequence[tuple[int, ...]], common: np.ndarray) -> float:
    """The share of tokens that one tree of all texts saves."""
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


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    for k, (first, second) in enumerate(zip(a, b, strict=False)):
        if first != second:
            return k
    return min(len(a), len(b))
