"""The loader: item i is a batch of a step of the feed, so it has no state and a resumed run starts anywhere.

If the corpus is on the device, the loader gives only the positions of the rows, and the rows are gathered there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import lightning as L
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from babylm.batches.device_stream import DeviceStream
from babylm.batches.feed import Feed, TokenBatch
from babylm.batches.plan import Plan

UNKNOWN_LENGTH = 10**9
"""Steps of a loader whose feed does not know its length; training stops when the feed is over. A loader of a given
length is never asked for a batch before the step before it is done, which a feed of episodes needs."""


class RowStarts(NamedTuple):
    """Positions of rows, from which the device gathers a `TokenBatch`."""

    starts: NDArray[np.int64]
    """(rows,) positions in the stream."""
    ends: NDArray[np.int64]
    """(rows,) positions from which on a row is padding."""
    step: int
    offset: int
    first_row: int


class FeedDataset(Dataset[TokenBatch | RowStarts]):
    """Item i is batch ``i % accumulate`` of step ``first_step + i // accumulate``, for one rank of ``world``.

    ``starts_only``: the positions of the rows (of a plan) instead of the rows.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        first_step: int = 0,
        accumulate: int = 1,
        rank: int = 0,
        world: int = 1,
        starts_only: bool = False,
    ) -> None:
        self.feed, self.first_step, self.accumulate, self.rank, self.world = feed, first_step, accumulate, rank, world
        self.starts_only = starts_only

    def __len__(self) -> int:
        steps = UNKNOWN_LENGTH if self.feed.length is None else self.feed.length - self.first_step
        return steps * self.accumulate

    def __getitem__(self, index: int) -> TokenBatch | RowStarts:
        if not 0 <= index < len(self):
            raise IndexError(index)
        step, batch = self.first_step + index // self.accumulate, index % self.accumulate
        part, parts = batch * self.world + self.rank, self.accumulate * self.world
        if not self.starts_only:
            return self.feed.batch(step, part, parts)
        assert isinstance(self.feed, Plan)
        count = self.feed.phase_of(step).rows // parts
        rows, first_row = self.feed.row_spans(step, part * count, count)
        return RowStarts(rows.starts, rows.ends, step, part * count, first_row)


class FeedData(L.LightningDataModule):
    """The loader of the steps from ``first_step`` on; with ``device_stream`` the rows are gathered on its device."""

    def __init__(
        self,
        feed: Feed,
        *,
        first_step: int,
        accumulate: int,
        workers: int,
        device_stream: DeviceStream | None = None,
    ) -> None:
        super().__init__()
        self.feed, self.first_step, self.accumulate = feed, first_step, accumulate
        self.workers, self.device_stream = workers, device_stream

    def train_dataloader(self) -> DataLoader[TokenBatch | RowStarts]:
        """The loader: in order, unbatched (an item is a batch already)."""
        assert self.trainer is not None
        dataset = FeedDataset(
            self.feed,
            first_step=self.first_step,
            accumulate=self.accumulate,
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
            starts_only=self.device_stream is not None,
        )
        if self.device_stream is not None or self.feed.length is None:
            return DataLoader(dataset, batch_size=None, shuffle=False, collate_fn=_unchanged)
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        return DataLoader(
            dataset,
            batch_size=None,
            shuffle=False,
            num_workers=self.workers,
            pin_memory=on_gpu,
            collate_fn=_unchanged,
        )

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Gather the rows of a batch of positions."""
        if not isinstance(batch, RowStarts):
            return batch
        assert self.device_stream is not None
        assert isinstance(self.feed, Plan)
        phase = self.feed.phase_of(batch.step)
        rows = self.device_stream.rows(batch.starts, phase.sequence_length, batch.ends)
        return self.feed.number(rows, batch.step, batch.offset, batch.first_row)


def _unchanged(item: Any) -> Any:
    """The item as it is: as a numpy array, positions are not moved to the device too early."""
    return item
