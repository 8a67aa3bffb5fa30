"""Write a revision, a complete Hugging Face folder, at each milestone. Nothing here or elsewhere deletes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor

from babylm.plan import Milestone
from babylm.training.callbacks.steps import StepCallback
from babylm.training.module import Pretraining

Save = Callable[[Path, dict[str, Tensor], dict[str, Any]], None]
"""(folder, weights, facts) -> a revision on the disk."""


class Milestones(StepCallback):
    """Saves the revisions that are due; after a resume also the missing ones of the resumed step."""

    def __init__(self, folder: Path, milestones: list[Milestone], save: Save, tell: Callable[[str], None]) -> None:
        self.folder, self.save, self.tell = folder, save, tell
        self.due: dict[int, list[Milestone]] = {}
        for milestone in milestones:
            self.due.setdefault(milestone.step, []).append(milestone)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A kill may have fallen between the state and the revision of one step."""
        assert isinstance(pl_module, Pretraining)
        if pl_module.completed:
            self.after_step(trainer, pl_module, pl_module.completed)

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Write the revisions due after this step, unless they are there."""
        for milestone in self.due.get(step, []):
            path = self.folder / milestone.name
            if not trainer.is_global_zero or (path / "manifest.json").exists():
                continue
            self.save(path, module.weights(), {"milestone": milestone.name, "words": milestone.words, "step": step})
            self.tell(f"saved {milestone.name}: {milestone.words:,} words, step {step:,}")
        trainer.strategy.barrier()
