"""Distillation from the run itself: from an average of its own weights, or from an earlier moment.

No second run is needed and no further text is read. With ``teacher_decay: 0`` and a large ``teacher_every`` the teacher
is the student as it was at the last multiple of so many steps; otherwise it is an exponential moving average (mean
teacher, Tarvainen and Valpola 2017, arXiv 1703.01780). It is part of the run's state, and not exported.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babylm.config.fields import number
from babylm.lazy import torch
from babylm.objectives._distillation import Distillation, DistillationSettings
from babylm.objectives._types import SpecialTokens


@dataclass
class Settings(DistillationSettings):
    """Settings of the objective ``self_distillation``."""

    distillation_begin: float = number(0.2, "[0, 1)")
    """Share of the run after which distillation begins; before, the teacher knows too little."""
    teacher_decay: float = number(0.99, "[0, 1)")
    """Share of the old teacher at each update; the student has the rest. 0: a copy of the student."""
    teacher_every: int = number(1, "[1, 1e9]")
    """Steps between two updates of the teacher."""

    def describe(self) -> str:
        """The objective in words."""
        kind = "an average of its weights" if self.teacher_decay else f"itself, every {self.teacher_every} steps"
        return f"{self.name} ({self.divergence} KL, from {kind})"


class FromItself(Distillation):
    """The teacher follows the student."""

    config: Settings

    def prepare(self, network: Any) -> None:
        """Copy the network, as it is at the start."""
        if not self.teachers:
            self.teachers = [copy.deepcopy(network).eval().requires_grad_(False)]

    def restart(self, network: Any) -> None:
        """Take the network as it is now."""
        (teacher,) = self.teachers
        teacher.load_state_dict(network.state_dict())

    def after_step(self, network: Any, completed: int) -> None:
        """Move the teacher towards the student."""
        if completed % self.config.teacher_every:
            return
        from babylm import sharding

        (teacher,) = self.teachers
        with torch.no_grad():
            theirs, ours = list(teacher.parameters()), list(network.parameters())
            torch._foreach_lerp_(theirs, [sharding.full(p.detach()) for p in ours], 1 - self.config.teacher_decay)

    def flops_per_token(self, length: int, head_fraction: float, training: float) -> float:
        """The forward pass of the teacher, a third of a training step, from the moment when it begins."""
        return training / 3 * (1 - self.config.distillation_begin)

    def state_dict(self) -> dict[str, Any]:
        """The teacher's weights."""
        (teacher,) = self.teachers
        return {"teacher": dict(teacher.state_dict())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with a saved teacher."""
        (teacher,) = self.teachers
        teacher.load_state_dict(state["teacher"])


def build(settings: Settings, special: SpecialTokens) -> FromItself:
    """The objective."""
    return FromItself(settings, special)
