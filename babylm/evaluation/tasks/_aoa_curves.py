"""Sigmoids of acquisition: when half of the children say a word, and when a model is half-way to expecting it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

FAILED = (RuntimeError, ValueError, TypeError)
"""What ``curve_fit`` raises if no curve fits, or if there are fewer points than parameters."""
CEILING_2025 = float(np.log2(300_000))
"""Of the official code, in bits, although surprisals are in nats there too."""


def child_age(ages: np.ndarray, shares: np.ndarray) -> float | None:
    """Months at which half of the children say a word; None if no curve fits, or outside the ages of the data."""
    known = ~np.isnan(shares)
    ages, shares = ages[known], shares[known]
    if len(ages) < 4:
        return None
    first, last = float(ages.min()), float(ages.max())
    start = [1, 0.1, float(ages.mean()), 0]
    curve = _fit(ages, shares, start, 1000, ([0, 0, first, -0.5], [2, 1, last, 0.5]))
    age = None if curve is None else _solve(curve, 0.5)
    return age if age is not None and first <= age <= last else None


def model_age_2025(words: np.ndarray, surprisal: np.ndarray) -> float | None:
    """log10 of the words read when the surprisal is half-way between a fixed ceiling and its minimum.

    ``words`` (revisions,), ``surprisal`` (revisions, contexts) in nats. All points are fitted, without bounds.
    """
    x = np.repeat(np.log10(words + 1), surprisal.shape[1])
    y = -surprisal.ravel()
    known = np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 4:
        return None
    curve = _fit(x, y, [float(np.ptp(y)), 1, float(x.mean()), float(y.min())], 1000)
    return None if curve is None else _solve(curve, -(CEILING_2025 - float(y.max())) / 2)


def model_age_2026(words: np.ndarray, surprisal: np.ndarray, pieces: int, vocabulary: int) -> float | None:
    """log10 of the words read when the mean surprisal is half-way between that of guessing and its minimum.

    Guessing each of the word's ``pieces`` out of ``vocabulary`` tokens.
    """
    return half_way(words, surprisal, pieces * float(np.log(vocabulary)))


def half_way(words: np.ndarray, surprisal: np.ndarray, guessing: float, lowest: float | None = None) -> float | None:
    """log10 of the words read (plus 1) when the mean surprisal is half-way between that of guessing and its minimum.

    ``words`` (revisions,), ``surprisal`` (revisions, contexts) in nats. ``lowest``: in place of the minimum. None if
    there are fewer than four points, or no rising sigmoid fits them.
    """
    known = np.isfinite(surprisal).any(axis=1)
    if known.sum() < 4:
        return None
    x = np.log10(words[known] + 1)
    y = -np.nanmean(surprisal[known], axis=1)
    size, low, high = float(np.ptp(y)), float(y.min()), float(y.max())
    bounds = ([0, 0, x.min() - 1, low - 2 * size - 1], [10 * size + 1, 100, x.max() + 1, high + 1])
    curve = _fit(x, y, [size, 1, float(x.mean()), low], 20_000, bounds)
    if curve is None or curve[0] <= 1e-6 or curve[1] <= 1e-6:
        return None
    least = -high if lowest is None else lowest
    return _solve(curve, -(guessing + least) / 2)


def _fit(
    x: np.ndarray, y: np.ndarray, start: Sequence[float], calls: int, bounds: Any = None
) -> tuple[float, float, float, float] | None:
    """The a, b, c, d of the a / (1 + exp(-b (x - c))) + d that fits best; None if none fits."""
    limits = {} if bounds is None else {"bounds": bounds}
    try:
        with np.errstate(over="ignore"):
            parameters = scipy().optimize.curve_fit(_sigmoid, x, y, p0=start, maxfev=calls, **limits)[0]
    except FAILED:
        return None
    return tuple(float(value) for value in parameters)  # type: ignore[return-value]


def _sigmoid(x: np.ndarray, a: float, b: float, c: float, d: float) -> np.ndarray:
    return a / (1 + np.exp(-b * (x - c))) + d


def _solve(curve: tuple[float, float, float, float], level: float) -> float | None:
    """The x at which the curve has ``level``; None if it never has."""
    a, b, c, d = curve
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.float64(a) / np.float64(level - d) - 1
    if not np.isfinite(odds) or odds <= 0 or b == 0:
        return None
    return float(c - np.log(odds) / b)


def scipy() -> Any:
    """scipy; ``ValueError`` with the command that installs it if it is missing."""
    try:
        import scipy.optimize
        import scipy.stats
    except ImportError:
        raise ValueError("age of acquisition needs scipy: pip install 'babylm[eval]'") from None
    return scipy
