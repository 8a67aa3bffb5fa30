"""A progress bar, on a terminal only: a log file would fill with its redrawings."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import lightning as L
from tqdm import tqdm

from babylm.console import drop_output, on_terminal
from babylm.training.callbacks.base import StepCallback
from babylm.training.module import Pretraining


class Progress(StepCallback):
    """One bar over the steps of the run; the lines of the log appear above it."""

    def __init__(self) -> None:
        self.bar: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw it, unless the output is not a terminal."""
        assert isinstance(pl_module, Pretraining)
        if trainer.is_global_zero and on_terminal():
            self.bar = tqdm(
                total=pl_module.feed.length, initial=pl_module.completed, unit="step", leave=False, file=sys.stdout
            )

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Move it on."""
        if self.bar is None:
            return
        try:
            self.bar.update(step - self.bar.n)
        except (OSError, ValueError):  # the terminal is gone, the run continues
            self.bar.disable, self.bar = True, None
            drop_output()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take it away."""
        if self.bar is not None:
            with suppress(OSError, ValueError):
                self.bar.close()
