"""What is not finite never reaches the weights, with or without waiting for the device.

On a CPU the gradient's norm is looked at before each step. On a GPU that would empty its queue once a step, so the step
is made and taken back there: a flag on the device, lowered for good by the first norm that is not finite, chooses
between the weights after and before the step. The flag is read where the host waits for the device anyway: at lines of
the log, revisions and saved states, so neither holds a weight of a step that was not good.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class NonFiniteGuard:
    """Watches the steps of some parameters; ``deferred``: without a synchronisation a step."""

    def __init__(self, parameters: Sequence[Tensor], deferred: bool) -> None:
        self.parameters, self.deferred = list(parameters), deferred
        self.flag: Tensor | None = None
        self.good: Tensor | None = None
        self.kept: list[Tensor] = []

    @torch.no_grad()
    def check(self, norm: Tensor) -> bool:
        """Call with the gradient's norm (0-dim) before the step; returns whether to make it."""
        if not self.deferred:
            return bool(torch.isfinite(norm))
        finite = torch.isfinite(norm).to(torch.int32)
        if self.flag is None or self.good is None:
            self.flag, self.good = torch.ones_like(finite), torch.zeros_like(finite)
            self.kept = [torch.empty_like(p) for p in self.parameters]
        self.flag *= finite
        self.good += self.flag
        torch._foreach_copy_(self.kept, self.parameters)
        return True

    @torch.no_grad()
    def revert(self) -> None:
        """Call after the step: takes it back where the flag is down.

        In the bits of the numbers, since NaN times zero is NaN: kept + flag * (new - kept) is exact there.
        """
        if self.flag is None:
            return
        new, kept = ([p.view(torch.int32) for p in values] for values in (self.parameters, self.kept))
        torch._foreach_sub_(new, kept)
        torch._foreach_mul_(new, self.flag)
        torch._foreach_add_(new, kept)

    def bad_step(self) -> int | None:
        """How many steps were good before the first that was not; ``None`` when all were. Waits for the device."""
        if self.flag is None or self.good is None or int(self.flag):
            return None
        return int(self.good)
