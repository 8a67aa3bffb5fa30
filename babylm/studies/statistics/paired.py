"""Two conditions on the same items: exact and permutation tests, and the correction for several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babylm.randomness import resampling_generator
from babylm.studies.statistics._libraries import library

RESAMPLES = 10_000


@dataclass(frozen=True)
class Paired:
    """A test of paired values."""

    effect: float
    """Mean of the differences (for McNemar: difference of the shares), in the unit of the values."""
    p: float
    """Two-sided."""
    n: int
    """Pairs."""
    exact: bool
    """Whether all sign patterns were counted, not a sample of them."""


def sign_flip_test(differences: ArrayLike, resamples: int = RESAMPLES) -> Paired:
    """Permutation test that paired differences are symmetric around zero: each keeps its size and flips its sign.

    Exact (all 2^n sign patterns) if these are at most ``resamples``, that is for n up to 13 by default; otherwise a
    seeded sample of them. With n pairs the smallest possible p is 2^(1 - n): five pairs can never reach 0.05.

    Args:
        differences: (n,), value in one condition minus value in the other, per item or per seed.
        resamples: Sign patterns that are drawn if there are more than this.

    >>> sign_flip_test([1, 2, 3, 4, 5, 6])
    Paired(effect=3.5, p=0.03125, n=6, exact=True)

    Raises:
        ValueError: There is no difference, or one is not a number.
    """
    values = _finite(differences, "differences")
    n, effect = len(values), float(values.mean())
    exact = 2**n <= resamples
    if not values.any():
        return Paired(0.0, 1.0, n, exact)
    result = library("scipy.stats").permutation_test(
        (values,),
        lambda data, axis: np.mean(data, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 10_000_000 // n),  # at most 80 MB of flipped copies at a time
        random_state=resampling_generator(),
    )
    return Paired(effect, float(result.pvalue), n, exact)


def mcnemar_test(a: ArrayLike, b: ArrayLike) -> Paired:
    """Exact test that two conditions are right on the same share of items; only items that differ count.

    Args:
        a: (n,) booleans, whether each item is right in the one condition.
        b: (n,) booleans, the same items in the other.

    >>> mcnemar_test([1, 1, 1, 1, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0, 0, 1])
    Paired(effect=0.75, p=0.03125, n=8, exact=True)

    Raises:
        ValueError: The lengths differ, there is no item, or a value is neither true nor false.
    """
    first, second = _finite(a, "a"), _finite(b, "b")
    if len(first) != len(second):
        raise ValueError(f"McNemar's test needs the same items: {len(first)} and {len(second)} values are given")
    if not np.isin(first, (0, 1)).all() or not np.isin(second, (0, 1)).all():
        raise ValueError("McNemar's test needs values that are true or false (1 or 0)")
    table = [[np.sum((first == x) & (second == y)) for y in (1, 0)] for x in (1, 0)]
    result = library("statsmodels.stats.contingency_tables").mcnemar(table, exact=True)
    return Paired(float(first.mean() - second.mean()), float(min(result.pvalue, 1.0)), len(first), exact=True)


def benjamini_hochberg(p_values: Sequence[float] | ArrayLike) -> NDArray[np.float64]:
    """p values (tests,) adjusted so that calling those below q significant has a false discovery rate of at most q.

    NaN (a test that could not be made) stays NaN and does not count as a test.

    >>> benjamini_hochberg([0.01, 0.02, 0.03, 0.5]).round(3).tolist()
    [0.04, 0.04, 0.04, 0.5]
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted, tested = np.full_like(values, np.nan), ~np.isnan(values)
    if tested.any():
        adjusted[tested] = library("statsmodels.stats.multitest").multipletests(values[tested], method="fdr_bh")[1]
    return adjusted


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """``values`` as (n,) floats; `ValueError` if there is none or one is not a number."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: must be a list of at least one number, not of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: {np.sum(~np.isfinite(array))} of {array.size} values are not numbers")
    return array
