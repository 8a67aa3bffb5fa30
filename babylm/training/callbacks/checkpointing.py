"""Write ``last.ckpt``: by time, at revisions, at the end, and after SIGTERM, SIGINT, SIGUSR1 or SIGHUP.

A signal only sets a flag; the state is saved at the next step boundary and the run stops with its own exit code. No
state is ever written inside a signal handler.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import lightning as L

from babylm import sharding
from babylm.training import checkpoint
from babylm.training.callbacks.base import StepCallback
from babylm.training.errors import InterruptedNow
from babylm.training.module import Pretraining

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


class Checkpointing(StepCallback):
    """Saves the state of a run; after a signal ``stopped_by`` holds its name.

    Args:
        folder: The run's folder.
        minutes: Time between two writes.
        at_milestones: Whether revisions are written, before each of which a state is.
        extra: Plain data stored with the state, such as choices made at the run's start.
        clock: Seconds.
        flush: Waits for revisions that a thread is writing: a state must not be newer than a missing revision.
        pause: Times what is not training (`babylm.training.time_left`).
    """

    def __init__(
        self,
        folder: Path,
        *,
        minutes: float,
        at_milestones: bool = True,
        extra: dict[str, Any],
        clock: Callable[[], float] = time.monotonic,
        flush: Callable[[], None] = lambda: None,
        pause: Callable[[str], AbstractContextManager[None]] = lambda kind: nullcontext(),
    ) -> None:
        self.folder, self.minutes, self.extra, self.clock = folder, minutes, extra, clock
        self.at_milestones = at_milestones
        self.flush, self.pause = flush, pause
        self.stopped_by: str | None = None
        self._signal: str | None = None
        """Name of the first signal received."""
        self._saved_at = clock()
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Handle the signals here: Lightning's handler would stop in the middle of a step."""
        self._saved_at = self.clock()
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: a closed terminal shall not stop the run
            self._handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._signal is not None and number == signal.SIGINT:
            raise InterruptedNow
        self._signal = signal.Signals(number).name

    def release(self) -> None:
        """Restore the handlers of before."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Signals after the loop have their ordinary effect; after a stop, once the caller has called `release`."""
        if self.stopped_by is None:
            self.release()
            return
        # Lightning restores the handlers that it found, by which the next signal would end the process before its time.
        for number in SIGNALS:
            trainer._signal_connector._original_handlers.pop(number, None)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """The same after an error."""
        self.release()

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Save if it is time, before a revision, at the end, and after a signal."""
        received = self._signal
        late = self.clock() - self._saved_at >= self.minutes * 60
        if trainer.world_size > 1:  # all ranks must agree, and only the first one's clock counts
            late = trainer.strategy.broadcast(late)
            # Asked of all, also by the rank that has the signal: one that does not ask would leave the others waiting.
            anywhere = trainer.strategy.reduce_boolean_decision(received is not None, all=False)
            received = received or ("a signal" if anywhere else None)
        if (self.at_milestones and module.feed.due(step)) or module.feed.is_over(step):
            with self.pause("state"):
                self.save(trainer, module)
        elif received is not None or late:
            self.save(trainer, module)
        if received is not None:
            self.stopped_by = received
            trainer.should_stop = True

    def save(self, trainer: L.Trainer, module: Pretraining) -> None:
        """Write ``last.ckpt`` now (on the first rank; all of them gather what is sharded)."""
        state = snapshot(trainer, module)
        if trainer.is_global_zero:
            self.flush()
            checkpoint.save(self.folder, {**self.extra, **state})
        trainer.strategy.barrier()
        self._saved_at = self.clock()


def snapshot(trainer: L.Trainer, module: Pretraining) -> dict[str, Any]:
    """The state that an exact continuation needs, tensors and plain data; `NonFiniteError` after a bad step.

    Of sharded parameters it is gathered, so all processes must call it; those but the first get no tensors. It does not
    depend on their number: any other number continues from it.
    """
    module.check_finite()
    average = module.average.state_dict() if module.average is not None else None
    state = {
        "step": module.completed,
        "network": dict(module.network.state_dict()),
        "optimizer": trainer.optimizers[0].state_dict(),
        "average": average,
        "feed": module.feed.state_dict(),
        "objective": module.objective.state_dict(),
    }
    gathered: dict[str, Any] = sharding.gather(state, keep=trainer.is_global_zero)
    return gathered


class Restore(L.Callback):
    """Loads a saved state into module and optimizer, once Lightning has made them."""

    def __init__(self, saved: dict[str, Any]) -> None:
        self.saved = saved

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Before the first step."""
        assert isinstance(pl_module, Pretraining)
        restore(pl_module, self.saved)
        sharding.load_optimizer(trainer.optimizers[0], self.saved["optimizer"])


def restore(module: Pretraining, saved: dict[str, Any]) -> None:
    """Load weights, average, feed, objective and step of a saved state; the optimizer is loaded by `Restore`."""
    sharding.load(module.network, saved["network"])
    if module.average is not None:
        module.average.load_state_dict(saved["average"])
    module.feed.load_state_dict(saved.get("feed", {}))
    module.objective.load_state_dict(saved.get("objective", {}))
    module.completed = saved["step"]
