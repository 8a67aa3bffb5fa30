"""Evaluation inside training: held-out loss and tasks at milestones and at the end, on a copy of the weights.

The weights that are scored are those that a revision would hold. Training is not disturbed: the copy is another
network, every step draws its random numbers anew, and the throughput excludes the time.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from torch import Tensor

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
        self.dev = held_out(setup, "dev")
        self.seconds = 0.0
        self.final: dict[str, Any] = {}
        """Results by task after the last step; empty before."""

    @classmethod
    def build(cls, setup: TrainingSetup, meters: ThroughputMonitor | None) -> Evaluation | None:
        """The callback; None if nothing is measured inside training."""
        evaluation = setup.config.evaluation
        tasks = evaluation.when != "none" and bool(evaluation.tasks)
        loss = evaluation.held_out_loss_when != "none" and setup.config.corpus.dev is not None
        return cls(setup, meters) if tasks or loss else None

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Score and log; the time is excluded from the throughput. Other ranks wait."""
        tasks, loss = scores_tasks(self._setup, step), measures_loss(self._setup, step)
        if not (tasks or loss):
            return
        begin = time.perf_counter()
        left = self.meters.left if self.meters is not None else None
        with nullcontext() if left is None else left.pause("tasks" if tasks else "loss"):
            weights = module.weights()  # all processes gather them, the first one measures
            if trainer.is_global_zero:
                values = self.measure(module, step, weights)
                for logger in trainer.loggers:
                    logger.log_metrics({"words": module.feed.words_after(step), **values}, step)
            trainer.strategy.barrier()
        self.seconds += time.perf_counter() - begin
        if self.meters is not None:
            self.meters.exclude_pause(begin)

    def measure(self, module: Pretraining, step: int, weights: dict[str, Tensor]) -> dict[str, float]:
        """Held-out loss and task scores of the ``weights`` after ``step`` steps, as flat metrics."""
        begin = time.perf_counter()
        network = self._setup.network_with(weights)
        values: dict[str, float] = {}
        if measures_loss(self._setup, step) and self.dev is not None:
            tokens = None if module.feed.is_over(step) else self._setup.config.evaluation.loss_tokens
            values |= {
                f"dev/{mode}": value for mode, value in loss(self._setup, network, self.dev, tokens)["all"].items()
            }
        if scores_tasks(self._setup, step):
            results = score(self._setup, network)
            values |= {f"task/{task}": result.official for task, result in results.items()}
            if module.feed.is_over(step):
                self.final = results
        line = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        seconds = time.perf_counter() - begin
        self._setup.log(f"measured at {module.feed.words_after(step):,} words: {line}  ({duration(seconds)})")
        return {**values, "evaluation_seconds": seconds}


def scores_tasks(setup: TrainingSetup, step: int) -> bool:
    """Whether tasks are scored after ``step`` steps."""
    evaluation = setup.config.evaluation
    if not evaluation.tasks or evaluation.when == "none":
        return False
    chosen = [m for m in setup.feed.due(step) if not evaluation.milestones or m.name in evaluation.milestones]
    return setup.feed.is_over(step) or (evaluation.when == "milestones" and bool(chosen))


def measures_loss(setup: TrainingSetup, step: int) -> bool:
    """Whether the held-out loss is measured after ``step`` steps."""
    when = setup.config.evaluation.held_out_loss_when
    if setup.config.corpus.dev is None or when == "none":
        return False
    return setup.feed.is_over(step) or (when == "milestones" and bool(setup.feed.due(step)))


def loss(
    setup: TrainingSetup, network: torch.nn.Module, text: HeldOutText, tokens: int | None = None
) -> dict[str, dict[str, float]]:
    """Held-out loss by source in the run's precision, on about ``tokens`` tokens or all of the text."""
    with torch.autocast(setup.device.type, torch.bfloat16, enabled=setup.precision == "bf16"):
        return text.loss(network, setup.objective.validation_modes(), setup.device, tokens)


def score(setup: TrainingSetup, network: Any) -> dict[str, Any]:
    """Results by task of a network in memory, at most ``evaluation.limit`` items per file of the fast suite."""
    from babylm.evaluation import suite

    settings = setup.config.evaluation
    backend = settings.backend if settings.backend != "auto" else setup.config.objective.backend
    return suite.run(
        network,
        setup.corpus.tokenizer_folder,
        settings.tasks,
        backend=backend,
        data=settings.data,
        limit=settings.limit,
        rules=setup.config.rules,
        settings=settings,
    )


def held_out(setup: TrainingSetup, which: str) -> HeldOutText | None:
    """The ``dev`` or ``test`` text of the configuration, encoded and packed; None if it has none."""
    path = getattr(setup.config.corpus, which)
    if path is None:
        return None
    corpus = setup.config.corpus
    source = sources.held_out(path, corpus.document_words, corpus.documents)
    encoded = encoding.encode(tokenizer.load(setup.corpus.tokenizer_folder), source.documents())
    special = setup.special
    longest = setup.config.phases[-1].sequence_length
    return HeldOutText(which, encoded, bos=special.bos, pad=special.pad, sequence_length=longest)
