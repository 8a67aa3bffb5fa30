"""Where the rows of a plan begin in the token stream: anywhere, or where a line does.

A row is a BOS and the positions from its start to its end, then padding up to its length. Both kinds hold every word of
the stream exactly once.

* `EvenRows`: each row is full, and begins where the one before it ended, mostly in the middle of a sentence.
* `LineRows`: a row ends at the last line end that fits, and the next one begins with the next line. A line that is
  longer than a row is cut. Rows never reach over an epoch's end. The BOS in front of a row replaces that of a document
  that begins there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from babylm.batches.stream import TokenStream


class RowSpans(NamedTuple):
    """Stream positions of some rows: a row holds those from its start to before its end, (rows,) each."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


class RowCuts(Protocol):
    """How the stream is cut into rows. ``start``: a phase's first position; ``width``: positions of a full row."""

    def count(self, start: int, end: int, width: int) -> int:
        """Rows that begin before position ``end``."""

    def position(self, start: int, count: int, width: int) -> int:
        """Where row number ``count`` begins."""

    def epoch_rows(self, start: int, count: int, width: int) -> NDArray[np.int64]:
        """(epochs + 1,) first row of each epoch among ``count`` rows, then ``count``."""

    def spans(self, start: int, width: int, epoch: int, first: int, count: int) -> RowSpans:
        """``count`` rows of an epoch (from 0, that of ``start``), the first of which is row ``first`` of the phase."""

    def mean_width(self, width: int) -> float:
        """Positions of the stream per row, in the mean over an epoch."""


class EvenRows:
    """Rows that begin anywhere."""

    def __init__(self, stream: TokenStream) -> None:
        self.epoch_length = stream.epoch_length

    def count(self, start: int, end: int, width: int) -> int:
        """See `RowCuts`."""
        return -(-(end - start) // width)

    def position(self, start: int, count: int, width: int) -> int:
        """See `RowCuts`."""
        return start + count * width

    def epoch_rows(self, start: int, count: int, width: int) -> NDArray[np.int64]:
        """See `RowCuts`. A row belongs to the epoch in which it begins.

        5 rows from position 0, each of 2 positions after its BOS, in epochs of 5 positions:

            row        0    1    2    3    4
            positions  0 1  2 3  4 5  6 7  8 9
            epoch      0    0    0    1    1       -> [0, 3, 5]
        """
        length, last = self.epoch_length, start + (count - 1) * width
        epochs = np.arange(start // length + 1, last // length + 1, dtype=np.int64)
        return np.concatenate([[0], -(-(epochs * length - start) // width), [count]])

    def spans(self, start: int, width: int, epoch: int, first: int, count: int) -> RowSpans:
        """See `RowCuts`."""
        starts = start + np.arange(first, first + count) * width
        return RowSpans(starts, starts + width)

    def mean_width(self, width: int) -> float:
        """See `RowCuts`."""
        return float(width)


class LineRows:
    """Rows that begin where a line or a document does."""

    def __init__(self, stream: TokenStream) -> None:
        self.stream = stream
        self._epoch = lru_cache(maxsize=3)(self._rows_of_epoch)
        self._edges = lru_cache(maxsize=2)(self._edges_of_epoch)

    def count(self, start: int, end: int, width: int) -> int:
        """See `RowCuts`."""
        total = 0
        for rows in self._epochs(start, width):
            total += int(np.searchsorted(rows.starts, end))
            if rows.ends[-1] >= end:
                return total
        raise AssertionError("the stream has no end")

    def position(self, start: int, count: int, width: int) -> int:
        """See `RowCuts`."""
        for rows in self._epochs(start, width):
            if count < len(rows.starts):
                return int(rows.starts[count])
            count -= len(rows.starts)
        raise AssertionError("the stream has no end")

    def epoch_rows(self, start: int, count: int, width: int) -> NDArray[np.int64]:
        """See `RowCuts`."""
        first = [0]
        for rows in self._epochs(start, width):
            first.append(min(first[-1] + len(rows.starts), count))
            if first[-1] == count:
                return np.array(first)
        raise AssertionError("the stream has no end")

    def spans(self, start: int, width: int, epoch: int, first: int, count: int) -> RowSpans:
        """See `RowCuts`."""
        length = self.stream.epoch_length
        begin = start if epoch == 0 else (start // length + epoch) * length
        rows = self._epoch(begin, width)
        return RowSpans(rows.starts[:count], rows.ends[:count])

    def mean_width(self, width: int) -> float:
        """See `RowCuts`."""
        return self.stream.epoch_length / len(self._epoch(0, width).starts)

    def _epochs(self, start: int, width: int) -> Iterator[RowSpans]:
        """The rows from ``start`` on, epoch by epoch, without end."""
        length = self.stream.epoch_length
        while True:
            yield self._epoch(start, width)
            start = (start // length + 1) * length

    def _rows_of_epoch(self, begin: int, width: int) -> RowSpans:
        """The rows from position ``begin`` to the end of its epoch.

        Two documents, of the lines ``a b`` and ``c``, and of ``d e``, in rows of 4 positions::

            position  0   1 2  3  4   5 6
                      BOS a b  c  BOS d e
            rows          a b  c            (its BOS is the one in front of the row; the last position is padding)
                                      d e
        """
        epoch, within = divmod(begin, self.stream.epoch_length)
        edges, at_document = self._edges(epoch)
        index = bisect_right(edges, within)
        if index and edges[index - 1] == within and at_document[index - 1]:
            within += 1
        starts, ends = [], []
        while within < self.stream.epoch_length:
            last = bisect_right(edges, within + width, index) - 1  # the last edge that fits
            starts.append(within)
            if last < index or edges[last] <= within:  # inside a line that is longer than the row
                within += width
                ends.append(within)
                continue
            ends.append(edges[last])
            within, index = edges[last] + at_document[last], last + 1
        offset = epoch * self.stream.epoch_length
        return RowSpans(np.array(starts, dtype=np.int64) + offset, np.array(ends, dtype=np.int64) + offset)

    def _edges_of_epoch(self, epoch: int) -> tuple[list[int], bytes]:
        """Positions within the epoch at which a document or a line begins, ascending; 1 for a document's BOS, else 0.

        The epoch's end is the last of them.
        """
        stream, order = self.stream, self.stream.order(epoch)
        document_starts = np.empty(stream.documents, dtype=np.int64)
        document_starts[order.documents] = order.starts
        tokens, documents = stream.line_tokens
        lines = document_starts[documents] + 1 + tokens - stream.offsets[documents]
        # Doubled, so that the kind can be sorted along as the lowest bit.
        both = np.concatenate([2 * lines, 2 * order.starts + 1, [2 * stream.epoch_length]])
        both.sort()
        return (both >> 1).tolist(), (both & 1).astype(np.uint8).tobytes()


def row_cuts(stream: TokenStream) -> RowCuts:
    """How the rows of ``stream`` are cut: at lines if it knows which tokens end them."""
    return EvenRows(stream) if stream.line_ends is None else LineRows(stream)
