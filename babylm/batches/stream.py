"""The token stream of a run: documents in a fresh order each epoch, cut into rows of one length.

Everything is a pure function of (prepared corpus, seed, position), so a batch can be made from its number alone and
nothing has to be saved. In steps:

1. Each epoch reads the corpus's documents in another order (a permutation by seed and epoch), a BOS before each.
2. Epochs follow each other without a gap; *positions* count the tokens and BOS marks of this endless stream from 0.
3. A *row* is a BOS and the next ``length - 1`` positions, so each token is a target exactly once per epoch and no tail
   is dropped. A document that a row's end cuts continues in the next row as another document.

A word belongs to the row that holds its last token.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from babylm.batches.feed import TokenBatch
from babylm.randomness import Order, permutation


class Corpus(Protocol):
    """The arrays that packing needs: `babylm.corpora.packed_corpus.PackedCorpus`, or text encoded in memory."""

    @property
    def tokens(self) -> NDArray[Any]:
        """(tokens,) ids of all documents, one after the other, without BOS."""

    @property
    def words(self) -> NDArray[Any]:
        """(tokens,) how many words end in each token."""

    @property
    def offsets(self) -> NDArray[Any]:
        """(documents + 1,) where each document starts in ``tokens``."""


class EpochOrder(NamedTuple):
    """One epoch's documents in reading order, (documents,) each."""

    documents: NDArray[np.int64]
    """Number in the corpus."""
    starts: NDArray[np.int64]
    """Position of its BOS within the epoch."""
    words: NDArray[np.int64]
    """Words of the epoch before it."""


class _Located(NamedTuple):
    """The documents of some positions of one epoch."""

    epoch: int
    selected: NDArray[np.bool_]
    """Which of the positions are in this epoch; the other fields hold those alone."""
    rank: NDArray[np.int64]
    """Rank of the document in the epoch's order."""
    inside: NDArray[np.int64]
    """Position within the document: 0 is its BOS, i is its token i - 1."""
    order: EpochOrder


