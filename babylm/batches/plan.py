"""The plan of a run: which words at which step, in which shape, and where each milestone falls.

A pure function of configuration and prepared corpus. Resuming, counting words, stopping at the budget and placing
milestones therefore need no saved state but the step number; and a plan that breaks the rules of its track is refused
before the first step, with the sum.

A phase reads a contiguous part of the stream (:mod:`babylm.batches.stream`) in rows of one length. Within each epoch of
a phase the rows are shuffled too, so that the rows of a long document are spread over many steps. Where rows begin and
end is decided by `babylm.batches.rows`. The last row ends exactly at the last word of the budget; the rest of the last
step is padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babylm.batches.budget import words_of
from babylm.batches.feed import Milestone, TokenBatch
from babylm.batches.rows import RowCuts, RowSpans, row_cuts
from babylm.batches.stream import TokenStream
from babylm.config.schema import BudgetConfig, PhaseConfig
from babylm.randomness import Order, permutation
from babylm.tracks import TRACKS, milestone_name


@dataclass(frozen=True)
class Phase:
    """Consecutive steps with one shape."""

    index: int
    sequence_length: int
    rows: int
    """Rows per step, over all ranks."""
    first_step: int
    steps: int
    start: int
    """Position in the stream of its first row."""
    end: int
    """Position in the stream at which the phase ends; positions from here on are padding."""
    row_count: int
    """Rows with text; the last step may have fewer than ``rows``."""
    first_row: int
    """Rows of all earlier phases, padding included."""


class Plan:
    """The `Feed` of a corpus, made by `build`.

    ``milestones``: word counts at which revisions are due; ``earlier``: earlier budgets of a run made longer.
    """

    def __init__(
        self,
        stream: TokenStream,
        phases: Sequence[PhaseConfig],
        words: int,
        flops_per_token: Callable[[int], float],
        milestones: Sequence[int] = (),
        earlier: Sequence[int] = (),
    ) -> None:
        assert stream.seed is not None
        self.stream, self.words, self.seed = stream, words, stream.seed
        self.cuts = row_cuts(stream)
        budgets = [*earlier, words]
        self.phases = _phases(phases, self.cuts, stream.position_after(budgets[0]))
        self.schedule_steps = self.phases[-1].first_step + self.phases[-1].steps
        """Steps over which schedules are spread: all steps; in a run made longer, those of its first budget."""
        for longer in budgets[1:]:
            self.phases.append(_continued(self.phases[-1], self.cuts, stream.position_after(longer)))
        self.steps = self.phases[-1].first_step + self.phases[-1].steps
        self.epochs = words / stream.epoch_words
        self._first_rows = [self.cuts.epoch_rows(p.start, p.row_count, p.sequence_length - 1) for p in self.phases]
        self._row_order = lru_cache(maxsize=4)(self._order_of_rows)
        self._spans = lru_cache(maxsize=4)(self._spans_of_epoch)
        self.words_at = self._words_by_step()
        """(steps + 1,) words read after each number of steps."""
        assert self.words_at[-1] == words, (self.words_at[-1], words)
        costs = [np.full(p.steps, p.rows * p.sequence_length * flops_per_token(p.sequence_length)) for p in self.phases]
        self.flops_at = np.concatenate([[0.0], np.cumsum(np.concatenate(costs))])
        """(steps + 1,) training FLOPs after each number of steps, by the model's formula."""
        self.milestones = self._milestones([nominal for nominal in milestones if nominal <= words])
        self._due: dict[int, list[Milestone]] = {}
        for milestone in self.milestones:
            self._due.setdefault(milestone.step, []).append(milestone)
        self.unreached = tuple(milestone_name(nominal) for nominal in milestones if nominal > words)
        """Names of milestones after the budget's last word: they will not be written."""

    @property
    def length(self) -> int:
        """Number of steps."""
        return self.steps

    def phase_of(self, step: int) -> Phase:
        """The phase that step ``step`` (from 0) belongs to."""
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} of {self.steps}")
        return next(phase for phase in reversed(self.phases) if phase.first_step <= step)

    def batch(self, step: int, part: int = 0, parts: int = 1) -> TokenBatch:
        """The ``part``-th of ``parts`` equal parts of the rows of step ``step``."""
        phase = self.phase_of(step)
        count = phase.rows // parts
        rows, first_row = self.row_spans(step, part * count, count)
        batch = self.stream.rows(rows.starts, phase.sequence_length, rows.ends)
        return self.number(batch, step, part * count, first_row)

    def number(self, batch: TokenBatch, step: int, offset: int, first_row: int) -> TokenBatch:
        """``batch`` with the numbers of its step: ``offset`` rows of the step come before it."""
        rows = self.phase_of(step).rows
        return TokenBatch(batch.tokens, batch.document_ids, batch.words, step, offset, first_row, rows)

    def is_over(self, step: int) -> bool:
        """Whether all steps are done after ``step`` steps."""
        return step >= self.steps

    def words_after(self, step: int) -> int:
        """Words read after ``step`` steps."""
        return int(self.words_at[step])

    def tokens_after(self, step: int) -> int:
        """Tokens read after ``step`` steps, padding included."""
        return sum(
            min(max(step - phase.first_step, 0), phase.steps) * phase.rows * phase.sequence_length
            for phase in self.phases
        )

    def flops_after(self, step: int) -> float:
        """Training FLOPs after ``step`` steps."""
        return float(self.flops_at[step])

    def epochs_after(self, step: int) -> float:
        """Passes over the corpus after ``step`` steps."""
        return float(self.words_at[step] / self.stream.epoch_words)

    def progress(self, step: float) -> float:
        """Progress that schedules follow: 0 at the start, 1 at the end of the schedule and after it."""
        return min(1.0, step / self.schedule_steps)

    def due(self, step: int) -> Sequence[Milestone]:
        """Milestones that are reached by the last of ``step`` steps."""
        return self._due.get(step, ())

    def facts(self) -> dict[str, Any]:
        """None."""
        return {}

    def describe_step(self, step: int) -> str:
        """The documents that step ``step`` reads, to name them in an error."""
        rows, phase = self.row_spans(step)[0], self.phase_of(step)
        documents = self.stream.documents_in(rows.starts[rows.starts < rows.ends], phase.sequence_length)
        numbers = ", ".join(map(str, documents[:8])) + (", ..." if len(documents) > 8 else "")
        return f"documents {numbers} of the prepared corpus"

    def state_dict(self) -> dict[str, Any]:
        """Empty: a plan is a pure function of the step."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""

    def max_documents_per_step(self) -> dict[int, int]:
        """Sequence length -> upper bound on the packed segments of one step (padding is a segment)."""
        largest: dict[int, int] = {}
        for phase in self.phases:
            by_row = np.ones(phase.steps * phase.rows, dtype=np.int64)
            for index, low, high in self._epochs(phase):
                before = [self.stream.documents_before(edges) for edges in self._spans(phase.index, index)]
                by_row[low:high] = (2 + before[1] - before[0])[self._row_order(phase.index, index)]
            in_phase = int(by_row.reshape(phase.steps, phase.rows).sum(axis=1).max())
            largest[phase.sequence_length] = max(in_phase, largest.get(phase.sequence_length, 0))
        return largest

    def row_spans(self, step: int, first: int = 0, count: int | None = None) -> tuple[RowSpans, int]:
        """The rows ``first`` to ``first + count`` of a step, (count,), and the number of the first.

        All rows of the step by default. Rows are numbered over the whole run. Rows after the last one with text are
        padding, with an end before their start.
        """
        phase = self.phase_of(step)
        begin = (step - phase.first_step) * phase.rows + first
        rows = np.arange(begin, begin + (phase.rows - first if count is None else count))
        starts = np.maximum(phase.start + rows * (phase.sequence_length - 1), phase.end)
        ends = np.full(len(rows), phase.end)
        first_rows = self._first_rows[phase.index]
        epochs = np.searchsorted(first_rows, rows, side="right") - 1
        for index in np.unique(epochs[rows < phase.row_count]).tolist():
            selected = epochs == index
            chosen = self._row_order(phase.index, index)[rows[selected] - first_rows[index]]
            spans = self._spans(phase.index, index)
            starts[selected], ends[selected] = spans.starts[chosen], spans.ends[chosen]
        return RowSpans(starts, ends), phase.first_row + begin

    def _spans_of_epoch(self, phase_index: int, index: int) -> RowSpans:
        """All rows of one epoch of a phase, in the order of the stream; the phase's last row ends at its end."""
        phase = self.phases[phase_index]
        low, high = self._first_rows[phase.index][index : index + 2].tolist()
        rows = self.cuts.spans(phase.start, phase.sequence_length - 1, index, low, high - low)
        return RowSpans(rows.starts, np.minimum(rows.ends, phase.end))

    def _epochs(self, phase: Phase) -> Iterator[tuple[int, int, int]]:
        """Number, first row and end of each epoch of the phase in which a row begins."""
        starts = self._first_rows[phase.index]
        for index in np.flatnonzero(np.diff(starts)).tolist():
            yield index, int(starts[index]), int(starts[index + 1])

    def _order_of_rows(self, phase_index: int, epoch: int) -> NDArray[np.int64]:
        """The order in which one epoch's rows are read in one phase."""
        low, high = self._first_rows[phase_index][epoch : epoch + 2].tolist()
        return permutation(high - low, self.seed, Order.ROWS, phase_index, epoch)

    def _words_by_step(self) -> NDArray[np.int64]:
        counts = [np.zeros(1, dtype=np.int64)]
        for phase in self.phases:
            by_row = np.zeros(phase.steps * phase.rows, dtype=np.int64)
            for index, low, high in self._epochs(phase):
                before = [self.stream.words_before(edges) for edges in self._spans(phase.index, index)]
                by_row[low:high] = (before[1] - before[0])[self._row_order(phase.index, index)]
            counts.append(by_row.reshape(phase.steps, phase.rows).sum(axis=1))
        return np.cumsum(np.concatenate(counts))

    def _milestones(self, due: Sequence[int]) -> list[Milestone]:
        steps = np.searchsorted(self.words_at, due, side="left")
        return [
            Milestone(milestone_name(words), words, int(step), int(self.words_at[step]))
            for words, step in zip(due, steps, strict=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """The plan's facts, for ``plan.json``."""
        return {
            "words": self.words,
            "epochs": self.epochs,
            "steps": self.steps,
            "flops": float(self.flops_at[-1]),
            "corpus_words": self.stream.epoch_words,
            "corpus_documents": self.stream.documents,
            "phases": [
                {k: getattr(p, k) for k in ("sequence_length", "rows", "first_step", "steps")} for p in self.phases
            ],
            "milestones": [{"name": m.name, "step": m.step, "words": m.words} for m in self.milestones],
        }


def build(
    stream: TokenStream,
    *,
    phases: Sequence[PhaseConfig],
    budget: BudgetConfig,
    track: str,
    flops_per_token: Callable[[int], float],
    milestones: Sequence[int] = (),
    earlier: Sequence[int] = (),
) -> Plan:
    """The plan of a run over a corpus.

    Args:
        stream: The token stream of the prepared corpus.
        phases: Shapes of the steps.
        budget: The run ends at the smallest budget given; if none is, at the track's budget of words.
        track: A name of `babylm.tracks.TRACKS`, whose limits hold.
        flops_per_token: Sequence length -> training FLOPs of one position.
        milestones: Word counts of the revisions; if empty, the track's list.
        earlier: Earlier budgets of a run made longer, in words, ascending; the steps up to them stay the same.

    Raises:
        ValueError: With the sum, for a plan over the track's budget, a corpus over its limit, or no budget at all.
    """
    words = words_of(budget, stream, phases=phases, track=track, flops_per_token=flops_per_token)
    if earlier and words <= earlier[-1]:
        raise ValueError(
            f"budget: the run has a budget of {earlier[-1]:,} words already, and can only be made longer, not "
            f"{words:,}; choose another name=... for another run"
        )
    return Plan(stream, phases, words, flops_per_token, milestones or TRACKS[track].milestones, earlier)


def _phases(sections: Sequence[PhaseConfig], cuts: RowCuts, end: int) -> list[Phase]:
    """The phases by their shares of ``end`` stream positions; all but the last are whole steps."""
    phases: list[Phase] = []
    start = step = row = 0
    for index, section in enumerate(sections):
        rows = section.tokens_per_step // section.sequence_length
        width = section.sequence_length - 1
        if index == len(sections) - 1:
            row_count = cuts.count(start, end, width)
            steps = -(-row_count // rows)
        else:
            steps = round((section.until * end - start) / (rows * cuts.mean_width(width)))
            row_count = steps * rows
        if steps < 1 or start >= end:
            raise ValueError(
                f"phases[{index}]: no step is left for it in {end:,} tokens with {section.tokens_per_step:,} tokens "
                "per step; lower phases[].tokens_per_step or raise the budget"
            )
        phases.append(Phase(index, section.sequence_length, rows, step, steps, start, end, row_count, row))
        start, step, row = cuts.position(start, row_count, width), step + steps, row + steps * rows
    return phases


def _continued(last: Phase, cuts: RowCuts, end: int) -> Phase:
    """One more phase with the shape of ``last``, from its end to ``end``."""
    row_count = cuts.count(last.end, end, last.sequence_length - 1)
    return Phase(
        index=last.index + 1,
        sequence_length=last.sequence_length,
        rows=last.rows,
        first_step=last.first_step + last.steps,
        steps=-(-row_count // last.rows),
        start=last.end,
        end=end,
        row_count=row_count,
        first_row=last.first_row + last.steps * last.rows,
    )
