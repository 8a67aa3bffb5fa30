"""How a run ends early, as exceptions that need no torch."""

from __future__ import annotations

from pathlib import Path


class NonFiniteError(RuntimeError):
    """The loss or the gradient is not finite; the weights are those before that step (`training.nonfinite`)."""


class RunStopped(Exception):
    """A signal stopped the run after a step; its state is saved, and the same call continues it."""

    def __init__(self, signal: str, step: int, folder: Path) -> None:
        super().__init__(f"stopped by {signal} after step {step:,}, state saved in {folder}")
        self.signal, self.step, self.folder = signal, step, folder


class InterruptedNow(BaseException):
    """A second Ctrl-C, which does not wait for the end of the step. Lightning ends the process at KeyboardInterrupt."""
