"""Intervals that cover what they should, and power that is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from babylm.studies.statistics import achieved_power, bootstrap_mean, sign_flip_test, spearman


def test_the_interval_over_items_is_that_of_the_normal_approximation():
    values = np.random.default_rng(0).normal(2.0, 1.0, 400)
    interval = bootstrap_mean(values)
    error = values.std(ddof=1) / 20
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.02)


def test_seeds_that_differ_make_it_wider_than_items_alone():
    generator = np.random.default_rng(1)
    of_seeds = generator.normal(0, 1.0, (10, 1))
    matrix = of_seeds + generator.normal(0, 0.1, (10, 50))
    both, items = bootstrap_mean(matrix), bootstrap_mean(matrix.mean(axis=0))
    assert both.high - both.low > 5 * (items.high - items.low)
    assert both.high - both.low == pytest.approx(2 * 1.96 * matrix.mean(axis=1).std() / np.sqrt(10), rel=0.1)


def test_the_interval_covers_the_truth_in_95_of_100_studies():
    """Ten seeds and forty items, both of which vary; 100 studies."""
    covered = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        values = generator.normal(0, 0.3, (10, 1)) + generator.normal(0, 1, (1, 40)) + generator.normal(0, 1, (10, 40))
        interval = bootstrap_mean(values, resamples=500)
        covered += interval.low <= 0 <= interval.high
    assert covered >= 90


def test_missing_values_are_left_out():
    interval = bootstrap_mean([[1.0, np.nan, 1.0], [np.nan, 1.0, 1.0]])
    assert (interval.estimate, interval.low, interval.high) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="at least one number"):
        bootstrap_mean([[np.nan]])


def test_spearman_finds_a_known_correlation():
    generator = np.random.default_rng(5)
    x = generator.normal(size=500)
    y = 0.6 * x + 0.8 * generator.normal(size=500)  # Pearson 0.6, so Spearman 6 / pi * asin(0.3) = 0.58
    result = spearman(x, np.exp(y))
    assert result.estimate == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    assert result.low < 0.582 < result.high
    assert result.high - result.low < 0.15
    assert result.p < 1e-6
    unrelated = spearman(x, generator.normal(size=500))
    assert unrelated.low < 0 < unrelated.high
    with pytest.raises(ValueError, match="same value everywhere"):
        spearman([1, 2, 3], [1, 1, 1])
    with pytest.raises(ValueError, match="at least three pairs"):
        spearman([1, 2], [1, 2])


def test_power_is_that_of_the_t_test():
    """30 pairs with a true difference of half a standard deviation: 0.75 by the noncentral t distribution."""
    effect, n = 0.5, 30
    critical = scipy.stats.t.ppf(0.975, n - 1)
    known = scipy.stats.nct.sf(critical, n - 1, effect * np.sqrt(n))

    def study(generator):
        return sign_flip_test(generator.normal(effect, 1.0, n), resamples=400).p

    power = achieved_power(study, repeats=300)
    assert power.low < known < power.high
    assert power.estimate == pytest.approx(known, abs=0.07)
    null = achieved_power(lambda generator: sign_flip_test(generator.normal(0, 1, n), resamples=400).p, repeats=200)
    assert null.low <= 0.05
