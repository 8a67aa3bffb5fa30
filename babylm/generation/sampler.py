"""Completions of token sequences, sampled in a batch with a key-value cache, with the figures of each token."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from babylm.generation.decoders import decoder
from babylm.generation.key_value_cache import compact_order
from babylm.generation.row_batches import by_length, right_padded
from babylm.generation.token_choice import Allowed, TokenChoice, figures
from babylm.models.modeling_babylm import BabyLMForCausalLM

ROWS = 64
"""Completions that are sampled or read at once."""


class Completion(NamedTuple):
    """One completion."""

    ids: list[int]
    """Its tokens, that which ended it included."""
    logp: list[float]
    """Log-probability of each token under the model itself, whatever temperature, top-k, top-p or allowed tokens it was
    drawn with; empty if not wanted."""
    entropy: list[float]
    """Entropy of that distribution at each token, in nats; empty if not wanted."""


@torch.no_grad()
def sample(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int | Sequence[int],
    ends: Collection[int],
    pad: int = 0,
    seeds: Sequence[int],
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    stop: Callable[[Sequence[int]], bool] | None = None,
    allowed: Allowed | Sequence[Allowed] | None = None,
    with_figures: bool = True,
) -> list[Completion]:
    """Complete each prompt (token ids, BOS included); row i draws its random numbers from ``seeds[i]`` alone.

    So a completion is the same alone and in any batch, up to rounding. Prompts are padded on the left, and rows that
    have ended leave the batch.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        prompts: Token ids of each row, at least one.
        max_new_tokens: Of all rows, or of each.
        ends: Tokens that end a completion.
        pad: Fills up prompts; never attended to.
        seeds: One per row.
        temperature: 0 takes the likeliest token each time.
        top_p: Only the likeliest tokens that have this probability together (after top-k).
        top_k: Only the k likeliest tokens; 0: all.
        stop: Whether a completion, given its tokens so far, is over.
        allowed: What may follow the tokens so far (`token_choice.one_of` makes one from a list of choices), for all
            rows or one per row. A row to which nothing may be added is over.
        with_figures: Whether log-probabilities and entropies are computed.
    """
    if not prompts:
        return []
    rows = _Rows(len(prompts), max_new_tokens, ends, stop, allowed)
    device = next(model.parameters()).device
    choice = TokenChoice(seeds, device, temperature, top_k, top_p)
    steps = decoder(model)
    logits = steps.prefill(prompts, max(rows.longest))  # (rows, vocabulary)
    for step in itertools.count():
        tokens = choice(logits, step, rows.following)  # (rows,)
        alive = rows.add(tokens, figures(logits, tokens) if with_figures else None)
        if not any(alive):
            break
        if not all(alive):
            order = compact_order(alive)
            rows.keep(order)
            steps.keep(order)
            index = torch.tensor(order, device=device)
            choice.keep(index)
            tokens = tokens[index]
        logits = steps.step(tokens)
    return rows.completions


class _Rows:
    """The completions so far, and which of them each row of the batch belongs to."""

    def __init__(
        self,
        count: int,
        max_new_tokens: int | Sequence[int],
        ends: Collection[int],
        stop: Callable[[Sequence[int]], bool] | None,
        allowed: Allowed | Sequence[Allowed] | None,
    ) -> None:
        self.longest = [max_new_tokens] * count if isinstance(max_new_tokens, int) else list(max_new_tokens)
        if min(self.longest) < 1:
            raise ValueError(f"max_new_tokens={min(self.longest)}: a completion has at least one token")
        self.ends, self.stop = frozenset(ends), stop
        self.allowed = [allowed] * count if allowed is None or callable(allowed) else list(allowed)
        self.completions = [Completion([], [], []) for _ in range(count)]
        self.numbers = list(range(count))
        """Per row of the batch the number of its completion."""
        self.following = self._following()
        """Per row of the batch the tokens that may come next; None if all may."""
        if self.following is not None and not all(self.following):
            raise ValueError("allowed: nothing may follow a prompt; give at least one token to begin with")

    def add(self, tokens: Tensor, token_figures: tuple[Tensor, Tensor] | None) -> list[bool]:
        """Add a token to each row; returns which rows go on."""
        ids = tokens.tolist()
        for number, token in zip(self.numbers, ids, strict=True):
            self.completions[number].ids.append(token)
        if token_figures is not None:
            log_probs, entropies = (values.tolist() for values in token_figures)
            for number, logp, entropy in zip(self.numbers, log_probs, entropies, strict=True):
                self.completions[number].logp.append(logp)
                self.completions[number].entropy.append(entropy)
        self.following = self._following()
        return [self._goes_on(slot, number) for slot, number in enumerate(self.numbers)]

    def keep(self, order: Sequence[int]) -> None:
        """Continue with these rows of the batch."""
        self.numbers = [self.numbers[slot] for slot in order]
        if self.following is not None:
            self.following = [self.following[slot] for slot in order]

    def _goes_on(self, slot: int, number: int) -> bool:
        ids = self.completions[number].ids
        over = ids[-1] in self.ends or len(ids) >= self.longest[number] or (self.stop is not None and self.stop(ids))
        return not over and (self.following is None or bool(self.following[slot]))

    def _following(self) -> list[Collection[int]] | None:
        functions = [self.allowed[number] for number in self.numbers]
        if None in functions:
            return None
        ids = [self.completions[number].ids for number in self.numbers]
        return [allowed(so_far) for allowed, so_far in zip(functions, ids, strict=True) if allowed is not None]


@torch.no_grad()
def log_probs(
    model: Any,
    sequences: Sequence[tuple[Sequence[int], Sequence[int]]],
    pad: int = 0,
    inputs: Callable[[Sequence[int]], Mapping[str, Tensor]] | None = None,
) -> list[Completion]:
    """Log-probability and entropy of each token of given completions: (prompt ids, completion ids).

    Sequences of similar length are read together, `ROWS` at a time; ``pad`` fills up rows and is never attended to.
    ``inputs(numbers)``: what the model reads beside the tokens of the sequences of these numbers, (rows, ...) each.

    Raises:
        ValueError: A prompt is empty: its completion's first token would be predicted from nothing.
    """
    if not all(len(prompt) for prompt, _ in sequences):
        raise ValueError("log_probs: a prompt has at least one token, as BOS")
    results: dict[int, Completion] = {}
    for numbers in by_length([len(prompt) + len(completion) for prompt, completion in sequences], ROWS):
        more = {} if inputs is None else inputs(numbers)
        part = _log_probs(model, [sequences[number] for number in numbers], pad, more)
        results |= dict(zip(numbers, part, strict=True))
    return [results[number] for number in range(len(sequences))]


def _log_probs(
    model: Any, sequences: Sequence[tuple[Sequence[int], Sequence[int]]], pad: int, inputs: Mapping[str, Tensor]
) -> list[Completion]:
    device = next(model.parameters()).device
    input_ids, mask = right_padded([[*prompt, *completion] for prompt, completion in sequences], pad, device)
    # The position before each token of a completion, in the flattened rows.
    before = [
        row * input_ids.shape[1] + position - 1
        for row, (prompt, completion) in enumerate(sequences)
        for position in range(len(prompt), len(prompt) + len(completion))
    ]
    if not before:
        return [Completion([], [], []) for _ in sequences]
    lengths = [len(completion) for _, completion in sequences]
    positions = torch.tensor(before, device=device)
    ids = torch.tensor([token for _, completion in sequences for token in completion], device=device)
    on_device = {name: values.to(device) for name, values in inputs.items()}
    logits = _logits_at(model, input_ids, mask, positions, on_device)  # (tokens of all completions, vocabulary)
    logp, entropy = (values.split(lengths) for values in figures(logits.float(), ids))
    return [
        Completion(list(completion), log_probs.tolist(), entropies.tolist())
        for (_, completion), log_probs, entropies in zip(sequences, logp, entropy, strict=True)
    ]


def _logits_at(model: Any, input_ids: Tensor, mask: Tensor, positions: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
    """(N, vocabulary) at flat positions (N,); our models compute no others, as half of a small model is its output."""
    if isinstance(model, BabyLMForCausalLM):
        selected: Tensor = model(input_ids=input_ids, attention_mask=mask, target_positions=positions, **inputs).logits
        return selected
    logits: Tensor = model(input_ids=input_ids, attention_mask=mask, **inputs).logits
    return logits.flatten(0, 1)[positions]
