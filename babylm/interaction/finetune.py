"""Learn from turns that have been judged: any objective over sequences, in a plain loop of AdamW.

For many small students that start anew from the same weights after each round (ReSpect, coupling). With a `Rounds` feed
each of them would be a run with a folder, a plan, checkpoints and a tokenizer, and none of it is needed. Rows and
losses are those of that feed (`sequence_rows`, `babylm.objectives`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from babylm.interaction.episodes import Turn
from babylm.interaction.games import SPECIAL
from babylm.interaction.sequence_rows import sequence_rows
from babylm.objectives._sequences import SequenceObjective


@dataclass(frozen=True)
class Finetuning:
    """How much is learnt."""

    steps: int
    lr: float = 2e-3
    """At its highest: it rises over the first tenth of the steps and falls as a cosine."""
    rows: int = 48
    """Turns per step."""
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0


def finetune(
    model: Any,
    objective: SequenceObjective,
    turns: Sequence[Turn],
    settings: Finetuning,
    seed: int,
    pictures: torch.Tensor | None = None,
) -> list[float]:
    """Train ``model`` on ``turns`` by their rewards; returns the loss of each step. A turn's gold is never read.

    The turns are shuffled anew each pass. The same seed, turns and weights give the same weights.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.lr, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    generator = random.Random(seed)
    order: list[Turn] = []
    losses = []
    model.train()
    for step in range(settings.steps):
        while len(order) < settings.rows:
            order += generator.sample(list(turns), len(turns))
        batch, order = order[: settings.rows], order[settings.rows :]
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * _schedule((step + 1) / settings.steps)
        rows = sequence_rows(
            [[turn] for turn in batch], pad=SPECIAL["pad"], step=step, divisor=float(len(batch)), pictures=pictures
        )
        loss = (
            objective.loss(model, objective.corrupt(rows, torch.empty(0), step / settings.steps)).total / rows.divisor
        )
        if loss.requires_grad:  # none of these turns is worth anything
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
            optimizer.step()
        losses.append(float(loss.detach()))
    model.eval()
    return losses


def _schedule(progress: float) -> float:
    """Share of the highest rate: a rise over the first tenth, then half a cosine.

    >>> [round(_schedule(progress), 3) for progress in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    return min(progress / 0.1, 0.5 * (1 + math.cos(math.pi * (progress - 0.1) / 0.9))) if progress > 0 else 0.0
