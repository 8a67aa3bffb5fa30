"""A plain loop that fine-tunes a model on sequences by any objective over them, for studies of many small models.

A run (`babylm.training`) has a folder, milestones and a state to continue from; a study that compares fifty models of
a few minutes needs none of them. Rows, losses and optimizer are the same. The loop is a function of its arguments: the
same model, groups, settings and seed give the same weights.

    groups = sample_groups(model, prompts, samples=8, ends={eos}, pad=pad, max_new_tokens=32, seed=1)
    add_reference(model, groups, pad)
    objective = objectives.build(settings, special)
    fine_tune(model, groups, objective, FineTuning(steps=60), pad=pad, seed=1)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from babylm import optimizers, schedules
from babylm.config.schema import OptimizerConfig, ScheduleConfig
from babylm.generation import sampler
from babylm.hardware import Precision
from babylm.interaction.episodes import Turn
from babylm.interaction.sequence_rows import record_values, sequence_rows
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import Objective
from babylm.randomness import Purpose, derive_seed, seed_generators

MUON_ADAM = 0.3
"""With Muon, the learning rate of embeddings and vectors is this share of that of the matrices."""
Group = Sequence[Turn]
"""Sequences that answer one prompt."""


@dataclass(frozen=True)
class FineTuning:
    """How a model is fine-tuned: AdamW on all weights."""

    steps: int
    groups_per_step: int = 16
    """Each step reads so many groups; every group is read once before one is read again."""
    lr: float = 1e-4
    schedule: Literal["trapezoid", "cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.1
    """Share of the steps over which the rate rises."""
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    max_grad_norm: float = 1.0
    precision: Precision = "fp32"
    """Of the matrix products; weights stay in fp32. `babylm.hardware.choose_precision` knows what is fast here."""
    optimizer_name: Literal["adamw", "muon"] = "adamw"

    def optimizer(self) -> OptimizerConfig:
        """The same as a section of a run's configuration."""
        decay, betas = self.weight_decay, list(self.betas)
        name, adam_lr = self.optimizer_name, self.lr * MUON_ADAM
        return OptimizerConfig(
            name=name, lr=self.lr, adam_lr=adam_lr, weight_decay=decay, betas=betas, eps=1e-8, momentum_warmup=100
        )


def fine_tune(
    model: BabyLMForCausalLM,
    groups: Sequence[Group],
    objective: Objective,
    settings: FineTuning,
    *,
    pad: int,
    seed: int,
    pictures: torch.Tensor | None = None,
) -> list[float]:
    """Train ``model`` in place; returns the loss of each step, in the mean per group.

    ``groups`` are read in a new order each epoch. Dropout is the model's. The model is left in evaluation mode.
    ``pictures``: (n, 3, size, size), for turns with items that are pictures.

    Raises:
        ValueError: There is no group.
    """
    if not groups:
        raise ValueError("fine-tuning: there is no group of sequences to learn from")
    tuner = Tuner(model, objective, settings, pad=pad, seed=seed, pictures=pictures)
    record_values(objective, model, [turn for group in groups for turn in group], pad, pictures)
    order, losses = _order(len(groups), settings.steps * settings.groups_per_step, seed), []
    for step in range(settings.steps):
        chosen = order[step * settings.groups_per_step : (step + 1) * settings.groups_per_step]
        losses.append(tuner.step([groups[index] for index in chosen]))
    return [float(value) for value in losses]


