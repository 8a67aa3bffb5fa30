"""Calibration on minimal pairs: of the sentences preferred with probability 0.9, are nine in ten the right one?

The probability is the softmax of a pair's two log-probabilities. Sums over long sentences make it extreme, so a
temperature that would make it fit best is given too. (A masked model's sums are pseudo-log-likelihoods: its numbers can
be compared only with those of other masked models.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from babylm.evaluation.results.task_result import Result

BINS = 10
TEMPERATURES = np.logspace(-1, 3, 161)


@dataclass(frozen=True)
class Bin:
    """Pairs whose preferred sentence has a probability in [low, high)."""

    low: float
    high: float
    n: int
    confidence: float | None
    """Mean probability of the preferred sentence; None without pairs."""
    accuracy: float | None
    """Share of pairs whose preferred sentence is the right one; a tie counts half."""


@dataclass(frozen=True)
class Calibration:
    """The calibration of a set of pairs."""

    n: int
    expected_error: float
    """Expected calibration error: mean of |accuracy - confidence| over the bins, weighted by their pairs."""
    brier: float
    """Mean of (1 - probability of the right sentence) squared; 0.25 for always one half."""
    log_loss: float
    """Nats; 0.693 for always one half."""
    temperature: float | None
    """Divisor of the log-probabilities with the smallest log loss; None if guessing is better."""
    bins: list[Bin]


def calibration(margins: np.ndarray) -> Calibration:
    """The calibration of pairs from their ``margins``.

    (pairs,) nats: log-probability of the right sentence minus that of the other one; NaN is left out.
    """
    margins = margins[~np.isnan(margins)]
    if not len(margins):
        raise ValueError("calibration: no pairs")
    right = 1 / (1 + np.exp(-np.clip(margins, -700, 700)))
    confidence = np.maximum(right, 1 - right)
    correct = np.where(margins == 0, 0.5, margins > 0)
    edges = np.linspace(0.5, 1, BINS + 1)
    bin_of = np.minimum(np.searchsorted(edges, confidence, side="right") - 1, BINS - 1)
    bins = []
    for k in range(BINS):
        inside = bin_of == k
        means = (float(confidence[inside].mean()), float(correct[inside].mean())) if inside.any() else (None, None)
        bins.append(Bin(float(edges[k]), float(edges[k + 1]), int(inside.sum()), *means))
    error = sum(
        b.n * abs(b.accuracy - b.confidence) for b in bins if b.accuracy is not None and b.confidence is not None
    )
    losses = [_log_loss(margins / t) for t in TEMPERATURES]
    best = int(np.argmin(losses))
    return Calibration(
        n=len(margins),
        expected_error=error / len(margins),
        brier=float(((1 - right) ** 2).mean()),
        log_loss=_log_loss(margins),
        temperature=None if best == len(TEMPERATURES) - 1 else float(TEMPERATURES[best]),
        bins=bins,
    )


def of_result(items: Sequence[Any], result: Result) -> dict[str, Any] | None:
    """The calibration of a task's result, for JSON; None if its items are not pairs with a right answer."""
    pairs = len(result.chosen) and all(len(item.sentences) == 2 and item.human is None for item in items)
    margins = result.margins[np.isfinite(result.margins)]
    return asdict(calibration(margins)) if pairs and len(margins) else None


def _log_loss(margins: np.ndarray) -> float:
    return float(np.logaddexp(0, -margins).mean())
