"""The plan of a run: which words at which step, in which shape, and where each milestone falls.

A pure function of configuration and prepared corpus. Resuming, counting words, stopping at the budget and placing
milestones therefore need no saved state but the number of the step; and a plan that breaks the rules of its track is
refused before the first step, with the sum shown.

A phase reads a stretch of the stream (:mod:`babylm.batches.stream`) in rows of one length. Within each epoch of a phase
the rows are shuffled once more, so that the rows of a long document are spread over many steps. The last row ends
exactly at the last word of the budget; what is left of the last step is padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babylm.batches.stream import Rows, TokenStream, permutation
from babylm.config.schema import Config
from babylm.tracks import TRACKS, milestone_name

MAX_WORDS = 10**10
"""Ten times the largest budget of a track: a plan of more is a slip, and would not fit into memory."""


@dataclass(frozen=True)
class Phase:
    """A stretch of steps with one shape."""

    index: int
    sequence_length: int
    rows: int
    """Rows a step, over all ranks."""
    first_step: int
    steps: int
    start: int
    """Position in the stream of its first row."""
    end: int
    """Position in the stream after which it reads nothing: the last word of its budget."""
    row_count: int
    """Rows that hold text; the last step may have fewer than ``rows``."""
    first_row: int
    """Rows of all earlier phases, padding included."""

    @property
    def positions(self) -> int:
        """Stream positions a step reads: the constant that sums of losses are divided by."""
        return self.rows * (self.sequence_length - 1)


@dataclass(frozen=True)
class Milestone:
    """A revision that is due after ``step`` steps, when ``words`` words have been read."""

    name: str
    nominal: int
    step: int
    words: int


@dataclass(frozen=True)
class StepRows:
    """Rows of one step, or a slice of them."""

    rows: Rows
    first_row: int
    """Number of the first of them, counted over the whole run."""


class Plan:
    """Built with :func:`build`; see the module's docstring."""

    def __init__(
        self,
        stream: TokenStream,
        config: Config,
        words: int,
        flops_per_token: Callable[[int], float],
        earlier: Sequence[int] = (),
    ) -> None:
        self.stream, self.words, self.seed = stream, words, config.seed
        budgets = [*earlier, words]
        self.phases = _phases(config, stream.position_after(budgets[0]))
        self.schedule_steps = self.phases[-1].first_step + self.phases[-1].steps
        """Steps over which schedules are spread: all, but of a run made longer those of its first budget."""
        for longer in budgets[1:]:
            self.phases.append(_continued(config, self.phases[-1], stream.position_after(longer)))
        self.steps = self.phases[-1].first_step + self.phases[-1].steps
        self.epochs = words / stream.epoch_words
        self._edges = [self._epoch_edges(phase) for phase in self.phases]
        self._blocks = lru_cache(maxsize=4)(self._block_order)
        self.words_at = self._words_by_step()
        """(steps + 1,) words read after each number of steps."""
        assert self.words_at[-1] == words, (self.words_at[-1], words)
        costs = [np.full(p.steps, p.rows * p.sequence_length * flops_per_token(p.sequence_length)) for p in self.phases]
        self.flops_at = np.concatenate([[0.0], np.cumsum(np.concatenate(costs))])
        """(steps + 1,) training FLOPs after each number of steps, by the model's formula."""
        due = config.milestones or TRACKS[config.track].milestones
        self.milestones = self._milestones([nominal for nominal in due if nominal <= words])
        self.unreached = tuple(milestone_name(nominal) for nominal in due if nominal > words)
        """Revisions due only after the budget's last word: they will not exist."""

    def phase_of(self, step: int) -> Phase:
        """The phase that step ``step`` (from 0) belongs to."""
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} of {self.steps}")
        return next(phase for phase in reversed(self.phases) if phase.first_step <= step)

    def progress(self, step: int) -> float:
        """What schedules follow: 0 at the start, 1 at the end of the schedule and after it."""
        return min(1.0, step / self.schedule_steps)

    def batch(self, step: int, first: int = 0, count: int | None = None) -> StepRows:
        """Rows ``first`` to ``first + count`` of step ``step`` (all of them by default)."""
        phase = self.phase_of(step)
        starts, row = self.row_starts(step, first, count)
        return StepRows(self.stream.rows(starts, phase.sequence_length, phase.end), row)

    def documents_of(self, step: int) -> NDArray[np.int64]:
        """The corpus's documents that step ``step`` reads, to name them when something goes wrong."""
        starts, phase = self.row_starts(step)[0], self.phase_of(step)
        return self.stream.documents_in(starts[starts < phase.end], phase.sequence_length)

    def max_documents_per_step(self) -> dict[int, int]:
        """Sequence length -> documents (pieces of documents, and padding) that no step of such rows passes."""
        most: dict[int, int] = {}
        for phase in self.phases:
            width = phase.sequence_length - 1
            by_row = np.ones(phase.steps * phase.rows, dtype=np.int64)
            for index, low, high in self._bounds(phase):
                edges = phase.start + np.arange(low, high + 1) * width
                pieces = 2 + np.diff(self.stream.documents_before(edges))
                by_row[low:high] = pieces[self._blocks(phase.index, index)]
            largest = int(by_row.reshape(phase.steps, phase.rows).sum(axis=1).max())
            most[phase.sequence_length] = max(largest, most.get(phase.sequence_length, 0))
        return most

    def row_starts(self, step: int, first: int = 0, count: int | None = None) -> tuple[NDArray[np.int64], int]:
        """Positions in the stream of rows of step ``step`` (as in :meth:`batch`), and the number of the first."""
        phase = self.phase_of(step)
        begin = (step - phase.first_step) * phase.rows + first
        rows = np.arange(begin, begin + (phase.rows - first if count is None else count))
        stream_rows = rows.copy()  # rows past the last one with text are padding and stay where they are
        edges = self._edges[phase.index]
        blocks = np.searchsorted(edges, rows, side="right") - 1
        for index in np.unique(blocks[rows < phase.row_count]).tolist():
            mine, low = blocks == index, edges[index]
            stream_rows[mine] = self._blocks(phase.index, index)[rows[mine] - low] + low
        return phase.start + stream_rows * (phase.sequence_length - 1), phase.first_row + begin

    def _epoch_edges(self, phase: Phase) -> NDArray[np.int64]:
        """First row of each epoch the phase reads of, and its end: a row belongs to the epoch in which it begins."""
        width, length = phase.sequence_length - 1, self.stream.epoch_length
        last = phase.start + (phase.row_count - 1) * width
        epochs = np.arange(phase.start // length + 1, last // length + 1, dtype=np.int64)
        return np.concatenate([[0], -(-(epochs * length - phase.start) // width), [phase.row_count]])

    def _bounds(self, phase: Phase) -> Iterator[tuple[int, int, int]]:
        """Number, first row and end of each epoch of the phase in which a row begins."""
        edges = self._edges[phase.index]
        for index in np.flatnonzero(np.diff(edges)).tolist():
            yield index, int(edges[index]), int(edges[index + 1])

    def _block_order(self, phase_index: int, block: int) -> NDArray[np.int64]:
        low, high = self._edges[phase_index][block : block + 2].tolist()
        return permutation(high - low, self.seed, 2, phase_index, block)

    def _words_by_step(self) -> NDArray[np.int64]:
        counts = [np.zeros(1, dtype=np.int64)]
        for phase in self.phases:
            width = phase.sequence_length - 1
            by_row = np.zeros(phase.steps * phase.rows, dtype=np.int64)
            for index, low, high in self._bounds(phase):
                edges = np.minimum(phase.start + np.arange(low, high + 1) * width, phase.end)
                by_row[low:high] = np.diff(self.stream.words_before(edges))[self._blocks(phase.index, index)]
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
    config: Config, stream: TokenStream, flops_per_token: Callable[[int], float], earlier: Sequence[int] = ()
) -> Plan:
    """The plan of a configuration over a corpus.

    ``flops_per_token(sequence_length)`` are the training FLOPs of one position. ``earlier``: the budgets, in words,
    that a run made longer had before, ascending: what it read by then stays as it was. ``ValueError``, with the sum,
    for a plan over the track's budget, for a corpus over its limit, and for one without any budget.
    """
    track, budget, corpus_words = TRACKS[config.track], config.budget, stream.epoch_words
    if corpus_words == 0:
        raise ValueError("corpus: the training text holds no words")
    if track.unique_words is not None and corpus_words > track.unique_words:
        raise ValueError(
            f"corpus: {corpus_words:,} words, {corpus_words - track.unique_words:,} more than the "
            f"{track.unique_words:,} that track {config.track} allows; "
            f"remove text, or choose track=free for a run outside the challenge"
        )
    limits: dict[str, int] = {}
    if budget.words is not None:
        limits[f"budget.words={budget.words:,}"] = budget.words
    if budget.epochs is not None:
        limits[f"budget.epochs={budget.epochs:g} x {corpus_words:,} words"] = round(budget.epochs * corpus_words)
    if budget.flops is not None:
        limits[f"budget.flops={budget.flops:.3g}"] = _words_for_flops(config, stream, budget.flops, flops_per_token)
    if not limits and track.exposure_words is not None:
        limits["the track's budget"] = track.exposure_words
    if not limits:
        raise ValueError(
            "budget: set budget.words, budget.epochs or budget.flops (track free has no budget of its own)"
        )
    source, words = min(limits.items(), key=lambda item: item[1])
    if track.exposure_words is not None and words > track.exposure_words:
        raise ValueError(
            f"budget: {source} = {words:,} words, {words - track.exposure_words:,} more than the "
            f"{track.exposure_words:,} that track {config.track} allows; "
            f"lower it, or choose track=free for a run outside the challenge"
        )
    if words < 1:
        raise ValueError(f"budget: {source} is less than one word")
    if words > MAX_WORDS:
        raise ValueError(f"budget: {source} = {words:,} words, more than {MAX_WORDS:,}: lower it")
    if earlier and words <= earlier[-1]:
        raise ValueError(
            f"budget: the run has a budget of {earlier[-1]:,} words already, and can only be made longer, not "
            f"{words:,}; choose another name=... for another run"
        )
    return Plan(stream, config, words, flops_per_token, earlier)


def _words_for_flops(config: Config, stream: TokenStream, flops: float, flops_per_token: Callable[[int], float]) -> int:
    """Words whose reading costs at most ``flops``, with the phases in their shares."""
    begin, cost = 0.0, 0.0
    for phase in config.phases:
        share, length = phase.until - begin, phase.sequence_length
        cost += share * flops_per_token(length) * length / (length - 1)
        begin = phase.until
    return int(stream.words_before(np.array([int(min(flops / cost, 100 * MAX_WORDS))]))[0])


def _phases(config: Config, end: int) -> list[Phase]:
    """The phases by their shares of ``end`` stream positions; all but the last are whole steps."""
    phases: list[Phase] = []
    start = step = row = 0
    for index, section in enumerate(config.phases):
        rows = section.tokens_per_step // section.sequence_length
        width = section.sequence_length - 1
        if index == len(config.phases) - 1:
            row_count = -(-(end - start) // width)
            steps = -(-row_count // rows)
        else:
            steps = round((section.until * end - start) / (rows * width))
            row_count = steps * rows
        if steps < 1 or start >= end:
            raise ValueError(
                f"phases[{index}]: no step is left for it in {end:,} tokens with {section.tokens_per_step:,} tokens "
                "per step; lower phases[].tokens_per_step or raise the budget"
            )
        phases.append(Phase(index, section.sequence_length, rows, step, steps, start, end, row_count, row))
        start, step, row = start + row_count * width, step + steps, row + steps * rows
    return phases


def _continued(config: Config, last: Phase, end: int) -> Phase:
    """One more phase in the last one's shape, from where that one ended up to ``end``."""
    row_count = -(-(end - last.end) // (last.sequence_length - 1))
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
