"""The corpus on the device: a step's rows are gathered there, and only their start positions are copied to it.

Equal, row by row, to :meth:`babylm.batches.stream.TokenStream.rows` on the host; nothing here waits for the device.
Tokens are int32 and word ends uint8, 5 bytes per token: 80 MB for 10M words.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from babylm.batches.feed import TokenBatch
from babylm.batches.stream import TokenStream

SHARE = 0.1
"""Share of the device's memory that the corpus may take if ``training.corpus_on_device`` is ``auto``."""


def fits_on_device(setting: str | bool, device: torch.device, tokens: int) -> tuple[bool, str]:
    """Whether to hold ``tokens`` tokens on ``device``, and why, for ``training.corpus_on_device``."""
    if setting != "auto":
        return bool(setting), "as configured"
    if device.type != "cuda":
        return False, "on a CPU the loader reads the same memory"
    need, memory = 5 * tokens, torch.cuda.get_device_properties(device).total_memory
    fits = need <= SHARE * memory
    return fits, f"{need / 1e6:.0f} MB of {memory / 1e9:.0f} GB"


class DeviceStream:
    """The stream's tokens on ``device``; ``rows`` is the counterpart of ``TokenStream.rows``."""

    def __init__(self, stream: TokenStream, device: torch.device) -> None:
        self.stream, self.device = stream, device
        corpus = stream.corpus
        self.tokens = torch.from_numpy(np.asarray(corpus.tokens).astype(np.int32)).to(device)
        self.words = torch.from_numpy(np.array(corpus.words, dtype=np.uint8)).to(device)
        self._window = lru_cache(maxsize=4)(self._window_of)

    def rows(self, starts: NDArray[np.int64], length: int, end: int | NDArray[np.int64]) -> TokenBatch:
        """The rows of ``length`` tokens at ``starts``, on the device; positions from the row's ``end`` on are pads."""
        stream, epoch = self.stream, self.stream.epoch_length
        first, last = int(starts.min()) // epoch, (int(starts.max()) + length - 2) // epoch
        document_starts, first_tokens = self._window(first, last)  # (documents of these epochs,) each
        spans = self._to_device(np.stack([starts, np.broadcast_to(end, starts.shape)]))
        begin, ends = spans[:, :, None]  # (rows, 1) each
        positions = begin + torch.arange(length - 1, device=self.device)  # (rows, length - 1), as are all below
        rank = torch.searchsorted(document_starts, positions, right=True) - 1  # which document
        inside = positions - document_starts[rank]  # 0 is its BOS, i its token i - 1
        ordinary = (inside > 0) & (positions < ends)
        source = torch.where(ordinary, first_tokens[rank] + inside - 1, 0)
        tokens = torch.where(ordinary, self.tokens[source].long(), stream.bos)
        tokens = torch.where(positions < ends, tokens, stream.pad)
        words = torch.where(ordinary, self.words[source], 0)
        # Pads are one document, which begins at the row's end, or at its start if that is later.
        begins = ((inside == 0) & (positions < ends)) | (positions == torch.maximum(begin, ends))
        begins &= begin < ends
        before = torch.where(begin < ends, stream.bos, stream.pad)  # (rows, 1): the BOS in front
        # (rows, length): the number of documents that have begun by then.
        documents = torch.nn.functional.pad(begins, (1, 0)).cumsum(1, dtype=torch.int32)
        return TokenBatch(torch.cat([before, tokens], 1), documents, torch.nn.functional.pad(words, (1, 0)))

    def _window_of(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """(documents,) start in the stream and (documents,) first token of some epochs' documents, in reading order."""
        starts, tokens = [], []
        for epoch in range(first, last + 1):
            order = self.stream.order(epoch)
            starts.append(order.starts + epoch * self.stream.epoch_length)
            tokens.append(self.stream.offsets[order.documents])
        return self._to_device(np.concatenate(starts)), self._to_device(np.concatenate(tokens))

    def _to_device(self, values: NDArray[np.int64]) -> Tensor:
        on_host = torch.from_numpy(np.ascontiguousarray(values))
        if self.device.type != "cuda":
            return on_host
        return on_host.pin_memory().to(self.device, non_blocking=True)
