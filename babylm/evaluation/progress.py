"""Progress of long work in evaluation: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from types import TracebackType

from tqdm import tqdm

from babylm.console import Log, duration

SLOW = 30.0
"""Seconds between lines, if there is no bar."""


class Progress:
    """Counts to ``total``; a context manager. Short work shows nothing in a log."""

    def __init__(self, name: str, total: int, unit: str) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = 0
        self.begin = self.told = time.monotonic()
        # disable=None: no bar where stderr is no terminal. A bar that is quick comes and goes unseen.
        self.bar = tqdm(total=total, desc=name, unit=unit, leave=False, disable=None, delay=0.5)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def update(self, count: int) -> None:
        """``count`` more are done."""
        self.done += count
        self.bar.update(count)
        now = time.monotonic()
        if self.bar.disable and now - self.told >= SLOW and self.done < self.total:
            self.told = now
            left = (now - self.begin) * (self.total - self.done) / self.done
            share = 100 * self.done / self.total
            Log()(f"  {self.name}: {share:.0f} % of {self.total:,} {self.unit}s, about {duration(left)} left")
