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
from babylm.batches.plan import Plan
from babylm.config.schema import OptimizerConfig, ScheduleConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import Loss, Objective
from babylm.randomness import Purpose, derive_seed, seed_generators
from babylm.training import strategies
from babylm.training.errors import NonFiniteError
from babylm.training.nonfinite import NonFiniteGuard
from babylm.training.replay import StepReplay
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
        self.replay: StepReplay | None = None
        """Makes whole steps if set (`replay_steps`)."""
        self._compile_optimizer = False
        self._parameters_clipped: list[torch.nn.Parameter] | None = None
        self._sums: dict[tuple[str, ...], Tensor] = {}
        """Loss parts since the last `pop_metrics`: names -> (2 * names,) float64, sums and counts, on the device."""

    def configure_model(self) -> None:
        """Shard the parameters, if that is the strategy; called once, before `configure_optimizers`."""
        if self.device_mesh is not None:
            strategies.shard(self, self.device_mesh["data_parallel"])
            if self.average is not None:
                self.average.follow(self.network.named_parameters())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One optimizer over all parameters, as ``optimizer`` configures it."""
        optimizer = optimizers.build(self.optimizer_config, self.trained_parameters())
        if self._compile_optimizer and hasattr(optimizer, "compile"):
            optimizer.compile()
        return optimizer

    def trained_parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        """The parameters of the network, then those that the objective trains beside it, by name."""
        return [*self.network.named_parameters(), *self.objective.named_parameters()]

    def training_step(self, batch: TokenBatch, batch_idx: int = 0) -> Tensor:
        """This batch's part of the step's loss, scaled so that Lightning's averages over batches and ranks are sums."""
        if self.replay is not None:
            return self._replayed_step(batch)
        loss = self.batch_loss(batch)
        self._add(tuple(loss.metrics), torch.stack([value for pair in loss.metrics.values() for value in pair]))
        return loss.total * (self.trainer.accumulate_grad_batches * self.trainer.world_size / batch.divisor)

    def replay_steps(
        self, captures: bool = False, compiled: bool = False, tell: Callable[[str], None] | None = None
    ) -> None:
        """Make whole steps by `StepReplay`: Lightning's backward, clipping and optimizer then find nothing to do.

        ``captures`` and ``tell`` as in `StepReplay`; ``compiled``: the optimizer's elementwise work too, if it can be.
        """
        assert isinstance(self.feed, Plan)
        self._compile_optimizer = compiled
        self.replay = StepReplay(
            self.feed,
            self.objective,
            lambda masked: self.objective.loss(self.network, masked),
            lambda: self._clip(deferred=True)[0],
            lambda: self.guard.revert() if self.guard is not None else None,
            captures=captures,
            tell=tell,
        )

    def _replayed_step(self, batch: TokenBatch) -> Tensor:
        """The loss of a step that is complete, without gradient."""
        assert self.replay is not None
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        made = self.replay.run(batch, self._draw(batch), optimizer.optimizer)
        assert made.metrics is not None
        assert made.loss is not None
        self._add(made.names, made.metrics)
        self.grad_norm = made.norm
        return made.loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Lightning's backward; of a replayed step there is none left to make."""
        if self.replay is None:
            super().backward(loss, *args, **kwargs)

    def batch_loss(self, batch: TokenBatch) -> Loss:
        """The loss of a batch, a sum; its random numbers depend on seed, step and the batch's rows alone."""
        corrupted = self.objective.corrupt(batch, self._draw(batch), self.feed.progress(batch.step))
        return self.objective.loss(self.network, corrupted)

    def _draw(self, batch: TokenBatch) -> Tensor:
        """The uniforms of the batch's rows; torch's generators are seeded for dropout."""
        device, (rows, length) = batch.tokens.device, batch.shape
        # (step rows, uniforms, length): drawn for all rows of the step, of which each rank and accumulated batch
        # takes its slice. So the numbers do not depend on how the step is cut.
        generator = torch.Generator(device).manual_seed(derive_seed(self.seed, Purpose.MASKS, batch.step))
        uniforms = self.objective.draw_uniforms(batch.step_rows, length, generator)
        uniforms = uniforms[batch.offset : batch.offset + rows]
        seed_generators(derive_seed(self.seed, Purpose.DROPOUT, batch.step, batch.offset), device)
        return uniforms

    def _add(self, names: tuple[str, ...], values: Tensor) -> None:
        """Add the sum and count of each name, (2 * names,): all at once, as each addition is a launch."""
        self._sums[names] = self._sums[names] + values if names in self._sums else values.double()

    def pop_metrics(self) -> dict[str, tuple[float, float]]:
        """Loss parts since the last call, over all ranks; empties them. `NonFiniteError` after a bad step."""
        self.check_finite()
        sums: dict[str, Tensor] = {}
        for batch_names, parts in self._sums.items():
            for name, pair in zip(batch_names, parts.view(-1, 2), strict=True):
                sums[name] = sums[name] + pair if name in sums else pair
        names = sorted(sums)
        if not names:
            return {}
        values = self.trainer.strategy.reduce(torch.stack([sums[name] for name in names]), reduce_op="sum")
        self._sums = {}
        assert isinstance(values, Tensor)
        return {name: (float(total), float(count)) for name, (total, count) in zip(names, values.tolist(), strict=True)}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip to ``optimizer.max_grad_norm``; on a CPU, stop before the step if the norm is not finite."""
        if self.replay is not None:
            return
        self.grad_norm, finite = self._clip(deferred=None)
        if not finite:
            self._raise_nonfinite(self.completed)

    def _clip(self, deferred: bool | None) -> tuple[Tensor, bool]:
        """Clip and check the gradients; their norm, and whether to make the step.

        ``deferred``: check on the device; None: where that is faster.
        """
        clip = self.optimizer_config.max_grad_norm or float("inf")
        if self._parameters_clipped is None:  # once: walking through the modules takes 0.2 ms
            self._parameters_clipped = [parameter for _, parameter in self.trained_parameters()]
        parameters = self._parameters_clipped
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)  # of all shards
        torch.nn.utils.clip_grads_with_norm_(parameters, clip, norm)
        norm = sharding.full(norm)
        if self.guard is None:
            deferred = norm.device.type == "cuda" if deferred is None else deferred
            shards = [sharding.local(parameter) for parameter in parameters]
            self.guard, self._guarded_from = NonFiniteGuard(shards, deferred), self.completed
        return norm, self.guard.check(norm)

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
        if self.guard is not None and self.replay is None:
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