class TokenStream:
    """The endless token stream of a corpus. Positions count tokens and document BOS marks from 0, over epochs.

    With ``seed=None`` documents stay in their order (held-out text). ``line_ends``: (vocabulary,) which tokens end a
    line, for rows that begin where lines do (`babylm.batches.rows`).
    """

    def __init__(
        self, corpus: Corpus, *, bos: int, pad: int, seed: int | None, line_ends: NDArray[np.bool_] | None = None
    ) -> None:
        self.corpus, self.bos, self.pad, self.seed, self.line_ends = corpus, bos, pad, seed, line_ends
        self.offsets = np.asarray(corpus.offsets, dtype=np.int64)
        self.documents = len(self.offsets) - 1
        self.epoch_length = int(self.offsets[-1]) + self.documents
        """Positions of one epoch."""
        # cumulative words over the corpus in its own order: entry i is the words ending before token i
        self._ends = np.zeros(len(corpus.tokens) + 1, dtype=np.uint32)
        np.cumsum(corpus.words, dtype=np.uint32, out=self._ends[1:])
        self.epoch_words = int(self._ends[-1])
        """Words of one epoch."""
        self.order = lru_cache(maxsize=3)(self._order)

    @cached_property
    def line_tokens(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens (of the corpus, ascending) that begin a line but no document, and the document of each."""
        assert self.line_ends is not None
        tokens = np.flatnonzero(self.line_ends[np.asarray(self.corpus.tokens)[:-1]]) + 1
        documents = np.searchsorted(self.offsets, tokens, side="right") - 1
        inside = self.offsets[documents] < tokens
        return tokens[inside], documents[inside]

    def _order(self, epoch: int) -> EpochOrder:
        """The documents of an epoch in the order in which it reads them."""
        if self.seed is None:
            documents = np.arange(self.documents)
        else:
            documents = permutation(self.documents, self.seed, Order.DOCUMENTS, epoch)
        lengths = np.diff(self.offsets)[documents] + 1
        words = np.diff(self._ends[self.offsets].astype(np.int64))[documents]
        starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        return EpochOrder(documents, starts, np.concatenate(([0], np.cumsum(words)[:-1])))

    def _locate(self, positions: NDArray[np.int64]) -> Iterator[_Located]:
        """The document and the place in it of each position, epoch by epoch.

        Two documents of 2 and 1 tokens, read in this order, make an epoch of 5 positions::

            position  0    1   2   3    4   | 5 ...
                      BOS  a   b   BOS  c   | BOS of the next epoch
            rank      0    0   0   1    1
            inside    0    1   2   0    1
        """
        epochs = positions // self.epoch_length
        for epoch in np.unique(epochs).tolist():
            order = self.order(epoch)
            selected = epochs == epoch
            within = positions[selected] - epoch * self.epoch_length
            rank = np.searchsorted(order.starts, within, side="right") - 1
            yield _Located(epoch, selected, rank, within - order.starts[rank], order)

    def words_before(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Words whose last token is before each position, (positions,)."""
        result = np.empty(len(positions), dtype=np.int64)
        for epoch, selected, rank, inside, order in self._locate(positions):
            first = self.offsets[order.documents[rank]]
            read = np.maximum(inside - 1, 0)  # tokens of the document already past, its BOS not counted
            in_document = self._ends[first + read].astype(np.int64) - self._ends[first]
            result[selected] = epoch * self.epoch_words + order.words[rank] + in_document
        return result

    def documents_before(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Documents that start before each position, (positions,)."""
        result = np.empty(len(positions), dtype=np.int64)
        for epoch, selected, rank, inside, _ in self._locate(positions):
            result[selected] = epoch * self.documents + rank + (inside > 0)
        return result

    def position_after(self, words: int) -> int:
        """The smallest position before which ``words`` words have ended."""
        if words <= 0:
            return 0
        epoch, rest = divmod(words, self.epoch_words)
        if rest == 0:
            epoch, rest = epoch - 1, self.epoch_words
        order = self.order(epoch)
        rank = int(np.searchsorted(order.words, rest, side="left")) - 1
        document = order.documents[rank]
        first, end = self.offsets[document], self.offsets[document + 1]
        target = int(self._ends[first]) + rest - int(order.words[rank])
        token = int(np.searchsorted(self._ends[first : end + 1], target, side="left"))
        return int(epoch * self.epoch_length + order.starts[rank] + 1 + token)

    def rows(self, starts: NDArray[np.int64], length: int, end: int | NDArray[np.int64] | None = None) -> TokenBatch:
        """The rows of ``length`` tokens that begin at ``starts``, in any order; positions from ``end`` on are pads.

        ``end``: one position, or one per row.

        A row is a BOS and the ``length - 1`` positions from its start on. In the example of `_locate`, the row of
        length 4 at position 1 is ``BOS a b BOS`` with documents ``0 0 0 1``, and the row at 4 is ``BOS c BOS ...``.
        """
        positions = starts[:, None] + np.arange(length - 1)[None, :]  # (rows, length - 1): all but the BOS in front
        tokens = np.full((len(starts), length), self.bos, dtype=np.int64)
        words = np.zeros((len(starts), length), dtype=np.uint8)
        begins = np.zeros((len(starts), length), dtype=np.int32)  # 1 at each BOS inside a row
        for _, selected, rank, inside, order in self._locate(positions):
            is_token = inside > 0
            source = np.where(is_token, self.offsets[order.documents[rank]] + inside - 1, 0)
            tokens[:, 1:][selected] = np.where(is_token, self.corpus.tokens[source], self.bos)
            words[:, 1:][selected] = np.where(is_token, self.corpus.words[source], 0)
            begins[:, 1:][selected] = ~is_token
        if end is not None:
            ends = np.broadcast_to(np.asarray(end)[..., None], (len(starts), 1))  # (rows, 1)
            over = positions >= ends
            tokens[:, 1:][over] = self.pad
            words[:, 1:][over] = 0
            begins[:, 1:][over] = 0
            begins[:, 1:][over & (positions == np.maximum(starts[:, None], ends))] = 1
            beyond = starts >= ends[:, 0]
            tokens[beyond, 0] = self.pad  # a row past its end is all pads, one document
            begins[beyond] = 0
        documents = np.cumsum(begins, axis=1, dtype=np.int32)
        return TokenBatch(torch.from_numpy(tokens), torch.from_numpy(documents), torch.from_numpy(words))

    def documents_in(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Numbers (in the corpus's order) of the documents that these rows touch, ascending."""
        positions = (starts[:, None] + np.arange(length - 1)[None, :]).ravel()
        return np.unique(np.concatenate([part.order.documents[part.rank] for part in self._locate(positions)]))
