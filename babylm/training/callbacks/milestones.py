"""Write a revision, a complete Hugging Face folder, at each milestone. Nothing here or elsewhere deletes one.

The weights are copied to the host at the step's end, and a thread writes them while training continues. The checkpoint
of a later step waits for it (`Milestones.flush`): whatever is killed and whenever, the checkpoint that a run continues
from is never newer than a missing revision.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor

from babylm.batches.feed import Milestone
from babylm.training.background_writer import BackgroundWriter
from babylm.training.callbacks.base import StepCallback
from babylm.training.module import Pretraining

Save = Callable[[Path, dict[str, Tensor], dict[str, Any]], None]
"""(folder, weights, facts) -> a revision on the disk; called from another thread, so it may draw no random numbers."""


class Milestones(StepCallback):
    """Saves the revisions that are due; after a resume also the missing ones of the resumed step.

    An error of writing is raised at the next step or at the end.
    """

    def __init__(
        self,
        folder: Path,
        save: Save,
        tell: Callable[[str], None],
        pause: Callable[[str], AbstractContextManager[None]] = lambda kind: nullcontext(),
    ) -> None:
        self.folder, self.save, self.tell, self.pause = folder, save, tell, pause
        self.writer = BackgroundWriter()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the revision of the resumed step: a kill may have come after its checkpoint and before it."""
        assert isinstance(pl_module, Pretraining)
        if pl_module.completed:
            self.after_step(trainer, pl_module, pl_module.completed)

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Begin to write the revisions due after this step, unless they are there."""
        self.writer.collect()
        if not module.feed.due(step):
            return
        with self.pause("revision"):
            live = module.weights()  # all processes gather them, the first one writes
            missing = self._missing(module, step)
            if trainer.is_global_zero and missing:
                weights = {name: value.detach().to("cpu", copy=True) for name, value in live.items()}
                facts = {"step": step, **module.feed.facts()}
                self.writer.start(lambda: self._write(missing, weights, facts), lambda: self._report(missing, step))
        trainer.strategy.barrier()

    def write_missing(self, module: Pretraining) -> None:
        """Write now what is missing of the step that ``module`` is at: a kill fell after the last state of a run."""
        missing = self._missing(module, module.completed)
        self._write(missing, module.weights(), {"step": module.completed, **module.feed.facts()})
        self._report(missing, module.completed)

    def _missing(self, module: Pretraining, step: int) -> list[Milestone]:
        return [m for m in module.feed.due(step) if not (self.folder / m.name / "manifest.json").exists()]

    def _write(self, milestones: list[Milestone], weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
        for milestone in milestones:
            self.save(
                self.folder / milestone.name,
                weights,
                {"milestone": milestone.name, "words": milestone.words, **facts},
            )

    def _report(self, milestones: list[Milestone], step: int) -> None:
        for milestone in milestones:
            self.tell(f"saved {milestone.name}: {milestone.words:,} words, step {step:,}")

    def flush(self) -> None:
        """Wait until the revision being written is on the disk; raises its error."""
        self.writer.collect(wait=True)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Wait for the last one."""
        self.writer.close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Let the writer end; its error is reported, and the one that stopped the run is raised."""
        try:
            self.writer.close()
        except Exception as error:
            if error is not exception:
                self.tell(f"warning: a revision could not be written: {error}")
