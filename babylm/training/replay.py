"""One optimizer step as a function of buffers, captured once per phase as a CUDA graph and replayed.

Launching the thousand kernels of a step one by one takes longer than some of them run. A graph launches all of them at
once, if a step is always the same operations on the same memory. So what varies by step is in buffers that are filled
between two replays: rows, uniforms of the mask, mask rate, learning rates, momentum, the state of torch's generator.
The number of targets is that of the phase's largest mask rate; targets that are none weigh 0. A step whose gradient is
not finite is taken back by a branch-free selection (`babylm.training.nonfinite`), and the weights are averaged between
replays.

`StepReplay.run` makes the first steps of a phase one operation after the other, then captures, then replays. Without
captures it makes the same steps on the same buffers: so the tests compare them with the plain step on a CPU. The
capture itself (`StepReplay._captured`) needs a GPU and **has not been run on one**.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from babylm import optimizers, processes
from babylm.batches.feed import TokenBatch
from babylm.batches.plan import Phase, Plan
from babylm.config.schema import Config
from babylm.objectives import Loss, Objective

EAGER_STEPS = 3
"""Steps of a phase before its capture: they make the optimizer's state and compile what is compiled."""


def obstacle(config: Config, objective: Objective, feed: Any, device: torch.device) -> str:
    """Why a step of this run cannot be replayed; empty if it can."""
    training = config.training
    if device.type != "cuda":
        return "no CUDA"
    if training.accumulate_grad_batches * processes.world_size(training.devices, training.nodes) > 1:
        return "a step is cut into several batches"
    if not optimizers.can_replay(config.optimizer.name):
        return f"optimizer.name={config.optimizer.name} reads numbers on the host in each step"
    if not isinstance(feed, Plan) or not objective.can_replay():
        return f"steps of objective {config.objective.name} differ from each other"
    if uneven := [phase.rows for phase in feed.phases if phase.rows % objective.row_period]:
        return (
            f"the pattern of causal rows repeats after {objective.row_period} rows, of which {uneven[0]} rows per step "
            "are no multiple"
        )
    return ""


def choose(setting: str | bool, problem: str) -> tuple[bool, str]:
    """Whether to replay, and why, for ``training.cuda_graphs``; ``problem``: the `obstacle`.

    Raises:
        ValueError: It is asked for and not possible.
    """
    if setting is True and problem:
        raise ValueError(f"training.cuda_graphs=true: steps cannot be replayed here: {problem}; use auto")
    if setting is False:
        return False, "as configured"
    return not problem, problem or "every step of a phase is the same operations"


@dataclass
class Buffers:
    """The memory that a phase's steps read and write."""

    batch: TokenBatch
    uniforms: Tensor
    rate: Tensor
    """() float32: the mask rate."""
    most: float
    """The largest mask rate of the phase."""
    graph: Any = None
    """A ``torch.cuda.CUDAGraph`` once it is captured."""
    steps: int = 0
    """Steps made without it."""
    loss: Tensor | None = None
    metrics: Tensor | None = None
    """(2 * names,): sum and count of each metric of the step."""
    names: tuple[str, ...] = ()
    norm: Tensor | None = None
    """() norm of the gradient."""


