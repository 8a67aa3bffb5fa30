"""Choosing the next token: temperature, top-k, top-p, allowed tokens, and noise that belongs to a row.

A token is sampled by the Gumbel-max trick: the largest of (log-probability + noise) is a sample of the softmax. The
noise of a token is a hash of (seed of the row, step, token), so it depends neither on the other rows nor on which
tokens are left after top-k and top-p, needs no state, and is computed where the logits are. Rounding, which differs
between batches, then changes a sample only where two tokens tie; picking from cumulative sums would change it wherever
a number falls between two of thousands of borders.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from babylm.generation.selection import argmax, topk

Allowed = Callable[[Sequence[int]], Collection[int]]
"""From the tokens of a completion so far to those that may follow; none: the completion is over."""

CACHED = 1 << 17
"""Numbers that a CPU core keeps in its own cache, with a few results of the same size."""
_GOLDEN, _FIRST, _SECOND = (value - 2**64 for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""Constants of SplitMix64 (Steele, Lea and Flood 2014) as signed numbers."""


class Candidates(NamedTuple):
    """Tokens to choose from."""

    scores: Tensor
    """(rows, candidates): logits over the temperature; -inf for those that are left out."""
    ids: Tensor | None
    """(rows, candidates) token ids; None if the candidates are the vocabulary."""


