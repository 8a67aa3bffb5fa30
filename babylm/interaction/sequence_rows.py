"""Groups of turns as rows of a `TokenBatch`, one sequence per row, with what learners need of each token."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from babylm.batches.feed import TokenBatch
from babylm.interaction.episodes import Turn
from babylm.interaction.items import Items, model_inputs
from babylm.objectives import Objective

MULTIPLE = 8
"""Rows are as long as a multiple of this, so that few lengths occur."""

VALUES = "values"
"""Key of a turn's ``meta``: the value of each of its tokens when it was sampled, for learners that have values."""
ROWS = 64
"""Sequences whose values are computed at once."""


def record_values(
    objective: Objective, model: torch.nn.Module, turns: Sequence[Turn], pad: int, pictures: torch.Tensor | None = None
) -> None:
    """Write the values that ``objective`` gives the tokens of turns now into their ``meta``, if it has values."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    for first in range(0, len(turns), ROWS):
        part = turns[first : first + ROWS]
        rows = sequence_rows([[turn] for turn in part], pad=pad, step=0, divisor=1.0, pictures=pictures).to(device)
        values = objective.behaviour_values(model, rows)  # type: ignore[arg-type]
        if values is None:
            break
        for row, turn in zip(values.tolist(), part, strict=True):
            begin = len(turn.prompt_ids)
            turn.meta[VALUES] = row[begin : begin + len(turn.ids)]
    model.train(training)


def sequence_rows(
    groups: Sequence[Sequence[Turn]], *, pad: int, step: int, divisor: float, pictures: torch.Tensor | None = None
) -> TokenBatch:
    """One row per turn: prompt, completion, pads (`babylm.objectives._sequences` has an example).

    Items of a turn (``meta["items"]``, the fields of `Items`) go along, with their ``pictures`` (n, 3, size, size).

    A turn that fills up its group (the same turn twice in a row) has no sequence: it is read and not learnt from.
    """
    turns = [(number, turn) for number, group in enumerate(groups) for turn in group]
    longest = max(len(turn.prompt_ids) + len(turn.ids) for _, turn in turns)
    length = -(-longest // MULTIPLE) * MULTIPLE
    shape = (len(turns), length)
    tokens = torch.full(shape, pad, dtype=torch.int64)
    documents = torch.ones(shape, dtype=torch.int32)
    sequence_ids, group_ids = torch.full(shape, -1), torch.full(shape, -1)
    reward, behaviour, reference = (torch.zeros(shape) for _ in range(3))
    previous: Turn | None = None
    for row, (group, turn) in enumerate(turns):
        begin, end = len(turn.prompt_ids), len(turn.prompt_ids) + len(turn.ids)
        tokens[row, :end] = torch.tensor([*turn.prompt_ids, *turn.ids])
        documents[row, :end] = 0
        if turn is not previous:
            sequence_ids[row, begin:end], group_ids[row, begin:end] = row, group
            reward[row, begin:end] = turn.reward
            behaviour[row, begin:end] = torch.tensor(turn.logp)
            reference[row, begin:end] = torch.tensor(turn.meta["reference_logp"])
        previous = turn
    extra = {
        "sequence_ids": sequence_ids,
        "group_ids": group_ids,
        "reward": reward,
        "behaviour_logp": behaviour,
        "reference_logp": reference,
        **model_inputs(items_of([turn for _, turn in turns]), pictures, [0] * len(turns)),
    }
    if all(VALUES in turn.meta for _, turn in turns):
        extra["behaviour_value"] = torch.zeros(shape)
        for row, (_, turn) in enumerate(turns):
            begin = len(turn.prompt_ids)
            extra["behaviour_value"][row, begin : begin + len(turn.ids)] = torch.tensor(turn.meta[VALUES])
    words = torch.zeros(shape, dtype=torch.uint8)
    return TokenBatch(tokens, documents, words, step=step, step_rows=len(turns), divisor=divisor, extra=extra)


def items_of(turns: Sequence[Turn]) -> list[Items | None]:
    """The items of each turn, None for a turn without."""
    return [Items(**turn.meta["items"]) if "items" in turn.meta else None for turn in turns]
