"""Evaluation inside training: held-out loss and tasks at milestones and at the end, on a copy of the weights.

The weights that are scored are those that a revision would hold. Training is not disturbed: the copy is another
network, every step makes its random numbers anew, and the meters leave the time out.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import lightning as L
import torch

from babylm import objectives
from babylm.console import duration
from babylm.corpora import encoding, sources, tokenizer
from babylm.training.callbacks.base import StepCallback
from babylm.training.callbacks.throughput import ThroughputMonitor
from babylm.training.held_out_loss import HeldOutText
from babylm.training.module import Pretraining

if TYPE_CHECKING:
    from babylm.training.setup import TrainingSetup


class Evaluation(StepCallback):
    """Scores the network when it is due; the results go to the loggers as curves over words."""

    def __init__(self, setup: TrainingSetup, meters: ThroughputMonitor | None) -> None:
        self._setup, self.meters = setup, meters
        due = self.steps_by_kind(setup)
        self.tasks_at, self.loss_at = due["tasks"], due["loss"]
        self.dev = held_out(setup, "dev")
        self.seconds = 0.0
        self.final: dict[str, Any] = {}
        """Results by task of the last step, once there."""

    @classmethod
    def build(cls, setup: TrainingSetup, meters: ThroughputMonitor | None) -> Evaluation | None:
        """The callback, or ``None`` when nothing is to be measured inside training."""
        callback = cls(setup, meters)
        return callback if callback.tasks_at or callback.loss_at else None

    @staticmethod
    def steps_by_kind(setup: TrainingSetup) -> dict[str, set[int]]:
        """Steps after which ``tasks`` are scored and the held-out ``loss`` is measured."""
        config, last = setup.config, setup.plan.steps
        named = config.evaluation.milestones
        every = {m.step for m in setup.plan.milestones} | {last}
        chosen = {m.step for m in setup.plan.milestones if not named or m.name in named} | {last}
        return {
            "tasks": _due(config.evaluation.when, chosen, last) if config.evaluation.tasks else set(),
            "loss": _due(config.evaluation.held_out_loss_when, every, last) if config.corpus.dev is not None else set(),
        }

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Score, log, and tell the meters how long it took. The other ranks wait."""
        if step not in self.tasks_at | self.loss_at:
            return
        begin = time.perf_counter()
        left = self.meters.left if self.meters is not None else None
        with nullcontext() if left is None else left.pause("tasks" if step in self.tasks_at else "loss"):
            if trainer.is_global_zero:
                values = self.measure(module, step)
                for logger in trainer.loggers:
                    logger.log_metrics({"words": int(module.plan.words_at[step]), **values}, step)
            trainer.strategy.barrier()
        self.seconds += time.perf_counter() - begin
        if self.meters is not None:
            self.meters.exclude_pause(begin)

    def measure(self, module: Pretraining, step: int) -> dict[str, float]:
        """Held-out loss and task scores of the weights after ``step`` steps, as flat metrics."""
        begin = time.perf_counter()
        network = self._setup.network_with(module.weights())
        values: dict[str, float] = {}
        if step in self.loss_at and self.dev is not None:
            tokens = None if step == module.plan.steps else self._setup.config.evaluation.loss_tokens
            values |= {
                f"dev/{mode}": value for mode, value in loss(self._setup, network, self.dev, tokens)["all"].items()
            }
        if step in self.tasks_at:
            results = score(self._setup, network)
            values |= {f"task/{task}": result.official for task, result in results.items()}
            if step == module.plan.steps:
                self.final = results
        shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        seconds = time.perf_counter() - begin
        self._setup.log(f"measured at {int(module.plan.words_at[step]):,} words: {shown}  ({duration(seconds)})")
        return {**values, "evaluation_seconds": seconds}


def loss(
    setup: TrainingSetup, network: torch.nn.Module, text: HeldOutText, tokens: int | None = None
) -> dict[str, dict[str, float]]:
    """Held-out loss by source in the run's precision, on about ``tokens`` tokens or all of the text."""
    with torch.autocast(setup.device.type, torch.bfloat16, enabled=setup.precision == "bf16"):
        return text.loss(network, modes(setup), setup.device, tokens)


def score(setup: TrainingSetup, network: Any) -> dict[str, Any]:
    """Results by task of a network in memory, at most ``evaluation.limit`` items a file of the fast suite's data."""
    from babylm.evaluation import suite

    wanted = setup.config.evaluation
    backend = wanted.backend
    if backend == "auto":
        backend = setup.config.objective.masked_prediction if setup.config.objective.name == "masked" else "causal"
    return suite.run(
        network,
        setup.shards.tokenizer_folder,
        wanted.tasks,
        backend=backend,
        data=wanted.data,
        limit=wanted.limit,
        rules=setup.config.rules,
        settings=wanted,
    )


def modes(setup: TrainingSetup) -> dict[str, objectives.Objective]:
    """The pure objectives that the run's objective is made of, by the name of their metric."""
    wanted = setup.config.objective
    names = {"causal": ["causal"], "masked": ["masked"]}.get(wanted.name, ["causal", "masked"])
    return {name: objectives.build(replace(wanted, name=name), setup.special) for name in names}


def held_out(setup: TrainingSetup, which: str) -> HeldOutText | None:
    """The ``dev`` or ``test`` text of the configuration, encoded and packed; ``None`` when there is none."""
    path = getattr(setup.config.corpus, which)
    if path is None:
        return None
    source = sources.held_out(path, setup.config.corpus.document_words)
    encoded = encoding.encode(tokenizer.load(setup.shards.tokenizer_folder), source.documents())
    special = setup.special
    longest = setup.config.phases[-1].sequence_length
    return HeldOutText(which, encoded, bos=special.bos, pad=special.pad, sequence_length=longest)


def _due(when: str, milestones: set[int], last: int) -> set[int]:
    return {"none": set(), "milestones": milestones, "end": {last}}[when]
