"""The interface of what training reads: a `Feed` gives a `TokenBatch` per step and counts the words read.

The plan of a corpus is a feed of known length; the length of an interaction's rounds is known only at the end.
Everything that training does around the loop (schedules, milestones, checkpoints, logs, FLOPs) asks the feed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

from babylm.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Milestone:
    """A revision that is due after ``step`` steps, when ``words`` words have been read."""

    name: str
    nominal: int
    step: int
    words: int


@dataclass
class TokenBatch:
    """Packed rows of one step, before corruption: each row begins with BOS, its documents never see each other.

    >>> tokens, documents = torch.tensor([[0, 7, 8, 0, 9]]), torch.tensor([[0, 0, 0, 1, 1]])
    >>> batch = TokenBatch(tokens, documents, words=torch.tensor([[0, 1, 1, 0, 1]]))
    >>> batch.shape, batch.step_rows, batch.divisor
    ((1, 5), 1, 4)
    """

    tokens: Tensor
    """(rows, length) int64."""
    document_ids: Tensor
    """(rows, length) int32: number of the document within its row, from 0; trailing pads count as one document."""
    words: Tensor
    """(rows, length) uint8: how many words end in the token."""
    step: int = 0
    """The optimizer step that reads these rows, from 0."""
    offset: int = 0
    """Rows of the step before these: those of other ranks and accumulated batches."""
    first_row: int = 0
    """Number of the first row, counted over the whole run."""
    step_rows: int = 0
    """Rows of the whole step, over all ranks and accumulated batches; by default these."""
    divisor: float = 0.0
    """Divisor of sums over the step; by default its predicted positions, ``step_rows * (length - 1)``."""
    extra: dict[str, Tensor] = field(default_factory=dict)
    """Further inputs of an objective (sequence ids, advantages, images): name -> (rows, ...)."""

    def __post_init__(self) -> None:
        rows, length = self.tokens.shape
        self.step_rows = self.step_rows or rows
        self.divisor = self.divisor or self.step_rows * (length - 1)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, length)."""
        rows, length = self.tokens.shape
        return rows, length

    def __getitem__(self, rows: slice) -> TokenBatch:
        """Some of the rows; the numbers of the step stay the same."""
        return self._map(lambda tensor: tensor[rows])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> TokenBatch:
        """A copy on ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> TokenBatch:
        """A copy in page-locked memory."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function: Any) -> TokenBatch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                values[name] = function(value)
        values["extra"] = {name: function(value) for name, value in self.extra.items()}
        return TokenBatch(**values)


class Feed(Protocol):
    """Batches by step, and counts of what was read. Steps count from 0; "after n steps" means that n are done."""

    @property
    def length(self) -> int | None:
        """Number of steps; None if it is not known beforehand."""

    def batch(self, step: int, part: int = 0, parts: int = 1) -> TokenBatch:
        """The ``part``-th of ``parts`` equal parts of the step's rows."""

    def is_over(self, step: int) -> bool:
        """Whether nothing is left to read after ``step`` steps."""

    def words_after(self, step: int) -> int:
        """Words read after ``step`` steps; IndexError if that is not known yet."""

    def tokens_after(self, step: int) -> int:
        """Tokens read after ``step`` steps, padding included."""

    def flops_after(self, step: int) -> float:
        """Training FLOPs after ``step`` steps, by the model's formula."""

    def epochs_after(self, step: int) -> float:
        """Passes over the corpus after ``step`` steps."""

    def progress(self, step: float) -> float:
        """Progress that schedules and mask rates follow: 0 at the start, 1 at the end."""

    def due(self, step: int) -> Sequence[Milestone]:
        """Milestones reached by the last of ``step`` steps."""

    def facts(self) -> dict[str, Any]:
        """What a revision of the last step made says of itself, beside words and step."""

    def describe_step(self, step: int) -> str:
        """The documents that the step reads, for an error message."""

    def state_dict(self) -> dict[str, Any]:
        """State to save for a continuation; empty for a plan, which is a pure function of the step."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state."""

    def as_dict(self) -> dict[str, Any]:
        """The facts of ``plan.json``: words, steps, milestones as far as they are known."""
