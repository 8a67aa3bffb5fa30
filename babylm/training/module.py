"""The LightningModule: corrupt, ask the network, divide the sum, step. What varies by step is a function of the step.

The loss is a sum over targets divided by the number of stream positions of the whole step, so accumulated batches and
several ranks add up to exactly the gradient of one big batch. Randomness of a step is re-made from (seed, step): the
uniforms of the objective for all rows of the step at once, of which each rank and batch takes its rows, and dropout's
generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor

from babylm import optimizers, schedules
from babylm.batches.loader import StepBatch
from babylm.batches.plan import Plan
from babylm.config.schema import Config
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import Batch, Objective
from babylm.training.nonfinite import NonFiniteGuard
from babylm.weight_averaging import WeightAverage

NOISE, DROPOUT = 1, 2
"""Purposes of a step's random numbers."""


class NonFiniteError(RuntimeError):
    """The loss or the gradient is not finite; the weights are those before that step (`training.nonfinite`)."""


def seed_of(*parts: int) -> int:
    """A 63-bit seed from (seed, purpose, step, ...), well mixed."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ (part + 0x9E3779B97F4A7C15 + (state << 6) + (state >> 2))) & (2**64 - 1)
        state = (state ^ (state >> 31)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    return state >> 1


class Pretraining(L.LightningModule):
    """Network, objective and plan; ``completed`` is the number of optimizer steps behind it."""

    def __init__(
        self,
        network: BabyLMForCausalLM,
        objective: Objective,
        plan: Plan,
        config: Config,
        average: WeightAverage | None,
    ) -> None:
        super().__init__()
        self.network, self.objective, self.plan, self.config, self.average = network, objective, plan, config, average
        self.completed = 0
        self.grad_norm: Tensor | None = None
        self.guard: NonFiniteGuard | None = None
        self._guarded_from = 0
        self.sums: dict[str, list[Tensor]] = {}
        """Loss parts since they were last taken: name -> [sum, count], on the device."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One optimizer over all parameters, as ``optimizer`` configures it."""
        return optimizers.build(self.config.optimizer, self.network.named_parameters())

    def training_step(self, batch: StepBatch, batch_idx: int = 0) -> Tensor:
        """The share of the step's loss that this batch holds, scaled so that Lightning's averages make sums of it."""
        accumulate, world = self.config.training.accumulate_grad_batches, self.trainer.world_size
        phase = self.plan.phase_of(batch.step)
        device = batch.tokens.device
        generator = torch.Generator(device).manual_seed(seed_of(self.config.seed, NOISE, batch.step))
        uniforms = self.objective.draw_uniforms(phase.rows, phase.sequence_length, generator)
        uniforms = uniforms[batch.offset : batch.offset + len(batch.tokens)]
        torch.manual_seed(seed_of(self.config.seed, DROPOUT, batch.step, batch.offset))
        rows = Batch(batch.tokens, batch.documents, batch.words, batch.first_row)
        example = self.objective.corrupt(rows, uniforms, self.plan.progress(batch.step))
        loss = self.objective.loss(self.network, example)
        self._add("loss", loss.total.detach(), example.weights.sum())
        for name, (total, count) in loss.metrics.items():
            self._add(name, total, count)
        return loss.total * (accumulate * world / phase.positions)

    def _add(self, name: str, total: Tensor, count: Tensor) -> None:
        if name in self.sums:
            self.sums[name][0] += total
            self.sums[name][1] += count
        else:
            self.sums[name] = [total.double(), count.double()]

    def pop_metrics(self) -> dict[str, tuple[float, float]]:
        """Loss parts since the last call, over all ranks; empties them. `NonFiniteError` when a step was not good."""
        self.check_finite()
        names = sorted(self.sums)
        if not names:
            return {}
        values = torch.stack([torch.stack(self.sums[name]) for name in names])
        values = self.trainer.strategy.reduce(values, reduce_op="sum")
        self.sums = {}
        assert isinstance(values, Tensor)
        return {name: (float(total), float(count)) for name, (total, count) in zip(names, values.tolist(), strict=True)}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip to ``optimizer.max_grad_norm``; stop before the step when loss or gradient is not finite (on a CPU)."""
        clip = self.config.optimizer.max_grad_norm or float("inf")
        self.grad_norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip)
        if self.guard is None:
            deferred = self.grad_norm.device.type == "cuda"
            self.guard, self._guarded_from = NonFiniteGuard(list(self.network.parameters()), deferred), self.completed
        if not self.guard.check(self.grad_norm):
            self._raise_nonfinite(self.completed)

    def check_finite(self) -> None:
        """Raise `NonFiniteError` when a step since the start was not good; waits for the device."""
        good = self.guard.bad_step() if self.guard is not None else None
        if good is not None:
            self._raise_nonfinite(self._guarded_from + good)

    def _raise_nonfinite(self, step: int) -> None:
        documents = self.plan.documents_of(step)
        shown = ", ".join(map(str, documents[:8])) + (", ..." if len(documents) > 8 else "")
        raise NonFiniteError(
            f"step {step}: the gradient is not finite (documents {shown} of the prepared corpus); "
            "the weights are those before this step"
        )

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Set the rates of this step, make it, count it, and update the average of the weights."""
        schedules.apply(
            getattr(optimizer, "optimizer", optimizer),
            self.config.schedule,
            self.config.optimizer,
            self.completed,
            self.plan.schedule_steps,
        )
        optimizer.step(closure=optimizer_closure)
        if self.guard is not None:
            self.guard.revert()
        self.completed += 1
        if self.average is not None:
            self.average.update(self.completed - 1)

    def weights(self) -> dict[str, Tensor]:
        """The weights a revision holds: the average where there is one, else the live ones.

        `NonFiniteError` when a step was not good.
        """
        self.check_finite()
        state = dict(self.network.state_dict())
        averaged = self.average.averaged_state() if self.average is not None else None
        if averaged is None:
            return state
        names = {parameter.data_ptr(): name for name, parameter in self.network.named_parameters()}
        return {
            key: averaged[names[value.data_ptr()]] for key, value in state.items()
        }  # tied weights share one average
