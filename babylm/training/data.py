"""Batches by number: the plan says what step s reads, so the loader has no state and a resumed one starts anywhere."""

from __future__ import annotations

from typing import NamedTuple

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from babylm.plan import Plan


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


class PlanDataset(Dataset[StepBatch]):
    """Item i is batch ``i % accumulate`` of step ``first_step + i // accumulate``, for one rank."""

    def __init__(self, plan: Plan, *, first_step: int = 0, accumulate: int = 1, rank: int = 0, world: int = 1) -> None:
        self.plan, self.first_step, self.accumulate, self.rank, self.world = plan, first_step, accumulate, rank, world

    def __len__(self) -> int:
        return (self.plan.steps - self.first_step) * self.accumulate

    def __getitem__(self, index: int) -> StepBatch:
        if not 0 <= index < len(self):
            raise IndexError(index)
        step, part = self.first_step + index // self.accumulate, index % self.accumulate
        count = self.plan.phase_of(step).rows // (self.accumulate * self.world)
        offset = (part * self.world + self.rank) * count
        batch = self.plan.batch(step, offset, count)
        tokens, documents, words = (
            torch.from_numpy(a) for a in (batch.rows.tokens, batch.rows.documents, batch.rows.words)
        )
        return StepBatch(tokens, documents, words, step, offset, batch.first_row)


class PlanData(L.LightningDataModule):
    """The loader of the steps from ``first_step`` on."""

    def __init__(self, plan: Plan, *, first_step: int, accumulate: int, workers: int) -> None:
        super().__init__()
        self.plan, self.first_step, self.accumulate, self.workers = plan, first_step, accumulate, workers

    def train_dataloader(self) -> DataLoader[StepBatch]:
        """In order, sized, unbatched: an item is a batch already."""
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        dataset = PlanDataset(self.plan, first_step=self.first_step, accumulate=self.accumulate, rank=rank, world=world)
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        return DataLoader(dataset, batch_size=None, shuffle=False, num_workers=self.workers, pin_memory=on_gpu)
