"""Which positions of a row are asked, and for what: the causal and the masked reading, without loops or device syncs.

Every causal row has ``length - 1`` slots and every masked row a number that follows from the mask rate; slots that
find no target weigh 0. So shapes never depend on the data.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from babylm.config.schema import ObjectiveConfig
from babylm.objectives._types import SpecialTokens

UNIFORMS_PER_TOKEN = 3
"""Uniforms per token of a masked row: order of the spans, their lengths, and what becomes of the token."""
WORD_SLACK = 8
"""Tokens by which the last whole word may pass the row's share."""


class Targets(NamedTuple):
    """Positions asked in some rows: (rows, slots) each."""

    at: Tensor
    """Position in the row whose state predicts."""
    targets: Tensor
    weights: Tensor


def causal(tokens: Tensor, documents: Tensor, special: SpecialTokens) -> Targets:
    """Position t predicts token t+1 where both are of one document and token t+1 is neither BOS nor pad; weight 1."""
    rows, length = tokens.shape
    targets = tokens[:, 1:]
    real = (documents[:, 1:] == documents[:, :-1]) & (targets != special.bos) & (targets != special.pad)
    at = torch.arange(length - 1, device=tokens.device).expand(rows, -1)
    return Targets(at, targets.where(real, 0), real.float())


def masked(
    tokens: Tensor,
    documents: Tensor,
    words: Tensor,
    uniforms: Tensor,
    rate: float,
    config: ObjectiveConfig,
    special: SpecialTokens,
) -> tuple[Tensor, Targets]:
    """Corrupted tokens, and slots that ask for the originals of the masked ones.

    Each row masks ``rate`` of its candidates (all tokens but BOS and pads), rounded, to the token (with whole words: in
    the mean, see `_chosen`). The weights of a row's targets are equal and add up to its number of candidates, which is
    1/rate each up to rounding: a masked row weighs what a causal one weighs, as where each kind is averaged on its own.
    """
    candidates = (tokens != special.bos) & (tokens != special.pad)
    candidates[:, 0] = False  # nothing stands before it to read an MNTP answer from
    arrival, unit = _span_priority(documents, words, uniforms[:, 0], uniforms[:, 1], config)
    coin = uniforms[:, 2, :1]  # the first position is never a candidate, so its treatment's uniform is free
    at, taken = _select_masked(arrival, unit, candidates, coin, rate, WORD_SLACK if config.whole_words else 0)
    count = candidates.sum(1, keepdim=True)
    weights = taken * (count / taken.sum(1, keepdim=True).clamp(min=1))
    targets = tokens.gather(1, at).where(taken, 0)

    chosen = torch.zeros_like(candidates).scatter(1, at, taken)
    end = special.vocabulary if special.last_ordinary_id is None else special.last_ordinary_id + 1
    ordinary = end - special.first_ordinary_id
    u = uniforms[:, 2]
    # What is left of the uniform inside the `random` stretch picks the replacement.
    inside = ((u - config.keep) / config.random).clamp(0, 1) if config.random > 0 else torch.zeros_like(u)
    replacement = special.first_ordinary_id + (inside * ordinary).long().clamp(max=ordinary - 1)
    corrupted = torch.where(u < config.keep + config.random, replacement, special.mask)
    corrupted = torch.where(chosen & (u >= config.keep), corrupted, tokens)
    shift = 1 if config.masked_prediction == "mntp" else 0
    return corrupted, Targets(at - shift * taken, targets, weights)


def _span_priority(
    documents: Tensor, words: Tensor, order: Tensor, lengths: Tensor, config: ObjectiveConfig
) -> tuple[Tensor, Tensor]:
    """When each token would be covered if spans were laid down in random order, and the unit (token or word) it is in.

    A span starts at every unit, with its own length and its own uniform as its turn; a unit is reached at the smallest
    turn of the spans over it. Spans wrap around the row's end and ignore document borders: that way every unit is
    covered by the same number of them, and none is favoured. Both results are (rows, length).
    """
    length = order.shape[1]
    reach = (lengths * config.span).long().clamp(max=config.span - 1)  # units after the first one
    arrival = order
    for distance in range(1, min(config.span, length)):
        turn = torch.where(reach >= distance, order, torch.inf).roll(distance, dims=1)
        arrival = torch.minimum(arrival, turn)
    if not config.whole_words:
        return arrival, torch.arange(length, device=order.device).expand_as(arrival)
    first = torch.zeros_like(documents, dtype=torch.bool)
    first[:, 1:] = (words[:, :-1] > 0) | (documents[:, 1:] != documents[:, :-1])
    word = first.long().cumsum(1)
    return arrival.gather(1, word), word


def _select_masked(
    arrival: Tensor, unit: Tensor, candidates: Tensor, coin: Tensor, rate: float, slack: int
) -> tuple[Tensor, Tensor]:
    """The first candidates by arrival: their positions (rows, slots), and which slots are taken.

    The last span is cut where the row's share is reached, but no unit is: the unit in which that happens is taken or
    left by a coin (rows, 1) so weighted that the mean share is right. ``slack``: slots beyond the share.
    """
    length = arrival.shape[1]
    share = (rate * candidates.sum(1, keepdim=True)).round().long()
    slots = min(length, round(rate * (length - 1)) + slack)
    # Tokens of one span arrive together: a second coin says from which end it is cut, since always the same end would
    # favour the tokens that can only be at that end, those after a BOS. Uniforms are multiples of 2**-24.
    rank = torch.arange(length, device=arrival.device)
    turn = arrival.double() + (2 * (2 * coin).floor() - 1) * rank * 2.0**-40
    coin = (2 * coin).frac()
    at = turn.masked_fill(~candidates, torch.inf).argsort(dim=1, stable=True)
    unit = unit.where(candidates, -1).gather(1, at)
    last = unit == unit.gather(1, (share - 1).clamp(min=0))
    size = last.sum(1, keepdim=True)
    inside = (last & (rank < share)).sum(1, keepdim=True)
    end = share - inside + torch.where((coin * size < inside) & (share - inside + size <= slots), size, 0)
    return at[:, :slots], (rank < end)[:, :slots]
