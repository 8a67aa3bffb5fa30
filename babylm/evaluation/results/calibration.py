"""Calibration on minimal pairs: where a model prefers a sentence with probability 0.9, is it the right one nine times?

The probability is the softmax of a pair's two log-probabilities. Sums over long sentences make it extreme, so a
temperature that would make it fit best is given too. (Of a masked model the sums are pseudo-log-likelihoods: the
numbers then compare such models with each other alone.)
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
    """Mean probability of the preferred sentence; none where no pair is."""
    accuracy: float | None
    """Share of pairs whose preferred sentence is the right one; a tie is half."""


@dataclass(frozen=True)
class Calibration:
    """Of a set of pairs."""

    n: int
    expected_error: float
    """Expected calibration error: mean of |accuracy - confidence| over the bins, weighted by their pairs."""
    brier: float
    """Mean of (1 - probability of the right sentence) squared; 0.25 for always one half."""
    log_loss: float
    """Nats; 0.693 for always one half."""
    temperature: float | None
    """What the log-probabilities should be divided by for the smallest log loss; none where guessing is better."""
    bins: list[Bin]


def calibration(margins: np.ndarray) -> Calibration:
    """Of pairs with ``margins`` (pairs,): nats of the right sentence above the other one; NaN is left out."""
    margins = margins[~np.isnan(margins)]
    if not len(margins):
        raise ValueError("calibration: no pairs")
    right = 1 / (1 + np.exp(-np.clip(margins, -700, 700)))
    confidence = np.maximum(right, 1 - right)
    correct = np.where(margins == 0, 0.5, margins > 0)
    edges = np.linspace(0.5, 1, BINS + 1)
    place = np.minimum(np.searchsorted(edges, confidence, side="right") - 1, BINS - 1)
    bins = []
    for k in range(BINS):
        own = place == k
        means = (float(confidence[own].mean()), float(correct[own].mean())) if own.any() else (None, None)
        bins.append(Bin(float(edges[k]), float(edges[k + 1]), int(own.sum()), *means))
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


def of(items: Sequence[Any], result: Result) -> dict[str, Any] | None:
    """Of a task's result, as plain values; none for a task that is not of pairs with a right answer."""
    pairs = len(result.chosen) and all(len(item.sentences) == 2 and item.human is None for item in items)
    known = result.margins[np.isfinite(result.margins)]
    return asdict(calibration(known)) if pairs and len(known) else None


def _log_loss(margins: np.ndarray) -> float:
    return float(np.logaddexp(0, -margins).mean())
