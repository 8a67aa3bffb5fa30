"""Groups of turns as rows of a `TokenBatch`, with what learners need of each token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
    groups: Sequence[Sequence[Turn]],
    *,
    pad: int,
    step: int,
    divisor: float,
    pictures: torch.Tensor | None = None,
    packed: bool = False,
) -> TokenBatch:
    """One row per turn: prompt, completion, pads (`babylm.objectives._sequences` has an example).

    Items of a turn (``meta["items"]``, the fields of `Items`) go along, with their ``pictures`` (n, 3, size, size).
    ``packed``: several turns per row, each a document of its own, if none has items; such rows are not to be cut into
    smaller batches, as a group is then anywhere in them.

    A turn that fills up its group (the same turn twice in a row) has no sequence: it is read and not learnt from. A
    group that is there twice is learnt from twice.
    """
    turns = [(number, turn) for number, group in enumerate(groups) for turn in group]
    items = items_of([turn for _, turn in turns])
    sizes = [len(turn.prompt_ids) + len(turn.ids) for _, turn in turns]
    length = -(-max(sizes) // MULTIPLE) * MULTIPLE
    shares_rows = packed and all(item is None for item in items)
    spans = pack(sizes, length) if shares_rows else [Span(row, 0, 0) for row in range(len(turns))]
    shape = (1 + max(span.row for span in spans), length)
    tokens = torch.full(shape, pad, dtype=torch.int64)
    documents = torch.full(shape, len(turns), dtype=torch.int32)  # pads are a document, the last of the row
    sequence_ids, group_ids = torch.full(shape, -1), torch.full(shape, -1)
    reward, behaviour, reference, values = (torch.zeros(shape) for _ in range(4))
    has_values = all(VALUES in turn.meta for _, turn in turns)
    previous: tuple[int, Turn] | None = None
    for number, ((group, turn), size, span) in enumerate(zip(turns, sizes, spans, strict=True)):
        row, columns = span.row, slice(span.start, span.start + size)
        # The first token of a document is predicted from nothing: without a prompt it is no target.
        first = 0 if turn.prompt_ids else 1
        targets = slice(span.start + len(turn.prompt_ids) + first, columns.stop)
        tokens[row, columns] = torch.tensor([*turn.prompt_ids, *turn.ids])
        documents[row, columns] = span.document
        if previous is None or group != previous[0] or turn is not previous[1]:
            sequence_ids[row, targets], group_ids[row, targets] = number, group
            reward[row, targets] = turn.reward
            behaviour[row, targets] = torch.tensor(turn.logp[first:])
            reference[row, targets] = torch.tensor(turn.meta["reference_logp"][first:])
        if has_values:
            values[row, targets] = torch.tensor(turn.meta[VALUES][first:])
        previous = group, turn
    extra = {
        "sequence_ids": sequence_ids,
        "group_ids": group_ids,
        "reward": reward,
        "behaviour_logp": behaviour,
        "reference_logp": reference,
        **model_inputs(items, pictures, [0] * len(turns)),
        **({"behaviour_value": values} if has_values else {}),
    }
    words = torch.zeros(shape, dtype=torch.uint8)
    return TokenBatch(tokens, documents, words, step=step, step_rows=shape[0], divisor=divisor, extra=extra)


class Span(NamedTuple):
    """The columns of a row that a turn takes."""

    row: int
    start: int
    document: int
    """Its number among the documents of the row."""


def pack(sizes: Sequence[int], length: int) -> list[Span]:
    """A span for each of ``sizes`` in rows of ``length``: the largest first, each in the first row with room.

    >>> [tuple(span) for span in pack([3, 5, 4], 8)]
    [(0, 5, 1), (0, 0, 0), (1, 0, 0)]
    """
    rows: list[list[int]] = []  # the sizes in each
    spans: dict[int, Span] = {}
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        row = next((row for row, taken in enumerate(rows) if sum(taken) + sizes[number] <= length), len(rows))
        if row == len(rows):
            rows.append([])
        spans[number] = Span(row, sum(rows[row]), len(rows[row]))
        rows[row].append(sizes[number])
    return [spans[number] for number in range(len(sizes))]


def items_of(turns: Sequence[Turn]) -> list[Items | None]:
    """The items of each turn, None for a turn without."""
    return [Items(**turn.meta["items"]) if "items" in turn.meta else None for turn in turns]