class TokenChoice:
    """Chooses a token per row; ``seeds``: one per row, of up to 63 bits."""

    def __init__(
        self,
        seeds: Sequence[int],
        device: torch.device,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> None:
        self.keys = torch.tensor([seed % 2**63 for seed in seeds], dtype=torch.int64, device=device)
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p

    def keep(self, rows: Tensor) -> None:
        """Continue with these rows."""
        self.keys = self.keys[rows]

    def __call__(self, logits: Tensor, step: int, allowed: Sequence[Collection[int]] | None = None) -> Tensor:
        """The token of each row, (rows,), from its logits (rows, vocabulary); ``allowed``: per row, not empty."""
        candidates = Candidates(logits, None) if allowed is None else _among(logits, allowed)
        if self.temperature == 0:
            best = argmax(candidates.scores)
        else:
            scores = candidates.scores if self.temperature == 1 else candidates.scores / self.temperature
            candidates = candidates._replace(scores=scores)
            if 0 < self.top_k < scores.shape[1]:
                candidates = _best(candidates, self.top_k)
            blocks = _row_blocks(candidates.scores, candidates.ids, self.keys)
            parts = [self._sampled(block_scores, ids, keys, step) for block_scores, ids, keys in blocks]
            best = parts[0] if len(parts) == 1 else torch.cat(parts)
        return best if candidates.ids is None else candidates.ids.gather(1, best[:, None])[:, 0]

    def _sampled(self, scores: Tensor, ids: Tensor | None, keys: Tensor, step: int) -> Tensor:
        """Index of the sampled candidate of each row, (rows,).

        Top-p by rejection: the candidate with the largest noisy score is taken if those that are likelier than it have
        less than ``top_p`` together; else it is struck out with all that are not likelier, and the next one is tried.
        The result is the same as after sorting the vocabulary, which takes ten times as long.
        """
        if ids is None:
            ids = torch.arange(scores.shape[1], device=scores.device)[None]
        noisy = gumbel(keys, step, ids).add_(scores)
        best = argmax(noisy)
        if self.top_p >= 1:
            return best
        shares = scores.softmax(-1) if scores.shape[1] <= self.top_k else (scores - log_normaliser(scores)).exp_()
        rows = torch.arange(len(scores), device=scores.device)  # those whose candidate is not tried yet
        while len(rows):
            share = shares[rows].gather(1, best[rows][:, None])
            likelier = shares[rows] > share
            rejected = (shares[rows] * likelier).sum(-1) >= self.top_p
            rows, likelier = rows[rejected], likelier[rejected]
            noisy[rows] = noisy[rows].masked_fill(~likelier, -torch.inf)
            best[rows] = argmax(noisy[rows])
        return best


def gumbel(keys: Tensor, step: int, ids: Tensor) -> Tensor:
    """Gumbel noise, float32 (rows, candidates), of row keys (rows,) and token ids (rows or 1, candidates)."""
    row = _mix(_mix(keys + _GOLDEN) ^ step)[:, None]  # (rows, 1)
    bits = _mix(ids * _GOLDEN) ^ row  # (rows, candidates)
    bits = bits.mul_(_FIRST)
    bits ^= bits >> 29
    bits = bits.mul_(_SECOND)
    bits ^= bits >> 32
    # 63 bits to a number from 0 to 1 that is precise near 0, where the largest noise comes from.
    uniform = bits.bitwise_and_(2**63 - 1).to(torch.float32).mul_(2.0**-63)
    return uniform.clamp_(2.0**-63, 1 - 2.0**-24).neg_().log1p_().neg_().log_().neg_()


def _mix(value: Tensor) -> Tensor:
    """The finaliser of SplitMix64, with arithmetic shifts, which keep it invertible."""
    value = (value ^ (value >> 30)) * _FIRST
    value = (value ^ (value >> 27)) * _SECOND
    return value ^ (value >> 31)


def log_normaliser(scores: Tensor) -> Tensor:
    """``scores.logsumexp(-1, keepdim=True)`` in a sixth of its time on a CPU."""
    peak = scores.amax(-1, keepdim=True)
    return (scores - peak).exp_().sum(-1, keepdim=True).log_().add_(peak)


def figures(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of each token and entropy of its distribution in nats, (rows,) each, of float32 logits."""
    parts = [_figures(*part) for part in _row_blocks(logits, tokens)]
    log_probs, entropies = zip(*parts, strict=True)
    return (log_probs[0], entropies[0]) if len(parts) == 1 else (torch.cat(log_probs), torch.cat(entropies))


def _figures(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    shifted = (logits - logits.amax(-1, keepdim=True)).clamp_(min=-1e4)  # an excluded token (-inf) adds 0, not NaN
    weights = shifted.exp()
    total = weights.sum(-1)
    log_total = total.log()
    log_probs = shifted.gather(1, tokens[:, None])[:, 0] - log_total
    return log_probs, log_total - torch.linalg.vecdot(weights, shifted) / total


def _row_blocks(values: Tensor, *others: Tensor | None) -> list[tuple[Any, ...]]:
    """``values`` (rows, columns) and what belongs to its rows, in blocks that fit into a CPU's own cache.

    Several operations on a whole batch of logits each read it from memory anew: 2.3 ms for 64 rows of 16,384 in place
    of 5.5.
    """
    rows = len(values)
    size = max(1, CACHED // max(1, values.shape[1])) if values.device.type == "cpu" else rows
    if size >= rows:
        return [(values, *others)]
    starts = range(0, rows, size)
    return [
        tuple(None if part is None else part[start : start + size] for part in (values, *others)) for start in starts
    ]


def _best(candidates: Candidates, count: int) -> Candidates:
    """The ``count`` best, best first."""
    scores, places = topk(candidates.scores, count)
    return Candidates(scores, places if candidates.ids is None else candidates.ids.gather(1, places))


def _among(logits: Tensor, allowed: Sequence[Collection[int]]) -> Candidates:
    """The allowed tokens of each row, by id."""
    rows = [sorted(tokens) for tokens in allowed]
    width = max(map(len, rows))
    ids = torch.tensor([row + row[:1] * (width - len(row)) for row in rows], device=logits.device)
    filled = torch.tensor([[at < len(row) for at in range(width)] for row in rows], device=logits.device)
    return Candidates(logits.gather(1, ids).masked_fill(~filled, -torch.inf), ids)


def one_of(choices: Sequence[Sequence[int]]) -> Allowed:
    """What may follow so that a completion is one of ``choices`` (token ids); over when it is.

    A choice that another one begins with is over only if it has an end token of its own.

    >>> allowed = one_of([[5, 6], [5, 7, 8], [9]])
    >>> sorted(allowed([])), sorted(allowed([5])), sorted(allowed([5, 6]))
    ([5, 9], [6, 7], [])
    """
    following: dict[tuple[int, ...], set[int]] = {}
    for choice in choices:
        for at, token in enumerate(choice):
            following.setdefault(tuple(choice[:at]), set()).add(token)
    return lambda ids: following.get(tuple(ids), set())
