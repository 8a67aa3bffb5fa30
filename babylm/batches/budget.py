"""How many words a run reads: the smallest budget given, within the limits of its track."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from babylm.batches.rows import row_cuts
from babylm.batches.stream import TokenStream
from babylm.config.schema import BudgetConfig, PhaseConfig
from babylm.tracks import TRACKS

MAX_WORDS = 10**10
"""Ten times the largest budget of a track: a larger plan is a mistake, and would not fit into memory."""


def words_of(
    budget: BudgetConfig,
    stream: TokenStream,
    *,
    phases: Sequence[PhaseConfig],
    track: str,
    flops_per_token: Callable[[int], float],
) -> int:
    """The words that a run reads, repetitions counted; the arguments are those of `babylm.batches.plan.build`.

    Raises:
        ValueError: With the sum, for a budget over the track's, a corpus over its limit, or no budget at all.
    """
    limits, corpus_words = TRACKS[track], stream.epoch_words
    if corpus_words == 0:
        raise ValueError("corpus: the training text holds no words")
    if limits.unique_words is not None and corpus_words > limits.unique_words:
        raise ValueError(
            f"corpus: {corpus_words:,} words, {corpus_words - limits.unique_words:,} more than the "
            f"{limits.unique_words:,} that track {track} allows; "
            f"remove text, or choose track=free for a run outside the challenge"
        )
    budgets: dict[str, int] = {}
    if budget.words is not None:
        budgets[f"budget.words={budget.words:,}"] = budget.words
    if budget.epochs is not None:
        budgets[f"budget.epochs={budget.epochs:g} x {corpus_words:,} words"] = round(budget.epochs * corpus_words)
    if budget.flops is not None:
        budgets[f"budget.flops={budget.flops:.3g}"] = _words_for_flops(phases, stream, budget.flops, flops_per_token)
    if not budgets and limits.exposure_words is not None:
        budgets["the track's budget"] = limits.exposure_words
    if not budgets:
        raise ValueError(
            "budget: set budget.words, budget.epochs or budget.flops (track free has no budget of its own)"
        )
    source, words = min(budgets.items(), key=lambda item: item[1])
    if limits.exposure_words is not None and words > limits.exposure_words:
        raise ValueError(
            f"budget: {source} = {words:,} words, {words - limits.exposure_words:,} more than the "
            f"{limits.exposure_words:,} that track {track} allows; "
            f"lower it, or choose track=free for a run outside the challenge"
        )
    if words < 1:
        raise ValueError(f"budget: {source} is less than one word")
    if words > MAX_WORDS:
        raise ValueError(f"budget: {source} = {words:,} words, more than {MAX_WORDS:,}: lower it")
    return words


def _words_for_flops(
    phases: Sequence[PhaseConfig], stream: TokenStream, flops: float, flops_per_token: Callable[[int], float]
) -> int:
    """Words that can be read for ``flops``, with the phases in their shares."""
    begin, cost, cuts = 0.0, 0.0, row_cuts(stream)
    for phase in phases:
        share, length = phase.until - begin, phase.sequence_length
        cost += share * flops_per_token(length) * length / cuts.mean_width(length - 1)
        begin = phase.until
    return int(stream.words_before(np.array([int(min(flops / cost, 100 * MAX_WORDS))]))[0])
