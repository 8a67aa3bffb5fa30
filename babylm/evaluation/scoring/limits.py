"""Limits of a model: how many tokens it reads at once, and which. Checked before anything is scored.

A text that is too long would raise an index error after hours, on a GPU one that kills the process, and cutting it
would score another text. So its task is refused, naming the item; the official pipeline does not handle it either.
A model without a table of positions (rotary, relative, ALiBi) may read beyond the length in its configuration, as it
does in the official pipeline; this is warned of.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from babylm.evaluation.results.task_result import Item

if TYPE_CHECKING:
    from babylm.evaluation.scoring.log_probs import LogProbModel
    from babylm.evaluation.scoring.scorer import ScoredText, Scorer

TABLE = re.compile(r"(^|[._])(wpe|pos|position|positions|positional)([._]|$)")
"""Names of embeddings of absolute positions: GPT-2's wpe, BERT's position_embeddings, OPT's embed_positions, ..."""
RELATIVE = re.compile(r"rel|dist|bias")
STATED = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length")
SHOWN = 60
"""Characters of a text in a message."""


class BeyondModel(ValueError):
    """A text that the model cannot read, or without any scored token; the message names it."""


def check_items(scorer: Scorer, items: Sequence[Item], task: str) -> None:
    """`BeyondModel` for the first item of ``task`` that the scorer's model cannot score as it is."""
    pairs = [pair for item in items for pair in zip(item.sentences, item.completions, strict=True)]
    owner = [index for index, item in enumerate(items) for _ in item.sentences]
    texts = scorer.encoded(pairs)

    def named(k: int) -> str:
        item = items[owner[k]]
        number = 1 + sum(other.uid == item.uid for other in items[: owner[k]])
        return f"{task}: item {number} of {item.uid} ({shown(pairs[k][0])})"

    check(scorer, texts, named)
    for k, text in enumerate(texts):
        if not text.positions:
            raise BeyondModel(
                f"{named(k)}: none of its {len(text.ids)} tokens is scored (the first has no score in a model without "
                "BOS), so it would win with a probability of 1"
            )


def check(scorer: Scorer, texts: Sequence[ScoredText], named: Callable[[int], str] | None = None) -> None:
    """`BeyondModel` for the first text with too many tokens, or with one that the embedding does not have.

    ``named`` gives a text's name in messages, by its number; by default its beginning.
    """
    if not texts:
        return
    name = named or (lambda k: f"the text {shown(scorer.tokenizer.decode(texts[k].ids))}")
    model = type(scorer.model).__name__
    last = scorer.backend == "causal"  # from whose last token nothing is predicted, so it is not read
    lengths = [len(text.ids) - last for text in texts]
    limit = readable(scorer.log_prob_model, max(lengths))
    if limit is not None:
        k = next(k for k, length in enumerate(lengths) if length > limit)
        count = sum(length > limit for length in lengths)
        more = f" ({count} of {len(texts)} texts are too long)" if count > 1 else ""
        raise BeyondModel(
            f"{name(k)} has {lengths[k] + last} tokens, and {model} has {limit} positions{more}; shorten or remove it"
        )
    size = scorer.log_prob_model.entries
    for k, text in enumerate(texts):
        if size is not None and max(text.ids, default=0) >= size:
            beyond = max(text.ids)
            token = scorer.tokenizer.convert_ids_to_tokens(beyond)
            raise BeyondModel(
                f"{name(k)} has the token {token!r} with the id {beyond}, and the embedding of {model} has {size} "
                "entries: this is not the tokenizer that the model was trained with"
            )


def readable(network: LogProbModel, length: int) -> int | None:
    """None if the model reads ``length`` tokens at once, else how many it has positions for."""
    if length <= network.longest:
        return None
    table, stated = table_positions(network.model), stated_positions(network.model)
    if table is not None and length > table:
        return table
    if table is None and stated is not None and length > stated:
        if not _reads(network, length):
            return stated
        logging.getLogger(__name__).warning(
            "%s states %d positions, and the longest text has %d tokens: read nonetheless, as by the official pipeline",
            type(network.model).__name__, stated, length,
        )  # fmt: skip
    network.longest = length
    return None


def table_positions(model: nn.Module) -> int | None:
    """Number of entries of the smallest table of absolute positions; None without a table."""
    sizes = []
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, nn.Embedding) and TABLE.search(last) and not RELATIVE.search(last):
            # RoBERTa counts from behind its padding id, OPT and BART from an offset.
            padding = -1 if module.padding_idx is None else module.padding_idx
            sizes.append(module.num_embeddings - max(padding + 1, int(getattr(module, "offset", 0) or 0)))
    return min(sizes, default=None)


def stated_positions(model: nn.Module) -> int | None:
    """Number of positions that the configuration states; None if it states none."""
    config = getattr(model, "config", None)
    values = (getattr(config, name, None) for name in STATED)
    return next((value for value in values if isinstance(value, int) and value > 0), None)


def entries(model: Any) -> int | None:
    """Number of tokens of the input embedding; None if the model does not say."""
    try:
        embedding = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    weight = getattr(embedding, "weight", None)
    return weight.shape[0] if isinstance(weight, torch.Tensor) and weight.dim() == 2 else None


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
