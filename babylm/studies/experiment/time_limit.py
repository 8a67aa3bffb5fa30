"""A time limit that reaches into a running piece: training saves its state, everything else stops.

SIGUSR1 is what a job scheduler sends before it ends a job, and what the limit sends to this process. The training loop
takes the signal over, finishes its step and saves; anywhere else it raises `TimeUp`. A piece that is stopped leaves no
result, so it begins again, or continues where its own parts were kept.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from babylm.training.errors import InterruptedNow, RunStopped

MARGIN = 25.0
"""Seconds before the limit at which to stop: saving a state takes some."""
AGAIN = 10.0
"""Seconds between two signals: a library may have swallowed the first."""


class TimeUp(BaseException):
    """The time is over. Not an Exception, so that what catches errors of a piece does not take it for one."""

    def __init__(self, reason: str = "time is up", is_saved: bool = False) -> None:
        super().__init__(reason)
        self.is_saved = is_saved
        """Whether what the piece was doing has saved its state, and continues from there."""


class StudyStopped(Exception):
    """The time was over before all pieces had run; the same call continues."""


class TimeLimit:
    """The moment by which a process must have stopped; without ``seconds`` there is none."""

    def __init__(self, seconds: float | None = None) -> None:
        self.usable = float("inf") if seconds is None else seconds - min(MARGIN, seconds / 4)
        """Seconds from the start to the moment at which to stop; infinite without a limit."""
        self._end = time.monotonic() + self.usable

    @property
    def seconds_left(self) -> float:
        """Seconds until it; infinite without a limit.

        >>> TimeLimit().seconds_left, 70 < TimeLimit(100).seconds_left <= 75
        (inf, True)
        """
        return self._end - time.monotonic()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Raise `TimeUp` at the limit, and at SIGUSR1, inside the block; only in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGALRM)}
        listen()
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
        if self.usable < float("inf"):
            signal.setitimer(signal.ITIMER_REAL, max(0.1, self.seconds_left), AGAIN)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def listen() -> None:
    """Take SIGUSR1 back from whoever took it over, such as a training loop; only in the main thread."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, _raise)


@contextmanager
def as_stop_of_the_study() -> Iterator[None]:
    """Raise `TimeUp` or KeyboardInterrupt for a training run, an interaction or a study that a signal stopped inside.

    They are Exceptions, for whoever calls `babylm.api`, but no failure of a piece: it goes on at the next start.
    """
    try:
        yield
    except RunStopped as stop:
        if stop.signal == "SIGINT":
            raise KeyboardInterrupt from stop
        reason = "time is up" if stop.signal == "SIGUSR1" else f"stopped by {stop.signal}"
        raise TimeUp(reason, is_saved=True) from stop
    except StudyStopped as stop:
        raise TimeUp(is_saved=True) from stop
    except InterruptedNow as stop:
        raise KeyboardInterrupt from stop


def _raise(number: int, frame: FrameType | None) -> None:
    raise TimeUp
