"""Remaining time of a run: training at its recent speed, plus the pauses (saving, measuring) still to come.

Milestones are frequent at the start of a run and rare at its end, so their cost is counted apart from training: a mean
over everything so far would be wrong by as much as they cost.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

WINDOW = 20
"""Log lines over which the speed is measured: on a shared machine it changes."""


class TimeLeft:
    """Remaining seconds of a run.

    ``flops_after``: training FLOPs after a number of steps; ``steps``: length of the run, None if it is not known;
    ``pauses``: kind -> steps that it follows.
    """

    def __init__(
        self,
        flops_after: Callable[[int], float],
        steps: int | None,
        pauses: Mapping[str, Collection[int]],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.flops_after, self.steps, self.clock = flops_after, steps, clock
        self.pauses = {kind: sorted(after) for kind, after in pauses.items()}
        self.spent: dict[str, list[float]] = {kind: [] for kind in pauses}
        self._paused = 0.0
        self._marks: deque[tuple[int, float]] = deque(maxlen=WINDOW)

    @contextmanager
    def pause(self, kind: str) -> Iterator[None]:
        """Time something that is not training; an inner pause counts as part of the outer one."""
        begin, before = self.clock(), self._paused
        try:
            yield
        finally:
            seconds = self.clock() - begin
            self._paused = before + seconds
            self.spent.setdefault(kind, []).append(seconds)

    def mark(self, step: int) -> None:
        """Note that ``step`` steps are done now. The first step is slower than the others: mark before and after it."""
        if len(self._marks) == 2 and self._first_step_only():
            self._marks.popleft()
        self._marks.append((step, self.clock() - self._paused))

    def seconds(self, step: int) -> float | None:
        """Seconds from ``step`` to the end; 0 before the first step is done, None if the end is not known."""
        if self.steps is None:
            return None
        (first, begin), (last, end) = self._marks[0], self._marks[-1]
        seconds = 0.0
        if last > first:
            left = self.flops_after(self.steps) - self.flops_after(step)
            seconds = left / (self.flops_after(last) - self.flops_after(first)) * (end - begin)
        for kind, after in self.pauses.items():
            if spent := self.spent[kind]:
                seconds += (len(after) - bisect_right(after, step)) * sum(spent) / len(spent)
        return seconds

    def _first_step_only(self) -> bool:
        """Whether the two marks enclose one step."""
        (before, _), (after, _) = self._marks
        return after - before == 1
