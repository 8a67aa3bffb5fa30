"""Logistic regression with average marginal effects: what a condition changes, in percentage points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babylm.studies.statistics._libraries import library

Levels = dict[str, list[Any]]
"""Factor -> its levels, the reference first; an empty list for a number."""


@dataclass(frozen=True)
class Effect:
    """The average marginal effect of a factor's level, or of one unit of a number, as a share (0.05: 5 points)."""

    factor: str
    level: str
    """Compared with the factor's reference; empty for a number."""
    effect: float
    low: float
    high: float
    """Of the 95 % interval, by the delta method."""
    p: float
    """Two-sided; NaN (as the interval) if a cell is all right or all wrong, where the likelihood has no maximum, and
    if all rows are of one group."""


def logistic_effects(
    outcome: ArrayLike,
    factors: Mapping[str, Sequence[Any] | NDArray[Any]],
    interactions: Sequence[tuple[str, str]] = (),
    groups: Sequence[Any] | NDArray[Any] | None = None,
) -> list[Effect]:
    """Average marginal effects of a binomial GLM: how much each factor changes the probability of the outcome.

    The effect of a level is the mean over all rows of p(row at this level) - p(row at the reference), everything else
    in the row as it is. So with an interaction it is the effect averaged over the other factor, which the coefficients
    of the model do not say.

    Args:
        outcome: (n,) 0 or 1, or booleans.
        factors: Name -> (n,) values: texts and booleans are levels, of which the first row's is the reference; numbers
            are numbers.
        interactions: Pairs of factors.
        groups: (n,) items or persons that occur in several rows; errors are then robust to clusters.

    >>> warm = ["no", "yes"] * 100
    >>> wrong = [0, 1, 0, 0] * 50  # 0 % and 50 % by condition would be separated; here 0 % becomes 10 %:
    >>> wrong[::20] = [1] * 10
    >>> (effect,) = logistic_effects(wrong, {"warm": warm})
    >>> effect.level, round(effect.effect, 3), effect.p < 0.001
    ('yes', 0.4, True)

    Raises:
        ValueError: Lengths differ, a factor has one level, or the outcome is not 0 or 1.
    """
    y = np.asarray(outcome, dtype=np.float64)
    values = {name: np.asarray(column) for name, column in factors.items()}
    levels = _check(y, values, interactions)
    design, _ = _design(values, levels, interactions)
    api = library("statsmodels.api")
    model = api.GLM(y, design, family=api.families.Binomial())
    clusters = None if groups is None else _codes(groups)
    one_cluster = clusters is not None and len(np.unique(clusters)) == 1
    robust = clusters is not None and not one_cluster
    cluster = {"cov_type": "cluster", "cov_kwds": {"groups": clusters}} if robust else {}
    with _quiet():
        fit = model.fit(**cluster)
    coefficients, covariance = np.asarray(fit.params), np.asarray(fit.cov_params())
    separated = bool(((fit.fittedvalues < 1e-6) | (fit.fittedvalues > 1 - 1e-6)).any())
    no_error = separated or one_cluster
    effects = []
    for name, of_factor in levels.items():
        for level in of_factor[1:] or [None]:
            estimate, gradient = _marginal(name, level, values, levels, interactions, coefficients)
            error = float(np.sqrt(gradient @ covariance @ gradient)) if not no_error else float("nan")
            p = float(2 * library("scipy.stats").norm.sf(abs(estimate / error))) if error > 0 else float("nan")
            shown = "" if level is None else str(level)
            effects.append(Effect(name, shown, estimate, estimate - 1.96 * error, estimate + 1.96 * error, p))
    return effects


def _marginal(
    name: str,
    level: Any,
    values: Mapping[str, NDArray[Any]],
    levels: Levels,
    interactions: Sequence[tuple[str, str]],
    coefficients: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """The average marginal effect and its gradient by the coefficients (columns,).

    With p = sigmoid(x b), dp/db = p (1 - p) x; a level's effect is mean(p1 - p0), a number's is mean(dp/dx), taken as
    (p(x + h) - p(x - h)) / 2h.
    """
    if level is None:
        step = 1e-4 * (float(np.std(values[name])) or 1.0)
        sides, scale = [values[name] + step, values[name] - step], 2 * step
    else:
        sides, scale = [np.full(len(values[name]), of_side) for of_side in (level, levels[name][0])], 1.0
    means, gradients = [], []
    for side in sides:
        design, _ = _design({**values, name: side}, levels, interactions)
        probability = 1 / (1 + np.exp(-np.clip(design @ coefficients, -700, 700)))  # (n,)
        means.append(probability.mean())
        gradients.append(((probability * (1 - probability))[:, None] * design).mean(axis=0))
    return float(means[0] - means[1]) / scale, (gradients[0] - gradients[1]) / scale


def _design(
    values: Mapping[str, NDArray[Any]], levels: Levels, interactions: Sequence[tuple[str, str]]
) -> tuple[NDArray[np.float64], list[str]]:
    """(n, columns) and the columns' names: intercept, one column per level but the reference, products.

    Two factors of two levels and their interaction, rows (a1 b1), (a2 b1), (a2 b2)::

        intercept  a=a2  b=b2  a=a2 b=b2
                1     0     0          0
                1     1     0          0
                1     1     1          1
    """
    n = len(next(iter(values.values())))
    names, parts = ["intercept"], [np.ones(n)]
    of_factor: dict[str, list[tuple[str, NDArray[np.float64]]]] = {}
    for name, column in values.items():
        if levels[name]:
            of_factor[name] = [(f"{name}={level}", (column == level).astype(np.float64)) for level in levels[name][1:]]
        else:
            of_factor[name] = [(name, column.astype(np.float64))]
        for title, dummy in of_factor[name]:
            names.append(title)
            parts.append(dummy)
    for first, second_factor in interactions:
        for title, dummy in of_factor[first]:
            for second_title, second in of_factor[second_factor]:
                names.append(f"{title} {second_title}")
                parts.append(dummy * second)
    return np.column_stack(parts), names


def _check(
    y: NDArray[np.float64], values: Mapping[str, NDArray[Any]], interactions: Sequence[tuple[str, str]]
) -> Levels:
    """The levels of each factor, in order of occurrence."""
    if not values or y.ndim != 1 or not np.isin(y, (0, 1)).all():
        raise ValueError("logistic regression: needs an outcome of 0 and 1 and at least one factor")
    levels: Levels = {}
    for name, column in values.items():
        if column.shape != y.shape:
            raise ValueError(f"logistic regression: {name} has {column.shape}, the outcome {y.shape} values")
        is_number = column.dtype.kind in "iuf"
        levels[name] = [] if is_number else list(dict.fromkeys(column.tolist()))
        if (np.ptp(column) == 0) if is_number else (len(levels[name]) < 2):
            raise ValueError(f"logistic regression: {name} is the same in every row")
    for name in {name for pair in interactions for name in pair} - set(values):
        raise ValueError(f"logistic regression: an interaction names {name}, which is no factor")
    return levels


def _codes(groups: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    """Group numbers (n,) from 0."""
    return np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)


def _quiet() -> Any:
    """Silences the warning of separation, which the result says by NaN."""
    import warnings

    return warnings.catch_warnings(action="ignore")
