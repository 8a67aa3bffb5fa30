"""A progress bar, on a terminal only: a log file would fill with its redrawings."""

from __future__ import annotations

import sys
from typing import Any

import lightning as L
from tqdm import tqdm

from babylm.training.callbacks.steps import StepCallback
from babylm.training.module import Pretraining


class Progress(StepCallback):
    """One bar over the steps of the run; the lines of the log appear above it."""

    def __init__(self) -> None:
        self.bar: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw it, unless the output is not a terminal."""
        assert isinstance(pl_module, Pretraining)
        if trainer.is_global_zero and sys.stdout.isatty():
            self.bar = tqdm(
                total=pl_module.plan.steps, initial=pl_module.completed, unit="step", leave=False, file=sys.stdout
            )

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Move it on."""
        if self.bar is not None:
            self.bar.update(step - self.bar.n)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take it away."""
        if self.bar is not None:
            self.bar.close()
