"""Intervals by resampling, rank correlation, and the power that a design has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from babylm.randomness import resampling_generator
from babylm.studies.statistics._libraries import library

RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """An estimate and where it may be."""

    estimate: float
    low: float
    high: float
    p: float = float("nan")
    """Two-sided; NaN if nothing was tested."""

    def limits(self, spec: str = ".1f") -> str:
        """Both ends as text.

        >>> Interval(2.0, 1.0, 3.04).limits()
        '1.0 to 3.0'
        """
        return f"{self.low:{spec}} to {self.high:{spec}}"


def bootstrap_mean(values: ArrayLike, level: float = 0.95, resamples: int = RESAMPLES) -> Interval:
    """The mean over seeds and items with a two-level percentile bootstrap interval.

    Each resample draws seeds with replacement, then items with replacement, the same items for all seeds: the seeds of
    a study see the same items. With one seed only items are drawn, and with one item only seeds. Percentile intervals
    are somewhat narrow for few units: three seeds give about 80 % coverage of the seeds' variation, not 95 %.

    Args:
        values: (seeds, items), NaN for a missing value; (items,) is one seed. Differences of two conditions on the same
            seeds and items give a paired interval.
        level: Share of the resamples inside the interval.
        resamples: Number of resamples.

    >>> bootstrap_mean([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]])
    Interval(estimate=2.0, low=1.0, high=3.0, p=nan)

    Raises:
        ValueError: There is no value.
    """
    matrix = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if matrix.ndim != 2 or np.isnan(matrix).all():
        raise ValueError(
            f"bootstrap_mean: at least one number is needed, and an array of shape {matrix.shape} (seeds, items) has "
            "none: is there a measure of this name in this condition?"
        )
    present = ~np.isnan(matrix)
    sums, generator = np.where(present, matrix, 0.0), resampling_generator()
    seeds, items = matrix.shape
    # A resample is how often each seed and each item is drawn, so its mean is two matrix products:
    # counts of seeds (resamples, seeds) @ (seeds, items) weighted by counts of items (resamples, items).
    weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples).astype(np.float64)
    means = np.empty(resamples)
    for begin in range(0, resamples, 1000):
        block = slice(begin, min(begin + 1000, resamples))
        drawn = generator.multinomial(items, np.full(items, 1 / items), size=block.stop - begin)
        total = ((weights[block] @ sums) * drawn).sum(axis=1)
        count = ((weights[block] @ present) * drawn).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample of missing values alone is left out
            means[block] = total / count
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.nanmean(matrix)), float(low), float(high))


def spearman(x: ArrayLike, y: ArrayLike, level: float = 0.95, resamples: int = 2_000) -> Interval:
    """Rank correlation of ``x`` (n,) and ``y`` (n,) with its p value and a percentile bootstrap interval over pairs.

    >>> correlation = spearman(range(20), [value**3 for value in range(20)])
    >>> round(correlation.estimate, 6), correlation.p < 1e-6
    (1.0, True)

    Raises:
        ValueError: There are fewer than three pairs, the lengths differ, or one side is constant.
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 3:
        raise ValueError(f"Spearman: at least three pairs are needed, not shapes {first.shape} and {second.shape}")
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        raise ValueError("Spearman: one side has the same value everywhere, so there is no order to compare")
    stats = library("scipy.stats")
    result = stats.spearmanr(first, second)
    index = resampling_generator().integers(len(first), size=(resamples, len(first)))
    ranks = [stats.rankdata(side[index], axis=1) for side in (first, second)]  # (resamples, n) each
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):  # a resample of one pair, over and over, has no correlation
        resampled = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(result.statistic), float(low), float(high), float(result.pvalue))


def achieved_power(
    p_value: Callable[[np.random.Generator], float], alpha: float = 0.05, repeats: int = 200
) -> Interval:
    """Share of simulated studies whose p value is below ``alpha``, with an exact 95 % interval.

    Args:
        p_value: Simulates one study, with the effect that is assumed, from the given generator; returns its p value.
        alpha: Threshold.
        repeats: Studies simulated; 200 give the power to within 7 points.

    >>> def study(generator):  # 20 pairs, a true difference of one standard deviation
    ...     from babylm.studies.statistics import sign_flip_test
    ...     return sign_flip_test(generator.normal(1.0, 1.0, 20), resamples=500).p
    >>> achieved_power(study, repeats=50).estimate > 0.9
    True
    """
    generator = resampling_generator()
    significant = sum(p_value(generator) < alpha for _ in range(repeats))
    interval = library("scipy.stats").binomtest(int(significant), repeats).proportion_ci()
    return Interval(significant / repeats, float(interval.low), float(interval.high))
