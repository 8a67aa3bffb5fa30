"""The LightningModule: corrupt, compute the loss, divide the sum, step. What varies is a function of the step.

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
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from babylm import optimizers, schedules, sharding
from babylm.batches.feed import Feed, TokenBatch
from babylm.config.schema import OptimizerConfig, ScheduleConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import Loss, Objective
from babylm.randomness import Purpose, derive_seed
from babylm.training import strategies
from babylm.training.errors import NonFiniteError
from babylm.training.nonfinite import NonFiniteGuard
from babylm.weight_averaging import WeightAverage


class Pretraining(L.LightningModule):
    """Network, objective and feed; ``completed`` is the number of optimizer steps done."""

    def __init__(
        self,
        network: BabyLMForCausalLM,
        objective: Objective,
        feed: Feed,
        optimizer: OptimizerConfig,
        schedule: ScheduleConfig,
        seed: int,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__()
        self.network, self.objective, self.feed, self.average = network, objective, feed, average
        objective.prepare(network)
        self.objective_module = objective.module  # named here, so that Lightning moves and synchronises it
        self.optimizer_config, self.schedule, self.seed = optimizer, schedule, seed
        self.completed = 0
        self.grad_norm: Tensor | None = None
        self.guard: NonFiniteGuard | None = None
        self._guarded_from = 0
        self.sums: dict[str, list[Tensor]] = {}
        """Loss parts since the last `pop_metrics`: name -> [sum, count], on the device."""

    def configure_model(self) -> None:
        """Shard the parameters, if that is the strategy; called once, before `configure_optimizers`."""
        if self.device_mesh is not None:
            strategies.shard(self, self.device_mesh["data_parallel"])
            if self.average is not None:
                self.average.follow(self.network.named_parameters())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One optimizer over all parameters, as ``optimizer`` configures it."""
        return optimizers.build(self.optimizer_config, self.trained_parameters())

    def trained_parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        """The parameters of the network, then those that the objective trains beside it, by name."""
        return [*self.network.named_parameters(), *self.objective.named_parameters()]

    def training_step(self, batch: TokenBatch, batch_idx: int = 0) -> Tensor:
        """This batch's part of the step's loss, scaled so that Lightning's averages over batches and ranks are sums."""
        loss = self.batch_loss(batch)
        for name, (total, count) in loss.metrics.items():
            self._add(name, total, count)
        return loss.total * (self.trainer.accumulate_grad_batches * self.trainer.world_size / batch.divisor)

    def batch_loss(self, batch: TokenBatch) -> Loss:
        """The loss of a batch, a sum; its random numbers depend on seed, step and the batch's rows alone."""
        device, (rows, length) = batch.tokens.device, batch.shape
        # (step rows, uniforms, length): drawn for all rows of the step, of which each rank and accumulated batch
        # takes its slice. So the numbers do not depend on how the step is cut.
        generator = torch.Generator(device).manual_seed(derive_seed(self.seed, Purpose.MASKS, batch.step))
        uniforms = self.objective.draw_uniforms(batch.step_rows, length, generator)
        uniforms = uniforms[batch.offset : batch.offset + rows]
        torch.manual_seed(derive_seed(self.seed, Purpose.DROPOUT, batch.step, batch.offset))
        corrupted = self.objective.corrupt(batch, uniforms, self.feed.progress(batch.step))
        return self.objective.loss(self.network, corrupted)

    def _add(self, name: str, total: Tensor, count: Tensor) -> None:
        if name in self.sums:
            self.sums[name][0] += total
            self.sums[name][1] += count
        else:
            self.sums[name] = [total.double(), count.double()]

    def pop_metrics(self) -> dict[str, tuple[float, float]]:
        """Loss parts since the last call, over all ranks; empties them. `NonFiniteError` after a bad step."""
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
        """Clip to ``optimizer.max_grad_norm``; on a CPU, stop before the step if the norm is not finite."""
        clip = self.optimizer_config.max_grad_norm or float("inf")
        parameters = [parameter for _, parameter in self.trained_parameters()]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)  # of all shards
        torch.nn.utils.clip_grads_with_norm_(parameters, clip, norm)
        self.grad_norm = sharding.full(norm)
        if self.guard is None:
            deferred = self.grad_norm.device.type == "cuda"
            shards = [sharding.local(parameter) for parameter in parameters]
            self.guard, self._guarded_from = NonFiniteGuard(shards, deferred), self.completed
        if not self.guard.check(self.grad_norm):
            self._raise_nonfinite(self.completed)

    def check_finite(self) -> None:
        """Raise `NonFiniteError` if a step since the start was bad; waits for the device."""
        good_steps = self.guard.bad_step() if self.guard is not None else None
        if good_steps is not None:
            self._raise_nonfinite(self._guarded_from + good_steps)

    def _raise_nonfinite(self, step: int) -> None:
        raise NonFiniteError(
            f"step {step}: the gradient is not finite ({self.feed.describe_step(step)}); "
            "the weights are those before this step"
        )

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Set the rates of this step, make it, count it, and update the average of the weights."""
        schedules.apply(
            getattr(optimizer, "optimizer", optimizer),
            self.schedule,
            self.optimizer_config,
            self.completed,
            self.feed.progress(self.completed + 0.5),
        )
        optimizer.step(closure=optimizer_closure)
        if self.guard is not None:
            self.guard.revert()
        self.completed += 1
        self.objective.after_step(self.network, self.completed)
        if self.average is not None:
            self.average.update(self.completed - 1)

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Learn anew from ``weights``, with an optimizer that has made no step; `completed` counts on."""
        self.network.load_state_dict(weights)
        self.objective.restart(self.network)
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        optimizer.optimizer.state.clear()

    def weights(self) -> dict[str, Tensor]:
        """The weights of a revision, by name: the average if there is one, else the live ones.

        Of sharded parameters they are gathered, so all processes must call it.

        Raises:
            NonFiniteError: A step was bad.
        """
        self.check_finite()
        parameters = dict(self.network.named_parameters())
        averaged = self.average.averaged_state() if self.average is not None else None
        values = sharding.gather(averaged or {name: p.detach() for name, p in parameters.items()})
        names = {id(parameter): name for name, parameter in parameters.items()}
        return {  # tied weights share one value
            name: values[names[id(parameter)]]
            for name, parameter in self.network.named_parameters(remove_duplicate=False)
        }
