"""Completions of prompts that have items and pictures, with the same choice of tokens as `babylm.generation.sampler`.

The decoders of `babylm.generation` read prompts of tokens alone; here prompts go through the model's forward, with a
cache of transformers, and later steps take the keys of the items beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from babylm.generation import sampler
from babylm.generation.sampler import ROWS, Completion
from babylm.generation.token_choice import Allowed, TokenChoice, figures
from babylm.interaction.items import Items, model_inputs
from babylm.models.arguments import CACHE

__all__ = ["ROWS", "Completion", "log_probs", "sample"]


@torch.no_grad()
def sample(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    items: Sequence[Items | None],
    pictures: Tensor | None,
    allowed: Sequence[Allowed],
    max_new_tokens: int,
    ends: Collection[int],
    pad: int,
    seeds: Sequence[int],
    temperature: float = 1.0,
) -> list[Completion]:
    """Complete each prompt (token ids, BOS included); row i draws its random numbers from ``seeds[i]`` alone.

    Args:
        model: A model of this package in evaluation mode, with a pointer over items.
        prompts: Token ids of each row.
        items: Those of each prompt.
        pictures: (n, 3, size, size), by the numbers of the items; None if the model reads none.
        allowed: Per row, what may follow the tokens so far; nothing: the completion is over.
        max_new_tokens: At most.
        ends: Tokens that end a completion.
        pad: Fills up prompts on the left.
        seeds: One per row.
        temperature: Of the choice; log-probabilities are those of the model itself, over the whole vocabulary.
    """
    width = max(map(len, prompts))
    device = next(model.parameters()).device
    tokens = torch.tensor([[pad] * (width - len(ids)) + list(ids) for ids in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=device)
    given = model_inputs(items, pictures, [width - len(ids) for ids in prompts])
    inputs = {name: values.to(device) for name, values in given.items()}
    choice, cache = TokenChoice(seeds, device, temperature), DynamicCache()
    done = [Completion([], [], []) for _ in prompts]
    rows = list(range(len(prompts)))  # which prompt each row of the batch belongs to
    for step in range(max_new_tokens):
        position_ids = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        output = model(
            input_ids=tokens, attention_mask=mask, position_ids=position_ids, use_cache=True, **{CACHE: cache}, **inputs
        )
        if inputs:  # read once: what later steps need of the items are their keys
            inputs = {"item_labels": inputs["item_labels"], "item_keys": output.item_keys}
        logits = output.logits[:, -1]  # (rows, vocabulary)
        chosen = choice(logits, step, [allowed[row](done[row].ids) for row in rows])
        log_probs, entropies = figures(logits, chosen)
        for row, token, logp, entropy in zip(
            rows, chosen.tolist(), log_probs.tolist(), entropies.tolist(), strict=True
        ):
            done[row].ids.append(token)
            done[row].logp.append(logp)
            done[row].entropy.append(entropy)
        alive = [
            index for index, row in enumerate(rows) if done[row].ids[-1] not in ends and allowed[row](done[row].ids)
        ]
        if not alive:
            break
        kept = torch.tensor(alive, device=device)
        if len(alive) < len(rows):
            cache.batch_select_indices(kept)
            choice.keep(kept)
            inputs = {name: values[kept] for name, values in inputs.items()}
            rows = [rows[index] for index in alive]
        tokens = chosen[kept, None]
        mask = torch.cat([mask[kept], torch.ones_like(mask[kept, :1])], 1)
    return done


def log_probs(
    model: Any,
    sequences: Sequence[tuple[Sequence[int], Sequence[int]]],
    pad: int,
    items: Sequence[Items | None],
    pictures: Tensor | None,
) -> list[Completion]:
    """Log-probability and entropy of each token of given completions: (prompt ids, completion ids).

    See `babylm.generation.sampler.log_probs`.
    """

    def inputs(numbers: Sequence[int]) -> dict[str, Tensor]:
        return model_inputs([items[number] for number in numbers], pictures, [0] * len(numbers))

    return sampler.log_probs(model, sequences, pad, inputs)
