"""The base of callbacks that act at step boundaries: between two optimizer steps, where the state is whole."""

from __future__ import annotations

from typing import Any

import lightning as L

from babylm.training.module import Pretraining


class StepCallback(L.Callback):
    """Calls :meth:`after_step` once an optimizer step is complete."""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning's hook, called after every accumulated batch."""
        assert isinstance(pl_module, Pretraining)
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.after_step(trainer, pl_module, pl_module.completed)

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """``step`` steps are complete."""
        raise NotImplementedError


class StopAtEnd(StepCallback):
    """Ends training after the last step of a feed whose length the loader does not know."""

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Lightning stops after this step."""
        if module.feed.is_over(step):
            trainer.should_stop = True
