"""Which positions of a row are predicted, and with what target: causal rows and masked rows, without loops or waiting.

Every causal row has ``length - 1`` targets and every masked row a number that follows from the mask rate; targets that
are none weigh 0. So shapes never depend on the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from babylm.config.fields import number
from babylm.config.schema import ObjectiveConfig
from babylm.lazy import torch
from babylm.objectives._types import SpecialTokens

if TYPE_CHECKING:
    from torch import Tensor

UNIFORMS_PER_TOKEN = 3
"""Of a masked row: priority of its span, length of its span, and what becomes of the token."""
WORD_SLACK = 8
"""Tokens by which the last whole word may pass the row's share."""


@dataclass
class MaskingSettings(ObjectiveConfig):
    """Settings of the objectives that mask."""

    masked_prediction: Literal["mntp", "mlm"] = "mntp"
    """Masked token k is predicted from position k-1 (``mntp``) or k (``mlm``)."""
    mask_rate: list[float] = number([0.30, 0.15], "(0, 1)")
    """Share of masked tokens at the start and the end of training; linear between."""
    span: int = number(3, "[1, 1e4]")
    """Masked spans are 1 to this many tokens (or words) long, uniformly."""
    whole_words: bool = False
    """Spans cover whole words."""
    keep: float = number(0.1, "[0, 1]")
    """Share of the masked tokens that stay as they are."""
    random: float = number(0.1, "[0, 1]")
    """Share of the masked tokens that become a random token; the rest become the mask token."""

    @property
    def prediction_mode(self) -> str:
        """How the trained model fills a mask."""
        return self.masked_prediction

    def mask_rate_at(self, progress: float) -> float:
        """The share of masked tokens at ``progress`` (0 to 1): linear between the two values of ``mask_rate``."""
        start, end = self.mask_rate
        return start + (end - start) * min(max(progress, 0.0), 1.0)

    def head_fraction(self, progress: float) -> float:
        """Logits are computed for the masked positions alone."""
        return self.mask_rate_at(progress)

    def check(self) -> None:
        """Two mask rates; shares that add up to one at most."""
        if len(self.mask_rate) != 2:
            raise ValueError(f"objective.mask_rate: must be two numbers, not {len(self.mask_rate)}")
        total = self.keep + self.random
        if total > 1:
            raise ValueError(f"objective.keep + objective.random: shares with a sum of at most 1, not {total:g}")


class Targets(NamedTuple):
    """What some rows are asked to predict: (rows, targets) each."""

    positions: Tensor
    """Position in the row whose hidden state predicts."""
    targets: Tensor
    weights: Tensor


def causal(tokens: Tensor, document_ids: Tensor, special: SpecialTokens) -> Targets:
    """Position t predicts token t+1 if both are of one document and token t+1 is neither BOS nor pad; weight 1.

    Example, one row::

        tokens        BOS  a  b  BOS  c        position 0 -> a, 1 -> b (weight 1),
        document_ids    0  0  0    1  1        position 2 -> BOS (weight 0), 3 -> c
    """
    rows, length = tokens.shape
    targets = tokens[:, 1:]
    real = (document_ids[:, 1:] == document_ids[:, :-1]) & (targets != special.bos) & (targets != special.pad)
    positions = torch.arange(length - 1, device=tokens.device).expand(rows, -1)
    return Targets(positions, targets.where(real, 0), real.float())


def masked(
    tokens: Tensor,
    document_ids: Tensor,
    words: Tensor,
    uniforms: Tensor,
    rate: float | Tensor,
    most: float,
    config: MaskingSettings,
    special: SpecialTokens,
) -> tuple[Tensor, Targets]:
    """Corrupted tokens (rows, length), and targets that ask for the originals of the masked ones.

    Each row masks ``rate`` of its candidates (all tokens but BOS and pads), rounded, to the token (with whole words: in
    the mean, see `_select_masked`). The weights of a row's targets are equal and add up to its number of candidates,
    which is 1/rate each up to rounding: a masked row weighs what a causal one weighs. The number of targets per row
    follows from ``most``, the largest rate.
    """
    candidates = (tokens != special.bos) & (tokens != special.pad)  # (rows, length) bool
    candidates[:, 0] = False  # MNTP predicts from the position before, and there is none
    priority, unit = _span_priority(document_ids, words, uniforms[:, 0], uniforms[:, 1], config)
    coin = uniforms[:, 2, :1]  # the first position is never a candidate, so its third uniform is free
    slack = WORD_SLACK if config.whole_words else 0
    positions, taken = _select_masked(priority, unit, candidates, coin, rate, most, slack)  # (rows, targets) each
    count = candidates.sum(1, keepdim=True)
    weights = taken * (count / taken.sum(1, keepdim=True).clamp(min=1))
    targets = tokens.gather(1, positions).where(taken, 0)

    is_masked = torch.zeros_like(candidates).scatter(1, positions, taken)
    end = special.vocab_size if special.last_ordinary_id is None else special.last_ordinary_id + 1
    ordinary = end - special.first_ordinary_id
    # One uniform u per token decides: u < keep stays, u < keep + random is replaced, the rest becomes the mask token.
    u = uniforms[:, 2]
    # What is left of u inside the `random` stretch picks the replacement.
    inside = ((u - config.keep) / config.random).clamp(0, 1) if config.random > 0 else torch.zeros_like(u)
    replacement = special.first_ordinary_id + (inside * ordinary).long().clamp(max=ordinary - 1)
    corrupted = torch.where(u < config.keep + config.random, replacement, special.mask)
    corrupted = torch.where(is_masked & (u >= config.keep), corrupted, tokens)
    shift = 1 if config.masked_prediction == "mntp" else 0
    return corrupted, Targets(positions - shift * taken, targets, weights)


