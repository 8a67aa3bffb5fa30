"""Batches by number: the plan says what step s reads, so the loader has no state and a resumed one starts anywhere.

Where the corpus lies on the device, the loader hands out the rows' places alone and the rows are gathered there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from babylm.batches.device_stream import DeviceStream
from babylm.batches.plan import Plan


class StepBatch(NamedTuple):
    """The rows of one rank and one accumulated batch of a step."""

    tokens: Tensor
    """(rows, length) int64."""
    documents: Tensor
    """(rows, length) int32."""
    words: Tensor
    """(rows, length) uint8."""
    step: int
    offset: int
    """Rows of the step before these."""
    first_row: int
    """Number of the first row over the whole run."""


class RowStarts(NamedTuple):
    """What becomes a :class:`StepBatch` once its rows are gathered on the device."""

    starts: NDArray[np.int64]
    """(rows,) positions in the stream."""
    step: int
    offset: int
    first_row: int


class PlanDataset(Dataset[StepBatch | RowStarts]):
    """Item i is batch ``i % accumulate`` of step ``first_step + i // accumulate``, for one rank.

    ``places``: the rows' places instead of the rows.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        first_step: int = 0,
        accumulate: int = 1,
        rank: int = 0,
        world: int = 1,
        places: bool = False,
    ) -> None:
        self.plan, self.first_step, self.accumulate, self.rank, self.world = plan, first_step, accumulate, rank, world
        self.places = places

    def __len__(self) -> int:
        return (self.plan.steps - self.first_step) * self.accumulate

    def __getitem__(self, index: int) -> StepBatch | RowStarts:
        if not 0 <= index < len(self):
            raise IndexError(index)
        step, part = self.first_step + index // self.accumulate, index % self.accumulate
        count = self.plan.phase_of(step).rows // (self.accumulate * self.world)
        offset = (part * self.world + self.rank) * count
        if self.places:
            starts, first_row = self.plan.row_starts(step, offset, count)
            return RowStarts(starts, step, offset, first_row)
        batch = self.plan.batch(step, offset, count)
        tokens, documents, words = (
            torch.from_numpy(a) for a in (batch.rows.tokens, batch.rows.documents, batch.rows.words)
        )
        return StepBatch(tokens, documents, words, step, offset, batch.first_row)


class PlanData(L.LightningDataModule):
    """The loader of the steps from ``first_step`` on; with ``resident`` the rows are gathered on its device."""

    def __init__(
        self,
        plan: Plan,
        *,
        first_step: int,
        accumulate: int,
        workers: int,
        resident: DeviceStream | None = None,
    ) -> None:
        super().__init__()
        self.plan, self.first_step, self.accumulate = plan, first_step, accumulate
        self.workers, self.resident = workers, resident

    def train_dataloader(self) -> DataLoader[StepBatch | RowStarts]:
        """In order, sized, unbatched: an item is a batch already."""
        assert self.trainer is not None
        dataset = PlanDataset(
            self.plan,
            first_step=self.first_step,
            accumulate=self.accumulate,
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
            places=self.resident is not None,
        )
        if self.resident is not None:
            return DataLoader(dataset, batch_size=None, shuffle=False, collate_fn=_as_it_is)
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        return DataLoader(dataset, batch_size=None, shuffle=False, num_workers=self.workers, pin_memory=on_gpu)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Gather the rows of a batch of places."""
        if not isinstance(batch, RowStarts):
            return batch
        assert self.resident is not None
        length = self.plan.phase_of(batch.step).sequence_length
        rows = self.resident.rows(batch.starts, length, self.plan.phase_of(batch.step).end)
        return StepBatch(*rows, batch.step, batch.offset, batch.first_row)


def _as_it_is(item: Any) -> Any:
    """The places stay a numpy array, which nothing moves to the device before its time."""
    return item
