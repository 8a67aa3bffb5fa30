"""Undo optimizer steps whose gradient norm is not finite, so that such a step never reaches the weights.

On a CPU the norm is checked before the step. On a GPU that would synchronise every step, so the step is made and undone
on the device: an ``ok`` flag, cleared for good by the first norm that is not finite, selects the weights after or
before the step. The host reads the flag only when it waits for the device anyway: at log lines, revisions and
checkpoints. So neither holds a weight of a bad step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class NonFiniteGuard:
    """Checks each step of ``parameters``; ``deferred``: on the device, without a synchronisation per step.

    >>> weights = [torch.tensor([1.0, 2.0])]
    >>> guard = NonFiniteGuard(weights, deferred=True)
    >>> for norm, step in ((0.5, 1.0), (float("inf"), float("nan")), (0.5, 1.0)):
    ...     _ = guard.check(torch.tensor(norm))
    ...     weights[0] += step
    ...     guard.revert()
    >>> weights[0], guard.bad_step()  # the second step was undone, and so is every later one
    (tensor([2., 3.]), 1)
    """

    def __init__(self, parameters: Sequence[Tensor], deferred: bool) -> None:
        self.parameters, self.deferred = list(parameters), deferred
        self.ok: Tensor | None = None
        """() int32: 1 until a norm is not finite, then 0."""
        self.good_steps: Tensor | None = None
        """() int32: steps before that."""
        self.previous: list[Tensor] = []
        """The parameters before the step."""

    @torch.no_grad()
    def check(self, norm: Tensor) -> bool:
        """Call before the step with the gradient's norm, (); returns whether to make the step."""
        if not self.deferred:
            return bool(torch.isfinite(norm))
        finite = torch.isfinite(norm).to(torch.int32)
        if self.ok is None or self.good_steps is None:
            self.ok, self.good_steps = torch.ones_like(finite), torch.zeros_like(finite)
            self.previous = [torch.empty_like(p) for p in self.parameters]
        self.ok *= finite
        self.good_steps += self.ok
        torch._foreach_copy_(self.previous, self.parameters)
        return True

    @torch.no_grad()
    def revert(self) -> None:
        """Call after the step: undoes it unless all norms so far were finite."""
        if self.ok is None:
            return
        # previous + ok * (new - previous), on the float32 bits read as integers: there it is exact (wrap-around
        # cancels), and NaN * 0 is 0. The parameters' own memory is changed.
        new, previous = ([p.view(torch.int32) for p in values] for values in (self.parameters, self.previous))
        torch._foreach_sub_(new, previous)
        torch._foreach_mul_(new, self.ok)
        torch._foreach_add_(new, previous)

    def bad_step(self) -> int | None:
        """Number of steps before the first bad one; None if there is none. Waits for the device."""
        if self.ok is None or self.good_steps is None or int(self.ok):
            return None
        return int(self.good_steps)