class Tuner:
    """A model with its optimizer, for loops that choose the groups of each step, such as those that sample anew.

    ``settings.groups_per_step`` is not read. The model is in evaluation mode between two steps.
    """

    def __init__(
        self,
        model: BabyLMForCausalLM,
        objective: Objective,
        settings: FineTuning,
        *,
        pad: int,
        seed: int,
        pictures: torch.Tensor | None = None,
    ) -> None:
        self.model, self.objective, self.settings = model, objective, settings
        self.pad, self.seed, self.pictures = pad, seed, pictures
        objective.prepare(model)
        self.config = settings.optimizer()
        self.named = [*model.named_parameters(), *objective.named_parameters()]
        self.optimizer = optimizers.build(self.config, self.named)
        self.schedule = ScheduleConfig(name=settings.schedule, warmup=settings.warmup)
        self.done = 0
        """Steps that have been made."""
        model.eval()

    def step(self, groups: Sequence[Group]) -> torch.Tensor:
        """Make one step on groups; returns the loss in the mean per group, without gradient."""
        step = self.done
        batch = sequence_rows(
            groups, pad=self.pad, step=step, divisor=float(len(groups)), pictures=self.pictures, packed=True
        ).to(self.model.device)
        seed_generators(derive_seed(self.seed, Purpose.DROPOUT, step), self.model.device)
        progress = (step + 0.5) / self.settings.steps
        # Rows of sequences are not masked, so they need no uniforms.
        corrupted = self.objective.corrupt(batch, batch.tokens.new_zeros(0), progress)
        self.model.train()
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            loss = self.objective.loss(self.model, corrupted).total / batch.divisor
        self.optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:  # a batch without any item has no gradient
            loss.backward()
            parameters = [parameter for _, parameter in self.named]
            torch.nn.utils.clip_grad_norm_(parameters, self.settings.max_grad_norm)
            schedules.apply(self.optimizer, self.schedule, self.config, step, progress)
            self.optimizer.step()
        self.objective.after_step(self.model, step + 1)
        self.model.eval()
        self.done += 1
        return loss.detach()


def _order(count: int, needed: int, seed: int) -> list[int]:
    """Indices of groups, permutation after permutation."""
    order: list[int] = []
    while len(order) < needed:
        generator = torch.Generator().manual_seed(derive_seed(seed, Purpose.EPISODES, len(order)))
        order += torch.randperm(count, generator=generator).tolist()
    return order


def demonstration(prompt_ids: Sequence[int], ids: Sequence[int], reward: float = 1.0, episode: int = 0) -> Turn:
    """A sequence that no model sampled, for supervised learning: its log-probabilities are not known, and set to 0."""
    zeros = [0.0] * len(ids)
    meta = {"reference_logp": zeros}
    return Turn(0, episode, 0, "teacher", "", "", list(prompt_ids), list(ids), zeros, zeros, reward, meta=meta)


def sample_groups(
    model: BabyLMForCausalLM,
    prompts: Sequence[Sequence[int]],
    *,
    samples: int,
    ends: Collection[int],
    pad: int,
    max_new_tokens: int,
    seed: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    rows: int = 256,
) -> list[list[Turn]]:
    """``samples`` completions of each prompt (token ids, BOS included), with log-probabilities and entropies.

    ``rows``: completions that are sampled at once; the result does not depend on it, up to rounding.
    """
    jobs = [(episode, sample) for episode in range(len(prompts)) for sample in range(samples)]
    groups: list[list[Turn]] = [[] for _ in prompts]
    training = model.training
    model.eval()
    for first in range(0, len(jobs), rows):
        part = jobs[first : first + rows]
        completions = sampler.sample(
            model,
            [prompts[episode] for episode, _ in part],
            max_new_tokens=max_new_tokens,
            ends=ends,
            pad=pad,
            seeds=[derive_seed(seed, Purpose.SAMPLING, *job) for job in part],
            temperature=temperature,
            top_p=top_p,
        )
        for (episode, sample), made in zip(part, completions, strict=True):
            prompt_ids = list(prompts[episode])
            turn = Turn(0, episode, sample, "student", "", "", prompt_ids, made.ids, made.logp, made.entropy)
            groups[episode].append(turn)
    model.train(training)
    return groups


def add_reference(reference: BabyLMForCausalLM, groups: Sequence[Group], pad: int) -> None:
    """Give each turn the log-probabilities of its tokens under ``reference``, which objectives may compare with."""
    turns = [turn for group in groups for turn in group]
    training = reference.training
    reference.eval()
    completions = sampler.log_probs(reference, [(turn.prompt_ids, turn.ids) for turn in turns], pad)
    reference.train(training)
    for turn, completion in zip(turns, completions, strict=True):
        turn.meta["reference_logp"] = completion.logp