def _span_priority(
    document_ids: Tensor, words: Tensor, order: Tensor, lengths: Tensor, config: MaskingSettings
) -> tuple[Tensor, Tensor]:
    """Rank positions for span masking; returns (priority, unit), both (rows, length).

    Imagine one span starting at every position, with a random length (1 to ``span``) and a random priority. A
    position's priority is the best (smallest) among the spans that cover it, so masking the best-ranked positions masks
    whole spans. Spans wrap around the row and ignore document borders, so that every position is covered equally often.
    ``unit`` is the index of the token or, with whole words, of the word.

    Example: ``order`` 0.9 0.2 0.5 0.7 with span lengths 1 2 1 1 gives 0.9 0.2 0.2 0.7: the span of length 2 that starts
    at position 1 has the best priority and covers position 2 as well.
    """
    length = order.shape[1]
    reach = (lengths * config.span).long().clamp(max=config.span - 1)  # positions covered after the first
    priority = order
    for distance in range(1, min(config.span, length)):
        covering = torch.where(reach >= distance, order, torch.inf).roll(distance, dims=1)
        priority = torch.minimum(priority, covering)
    if not config.whole_words:
        return priority, torch.arange(length, device=order.device).expand_as(priority)
    first = torch.zeros_like(document_ids, dtype=torch.bool)  # first token of a word
    first[:, 1:] = (words[:, :-1] > 0) | (document_ids[:, 1:] != document_ids[:, :-1])
    word = first.long().cumsum(1)
    return priority.gather(1, word), word


def _select_masked(
    priority: Tensor, unit: Tensor, candidates: Tensor, coin: Tensor, rate: float | Tensor, most: float, slack: int
) -> tuple[Tensor, Tensor]:
    """Select the best-ranked ``rate * candidates`` positions of each row.

    Returns their positions (rows, targets), and which of these are taken. The last span may be cut to reach the exact
    count; a whole word may not, so it is kept or dropped at random (``coin``, (rows, 1)), with the probability that
    makes the expected count exact. ``slack``: positions beyond the share that may be taken.

    Example: 10 candidates at rate 0.3 are 3 tokens. If the third one is the first token of a word of 2, the word is
    taken with probability 1/2: 2 or 4 tokens, 3 in the mean.
    """
    length = priority.shape[1]
    share = (rate * candidates.sum(1, keepdim=True)).round().long()  # (rows, 1): how many to take
    count = min(length, round(most * (length - 1)) + slack)
    # Tokens of one span have one priority. A second coin says from which end the span is cut: always the same end would
    # favour the tokens that can only be at that end, those after a BOS. Uniforms are multiples of 2**-24, so ties are
    # broken by less than their distance.
    rank = torch.arange(length, device=priority.device)
    ordered = priority.double() + (2 * (2 * coin).floor() - 1) * rank * 2.0**-40
    coin = (2 * coin).frac()  # what is left of the coin after its first bit
    positions = ordered.masked_fill(~candidates, torch.inf).argsort(dim=1, stable=True)
    unit = unit.where(candidates, -1).gather(1, positions)
    last = unit == unit.gather(1, (share - 1).clamp(min=0))  # (rows, length): the unit in which the share is reached
    size = last.sum(1, keepdim=True)
    inside = (last & (rank < share)).sum(1, keepdim=True)
    end = share - inside + torch.where((coin * size < inside) & (share - inside + size <= count), size, 0)
    return positions[:, :count], (rank < end)[:, :count]
