"""The stream of a run: documents in a fresh order each epoch, cut into rows of one length.

Everything is a pure function of (prepared corpus, seed, position), so a batch can be asked for by its number and
nothing needs saving. An epoch's stream is each document in that epoch's order, a BOS before it; epochs follow each
other without a gap. A row is a BOS and the next ``length - 1`` positions of the stream, so each token is a target
exactly once an epoch and no tail is dropped; a document cut by a row's end goes on in the next row as a document of
its own.

A word belongs to the row that holds its last token.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Corpus(Protocol):
    """What packing needs of a prepared corpus (`babylm.corpora.packed_corpus.Shards` or text encoded in memory)."""

    @property
    def tokens(self) -> NDArray[Any]:
        """(tokens,) ids of all documents, one after the other, without BOS."""

    @property
    def words(self) -> NDArray[Any]:
        """(tokens,) how many words end in each token."""

    @property
    def offsets(self) -> NDArray[Any]:
        """(documents + 1,) where each document starts in ``tokens``."""


@dataclass(frozen=True)
class Rows:
    """Packed rows; documents of one row must not see each other."""

    tokens: NDArray[np.int64]
    """(rows, length); each row begins with BOS; pads at the end where the stream is over."""
    documents: NDArray[np.int32]
    """(rows, length) number of the document within its row, from 0; pads are a document of their own."""
    words: NDArray[np.uint8]
    """(rows, length) words ending in each token."""


def permutation(count: int, *key: int) -> NDArray[np.int64]:
    """A random order of ``range(count)``, the same for the same key on every machine and library version.

    Sorts the SplitMix64 hash of (key, index): numpy does not promise that its generators keep their streams.
    """
    state = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in key:
            state = _mix(state ^ np.uint64(part % 2**64) * np.uint64(0xD6E8FEB86659FD93))
        hashes = _mix(state + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.argsort(hashes, kind="stable")


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))


class TokenStream:
    """The endless token stream of a corpus. Positions count tokens and document BOS marks from 0, over epochs.

    With ``seed=None`` documents stay in their order (held-out text).
    """

    def __init__(self, corpus: Corpus, *, bos: int, pad: int, seed: int | None) -> None:
        self.corpus, self.bos, self.pad, self.seed = corpus, bos, pad, seed
        self.offsets = np.asarray(corpus.offsets, dtype=np.int64)
        self.documents = len(self.offsets) - 1
        self.epoch_length = int(self.offsets[-1]) + self.documents
        """Positions of one epoch."""
        # cumulative words over the corpus in its own order: entry i is the words ending before token i
        self._ends = np.zeros(len(corpus.tokens) + 1, dtype=np.uint32)
        np.cumsum(corpus.words, dtype=np.uint32, out=self._ends[1:])
        self.epoch_words = int(self._ends[-1])
        """Words of one epoch."""
        self._order = lru_cache(maxsize=3)(self._order_of)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """(documents,) the corpus's documents in the order of this epoch."""
        return self._order(epoch)[0]

    def _order_of(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Documents in order; where each starts in the epoch; the words before it."""
        if self.seed is None:
            order = np.arange(self.documents)
        else:
            order = permutation(self.documents, self.seed, 1, epoch)
        lengths = np.diff(self.offsets)[order] + 1
        words = np.diff(self._ends[self.offsets].astype(np.int64))[order]
        starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        return order, starts, np.concatenate(([0], np.cumsum(words)[:-1]))

    def words_before(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Words whose last token lies before each position; positions ascend."""
        result = np.empty(len(positions), dtype=np.int64)
        epochs = positions // self.epoch_length
        for epoch in np.unique(epochs):
            order, starts, before = self._order(int(epoch))
            mine = epochs == epoch
            within = positions[mine] - epoch * self.epoch_length
            at = np.searchsorted(starts, within, side="right") - 1
            first = self.offsets[order[at]]
            read = np.maximum(within - starts[at] - 1, 0)  # tokens of the document already past, its BOS not counted
            inside = self._ends[first + read].astype(np.int64) - self._ends[first]
            result[mine] = epoch * self.epoch_words + before[at] + inside
        return result

    def documents_before(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Documents that start before each position; positions ascend."""
        result = np.empty(len(positions), dtype=np.int64)
        epochs = positions // self.epoch_length
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            within = positions[mine] - epoch * self.epoch_length
            result[mine] = epoch * self.documents + np.searchsorted(self._order(int(epoch))[1], within, side="left")
        return result

    def position_after(self, words: int) -> int:
        """The smallest position before which ``words`` words have ended."""
        if words <= 0:
            return 0
        epoch, rest = divmod(words, self.epoch_words)
        if rest == 0:
            epoch, rest = epoch - 1, self.epoch_words
        order, starts, before = self._order(epoch)
        at = int(np.searchsorted(before, rest, side="left")) - 1
        first, end = self.offsets[order[at]], self.offsets[order[at] + 1]
        target = int(self._ends[first]) + rest - int(before[at])
        token = int(np.searchsorted(self._ends[first : end + 1], target, side="left"))
        return int(epoch * self.epoch_length + starts[at] + 1 + token)

    def rows(self, starts: NDArray[np.int64], length: int, end: int | None = None) -> Rows:
        """The rows that begin at these positions; positions from ``end`` on are pads. ``starts`` need not ascend."""
        positions = starts[:, None] + np.arange(length - 1)[None, :]
        tokens = np.full((len(starts), length), self.bos, dtype=np.int64)
        words = np.zeros((len(starts), length), dtype=np.uint8)
        begins = np.zeros((len(starts), length), dtype=np.int32)
        epochs = positions // self.epoch_length
        for epoch in np.unique(epochs):
            order, doc_starts, _ = self._order(int(epoch))
            mine = epochs == epoch
            within = positions[mine] - epoch * self.epoch_length
            at = np.searchsorted(doc_starts, within, side="right") - 1
            inside = within - doc_starts[at]
            source = self.offsets[order[at]] + inside - 1
            ordinary = inside > 0
            source = np.where(ordinary, source, 0)
            tokens[:, 1:][mine] = np.where(ordinary, self.corpus.tokens[source], self.bos)
            words[:, 1:][mine] = np.where(ordinary, self.corpus.words[source], 0)
            begins[:, 1:][mine] = ~ordinary
        if end is not None:
            over = positions >= end
            tokens[:, 1:][over] = self.pad
            words[:, 1:][over] = 0
            begins[:, 1:][over] = 0
            begins[:, 1:][over & (positions == np.maximum(starts[:, None], end))] = 1
            tokens[starts >= end, 0] = self.pad  # a row past the end is all pads, one document
            begins[starts >= end] = 0
        return Rows(tokens, np.cumsum(begins, axis=1, dtype=np.int32), words)

    def documents_in(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Numbers (in the corpus's own order) of the documents that these rows touch, ascending."""
        positions = (starts[:, None] + np.arange(length - 1)[None, :]).ravel()
        found = []
        for epoch in np.unique(positions // self.epoch_length):
            order, doc_starts, _ = self._order(int(epoch))
            within = positions[positions // self.epoch_length == epoch] - epoch * self.epoch_length
            found.append(order[np.searchsorted(doc_starts, within, side="right") - 1])
        return np.unique(np.concatenate(found))
