"""Paired tests on simulated data whose answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from babylm.studies.statistics import benjamini_hochberg, mcnemar_test, sign_flip_test


def test_the_exact_sign_flip_test_counts_all_patterns():
    """Against the definition: the share of the 2^n sign patterns with a mean at least as far from zero."""
    differences = np.random.default_rng(3).normal(0.4, 1.0, 9)
    patterns = np.array(list(itertools.product((-1, 1), repeat=9)))
    means = (patterns * differences).mean(axis=1)
    result = sign_flip_test(differences)
    assert result.exact
    assert result.p == pytest.approx(np.mean(np.abs(means) >= abs(differences.mean()) - 1e-12))
    assert result.effect == pytest.approx(differences.mean())


def test_the_sampled_sign_flip_test_agrees_with_the_t_test_and_is_the_same_twice():
    differences = np.random.default_rng(1).normal(0.3, 1.0, 60)
    result = sign_flip_test(differences)
    assert not result.exact
    assert result.p == pytest.approx(scipy.stats.ttest_1samp(differences, 0).pvalue, abs=0.01)
    assert sign_flip_test(differences) == result


def test_no_difference_is_no_evidence():
    assert sign_flip_test([0.0, 0.0, 0.0]).p == 1.0


def test_false_positives_are_at_most_5_percent_over_1000_null_seeds():
    """Both tests, on answers that are right with the same probability in both conditions.

    20 seeds would say little: of them a right test of level 5 % calls two or more significant in a quarter of all cases
    (here, with 3.9 % over 6000 seeds, it does so for the first 20).
    """
    found = {"sign flip": 0, "McNemar": 0}
    for seed in range(1000):
        generator = np.random.default_rng(seed)
        difficulty = generator.uniform(0.2, 0.8, 100)
        a, b = (generator.random(100) < difficulty for _ in range(2))
        found["sign flip"] += sign_flip_test(a.astype(float) - b, resamples=400).p < 0.05
        found["McNemar"] += mcnemar_test(a, b).p < 0.05
    assert max(found.values()) <= 50, found


def test_mcnemar_is_the_binomial_test_of_the_items_that_differ():
    generator = np.random.default_rng(2)
    a, b = generator.random(80) < 0.8, generator.random(80) < 0.5
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(~a & b))
    result = mcnemar_test(a, b)
    assert result.p == pytest.approx(scipy.stats.binomtest(only_a, only_a + only_b).pvalue)
    assert result.effect == pytest.approx((only_a - only_b) / 80)
    assert mcnemar_test(a, a).p == 1.0


def test_benjamini_hochberg_leaves_out_tests_that_were_not_made():
    adjusted = benjamini_hochberg([0.04, float("nan"), 0.01])
    assert adjusted[[0, 2]] == pytest.approx([0.04, 0.02])
    assert np.isnan(adjusted[1])
    assert np.isnan(benjamini_hochberg([float("nan")])).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sign_flip_test([]), "at least one number"),
        (lambda: sign_flip_test([1.0, float("nan")]), "1 of 2 values are not numbers"),
        (lambda: mcnemar_test([1, 0], [1]), "2 and 1 values"),
        (lambda: mcnemar_test([0.5], [1]), "true or false"),
    ],
)
def test_what_cannot_be_tested_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_missing_library_is_named(monkeypatch):
    import importlib

    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(ValueError, match=r"need scipy: pip install 'babylm\[eval\]'"):
        sign_flip_test([1.0, 2.0])
