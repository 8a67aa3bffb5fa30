"""Limits of a model: how many tokens it reads at once, and which. Checked before anything is scored.

A text that is too long would raise an index error after hours, on a GPU one that kills the process, and cutting it
would score another text. So its task is refused, naming the item; the official pipeline does not handle it either.
A model without a table of positions (rotary, relative, ALiBi) may read beyond the length in its configuration, as it
does in the official pipeline; this is warned of.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch

from babylm.evaluation.scoring.log_probs import LogProbModel
from babylm.evaluation.scoring.model_size import stated_positions, table_positions

MOST_BEYOND = 32
"""Times the stated length: attention of a longer text would take hours, or all memory."""
SHOWN = 60
"""Characters of a text in a message."""


class BeyondModel(ValueError):
    """A text that the model cannot read, or without any scored token; the message names it."""


def check(
    network: LogProbModel,
    tokenizer: Any,
    texts: Sequence[Sequence[int]],
    unread: int = 0,
    named: Callable[[int], str] | None = None,
) -> None:
    """`BeyondModel` for the first text with too many tokens, or with one that the embedding does not have.

    ``texts``: the ids of each. ``unread``: how many tokens at the end of a text the model need not read. ``named``
    gives a text's name in messages, by its number; by default its beginning.
    """
    if not texts:
        return
    name = named or (lambda k: f"the text {shown(tokenizer.decode(texts[k]))}")
    model = type(network.model).__name__
    lengths = [len(ids) - unread for ids in texts]
    limit = readable(network, max(lengths))
    if limit is not None:
        k = next(k for k, length in enumerate(lengths) if length > limit)
        count = sum(length > limit for length in lengths)
        more = f" ({count} of {len(texts)} texts are too long)" if count > 1 else ""
        raise BeyondModel(
            f"{name(k)} has {len(texts[k])} tokens, and {model} has {limit} positions{more}; shorten or remove it"
        )
    for k, ids in enumerate(texts):
        if network.entries is not None and max(ids, default=0) >= network.entries:
            beyond = max(ids)
            token = tokenizer.convert_ids_to_tokens(beyond)
            raise BeyondModel(
                f"{name(k)} has the token {token!r} with the id {beyond}, and the embedding of {model} has "
                f"{network.entries} entries: this is not the tokenizer that the model was trained with"
            )


def readable(network: LogProbModel, length: int) -> int | None:
    """None if the model reads ``length`` tokens at once, else how many it has positions for."""
    if length <= network.longest:
        return None
    table, stated = table_positions(network.model), stated_positions(network.model)
    if table is not None and length > table:
        return table
    if table is None and stated is not None and length > stated:
        if length > MOST_BEYOND * stated or not _reads(network, length):
            return stated
        logging.getLogger(__name__).warning(
            "%s states %d positions, and the longest text has %d tokens: read nonetheless, as by the official pipeline",
            type(network.model).__name__, stated, length,
        )  # fmt: skip
    network.longest = length
    return None


def shown(text: str) -> str:
    """A text's beginning, quoted, in one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN else line[: SHOWN - 3] + "...")


@torch.no_grad()
def _reads(network: LogProbModel, length: int) -> bool:
    """Whether the model takes a row of this length, by trying; on a CPU, as a GPU's index error cannot be caught."""
    model = network.model if network.device.type == "cpu" else copy.deepcopy(network.model).to("cpu")
    training = model.training
    model.eval()
    ids = torch.zeros(1, length, dtype=torch.long)
    try:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    except (RuntimeError, ValueError, IndexError):
        return False
    finally:
        model.train(training)
    return True
