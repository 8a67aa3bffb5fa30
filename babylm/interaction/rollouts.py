"""Completions sampled in a batch with a key-value cache, with log-probability and entropy of each token."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import torch

from babylm.generation import GumbelNoise
from babylm.models.arguments import CACHE

ROWS = 64
"""Completions that are sampled or read at once."""


class Completion(NamedTuple):
    """One sampled completion."""

    ids: list[int]
    """Its tokens, that which ended it included."""
    logp: list[float]
    """Log-probability of each token under the model itself, whatever temperature and top-p it was drawn with."""
    entropy: list[float]
    """Entropy of that distribution at each token, in nats."""


@torch.no_grad()
def sample(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    ends: Collection[int],
    pad: int,
    seeds: Sequence[int],
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> list[Completion]:
    """Complete each prompt (token ids, BOS included); row i draws its random numbers from ``seeds[i]`` alone.

    So a completion is the same alone and in any batch, up to rounding. ``ends``: tokens that end a completion. Rows are
    padded on the left; finished rows leave the batch. ``model``: a causal language model of transformers, in evaluation
    mode.
    """
    width = max(map(len, prompts))
    device = next(model.parameters()).device
    input_ids = torch.tensor([[pad] * (width - len(ids)) + list(ids) for ids in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=device)
    end_tokens = torch.tensor(sorted(ends), device=device)
    noise = GumbelNoise(seeds, temperature, top_p=top_p)
    done = [Completion([], [], []) for _ in prompts]
    rows = list(range(len(prompts)))  # which prompt each row of the batch belongs to
    cache: Any = None
    for _ in range(max_new_tokens):
        position_ids = (mask.cumsum(1) - 1).clamp(min=0)[:, -input_ids.shape[1] :]
        output = model(
            input_ids=input_ids, attention_mask=mask, position_ids=position_ids, use_cache=True, **{CACHE: cache}
        )
        cache = getattr(output, CACHE)
        log_probs = output.logits[:, -1].float().log_softmax(-1)  # (rows, vocabulary)
        tokens = noise(input_ids, log_probs).argmax(-1)
        chosen = log_probs.gather(1, tokens[:, None])[:, 0].tolist()
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        for row, token, logp, nats in zip(rows, tokens.tolist(), chosen, entropy.tolist(), strict=True):
            done[row].ids.append(token)
            done[row].logp.append(logp)
            done[row].entropy.append(nats)
        alive = (~torch.isin(tokens, end_tokens)).nonzero().flatten()
        if len(alive) == 0:
            break
        if len(alive) < len(rows):
            cache.batch_select_indices(alive)
            noise.keep(alive.tolist())
            mask, tokens, rows = mask[alive], tokens[alive], [rows[index] for index in alive.tolist()]
        input_ids = tokens[:, None]
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return done


def log_probs(model: Any, sequences: Sequence[tuple[Sequence[int], Sequence[int]]], pad: int) -> list[Completion]:
    """Log-probability and entropy of each token of given completions: (prompt ids, completion ids)."""
    batches = [sequences[first : first + ROWS] for first in range(0, len(sequences), ROWS)]
    return [completion for batch in batches for completion in _log_probs(model, batch, pad)]


@torch.no_grad()
def _log_probs(model: Any, sequences: Sequence[tuple[Sequence[int], Sequence[int]]], pad: int) -> list[Completion]:
    device = next(model.parameters()).device
    rows = [[*prompt, *completion] for prompt, completion in sequences]
    width = max(map(len, rows))
    input_ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
    all_log_probs = model(input_ids=input_ids, attention_mask=mask).logits.float().log_softmax(-1)
    results = []
    for index, (prompt, completion) in enumerate(sequences):
        part = all_log_probs[index, len(prompt) - 1 : len(prompt) + len(completion) - 1]  # (tokens, vocabulary)
        ids = torch.tensor(list(completion), device=device)
        logp = part.gather(1, ids[:, None])[:, 0].tolist() if len(ids) else []
        results.append(Completion(list(completion), logp, (-(part.exp() * part).sum(-1)).tolist()))
    return results