class StepReplay:
    """Makes whole steps: corruption, forward, backward, clipping, optimizer, taking back a bad step.

    Args:
        feed: The plan of the run.
        objective: One that can be replayed.
        loss: Masked batch -> loss of the network.
        clip: Clips the gradients, checks them on the device and returns their norm.
        revert: Takes the step back if its gradient was not finite.
        captures: Whether steps are captured; False: the same steps, one operation after the other.
        tell: Says why a capture failed, and the run goes on without; None: it fails with the capture.
    """

    def __init__(
        self,
        feed: Plan,
        objective: Objective,
        loss: Callable[[Any], Loss],
        clip: Callable[[], Tensor],
        revert: Callable[[], None],
        captures: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.feed, self.objective, self.loss, self.clip, self.revert = feed, objective, loss, clip, revert
        self.buffers: dict[int, Buffers] = {}
        self.captures, self.tell = captures, tell
        self._groups: list[dict[str, Any]] = []
        self._pool: Any = None

    def run(self, batch: TokenBatch, uniforms: Tensor, optimizer: Optimizer) -> Buffers:
        """Make the step of ``batch``; the rates are those of the optimizer's groups, whose gradients are None after."""
        buffers = self._fill(batch, uniforms)
        self._fill_rates(optimizer, batch.tokens.device)
        if buffers.graph is None and self.captures and buffers.steps >= EAGER_STEPS:
            self._try_capture(buffers, optimizer)
        if buffers.graph is not None:
            buffers.graph.replay()
        else:
            self._step_apart(buffers, optimizer)
        buffers.steps += 1
        return buffers

    def _fill(self, batch: TokenBatch, uniforms: Tensor) -> Buffers:
        """Copy what the step reads into the buffers of its phase."""
        phase = self.feed.phase_of(batch.step)
        if phase.index not in self.buffers:
            self.buffers[phase.index] = self._buffers(phase, batch, uniforms)
        buffers = self.buffers[phase.index]
        for name in ("tokens", "document_ids", "words"):
            getattr(buffers.batch, name).copy_(getattr(batch, name))
        buffers.uniforms.copy_(uniforms)
        buffers.rate.fill_(self.objective.mask_rate_at(self.feed.progress(batch.step)))
        return buffers

    def _buffers(self, phase: Phase, batch: TokenBatch, uniforms: Tensor) -> Buffers:
        steps = (phase.first_step, phase.first_step + phase.steps - 1)  # the rate is linear: largest at an end
        rates = [self.objective.mask_rate_at(self.feed.progress(step)) for step in steps]
        rows = TokenBatch(
            torch.empty_like(batch.tokens),
            torch.empty_like(batch.document_ids),
            torch.empty_like(batch.words),
            first_row=phase.first_row,
        )
        rate = torch.empty((), dtype=torch.float32, device=batch.tokens.device)
        return Buffers(rows, torch.empty_like(uniforms), rate, max(rates))

    def _fill_rates(self, optimizer: Optimizer, device: torch.device) -> None:
        """Copy the step's rates to the groups that the captured optimizer reads."""
        if not self._groups:
            for group in optimizer.param_groups:
                varying: dict[str, Any] = {
                    key: torch.empty((), device=device) for key in ("lr", "momentum") if key in group
                }
                self._groups.append({**group, **varying, "capturable": True})
        for device_group, group in zip(self._groups, optimizer.param_groups, strict=True):
            for key in ("lr", "momentum"):
                if key in group:
                    device_group[key].fill_(group[key])

    def _step(self, buffers: Buffers, optimizer: Optimizer) -> None:
        """The step itself: the same operations on buffers each time, and nothing that the host waits for."""
        device = buffers.batch.tokens.device
        optimizer.zero_grad(set_to_none=True)
        masked = self.objective.corrupt_at(buffers.batch, buffers.uniforms, buffers.rate, buffers.most)
        loss = self.loss(masked)
        scaled = loss.total / buffers.batch.divisor
        # Only the forward is computed under Lightning's autocast, in the plain step too.
        with torch.autocast(device.type, enabled=False, cache_enabled=False):
            scaled.backward()
            buffers.norm = self.clip()
            with self._device_rates(optimizer):
                optimizer.step()
            self.revert()
        buffers.names = tuple(loss.metrics)
        buffers.metrics = torch.stack([value for pair in loss.metrics.values() for value in pair])
        buffers.loss = scaled.detach()
        optimizer.zero_grad(set_to_none=True)

    @contextmanager
    def _device_rates(self, optimizer: Optimizer) -> Iterator[None]:
        """Give the optimizer its groups with rates on the device; the saved state has those of the host."""
        groups, optimizer.param_groups = optimizer.param_groups, self._groups
        try:
            yield
        finally:
            optimizer.param_groups = groups

    def _step_apart(self, buffers: Buffers, optimizer: Optimizer) -> None:
        """The step without a graph; on a GPU on a stream of its own, as it must be before a capture."""
        if buffers.batch.tokens.device.type != "cuda":
            self._step(buffers, optimizer)
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(buffers, optimizer)
        torch.cuda.current_stream().wait_stream(stream)

    def _try_capture(self, buffers: Buffers, optimizer: Optimizer) -> None:
        """Capture the step, during which nothing is computed; if that fails, say why, and go on without graphs."""
        try:
            buffers.graph = self._captured(buffers, optimizer)
        except Exception as error:  # whatever a kernel or the driver raises is the reason
            if self.tell is None:
                raise
            optimizer.zero_grad(set_to_none=True)
            self.captures = False
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            self.tell(f"CUDA graphs off: the capture failed ({type(error).__name__}: {reason})")

    def _captured(self, buffers: Buffers, optimizer: Optimizer) -> torch.cuda.CUDAGraph:
        """The step as a graph."""
        graph = torch.cuda.CUDAGraph()
        # Phases follow each other, so their graphs may use the same memory.
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        torch.cuda.synchronize()
        # Other threads (a loader that pins memory) may go on meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            self._step(buffers, optimizer)
        return graph
