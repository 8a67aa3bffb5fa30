"""Average marginal effects of simulated data, where they are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as api

from babylm.studies.statistics import logistic_effects


def simulate(n, seed):
    """Wrong answers by fine-tuning, amendment and difficulty; the probabilities, and true effects over all rows."""
    generator = np.random.default_rng(seed)
    warm = generator.integers(0, 2, n)
    stakes = generator.integers(0, 3, n)
    difficulty = generator.normal(size=n)

    def probability(warm, stakes, difficulty):
        logit = -1.5 + 0.8 * warm + 0.3 * (stakes == 1) + 0.6 * (stakes == 2) + 0.7 * warm * (stakes == 2)
        return 1 / (1 + np.exp(-(logit + 0.5 * difficulty)))

    p = probability(warm, stakes, difficulty)
    truth = {
        ("warm", "yes"): np.mean(probability(1, stakes, difficulty) - probability(0, stakes, difficulty)),
        ("stakes", "some"): np.mean(probability(warm, 1, difficulty) - probability(warm, 0, difficulty)),
        ("stakes", "high"): np.mean(probability(warm, 2, difficulty) - probability(warm, 0, difficulty)),
        ("difficulty", ""): np.mean(0.5 * p * (1 - p)),
    }
    names = np.array(["none", "some", "high"])
    # The first row says what the references are.
    columns = {"warm": np.array(["no", "yes"])[warm], "stakes": names[stakes], "difficulty": difficulty}
    columns["warm"][0], columns["stakes"][0] = "no", "none"
    return generator.random(n) < p, columns, truth


def test_effects_are_within_half_a_point_of_the_truth():
    wrong, factors, truth = simulate(200_000, seed=0)
    effects = logistic_effects(wrong, factors, interactions=[("warm", "stakes")])
    assert {(effect.factor, effect.level) for effect in effects} == set(truth)
    for effect in effects:
        known = truth[effect.factor, effect.level]
        assert effect.effect == pytest.approx(known, abs=0.005)
        assert effect.low < known < effect.high
        assert effect.p < 1e-6


def test_without_interactions_it_is_the_library_s_own_marginal_effect():
    wrong, factors, _ = simulate(2_000, seed=1)
    exog = np.column_stack([np.ones(2_000), factors["warm"] == "yes", factors["difficulty"]]).astype(float)
    margins = api.Logit(wrong.astype(float), exog).fit(disp=0).get_margeff(dummy=True)
    effects = logistic_effects(wrong, {"warm": factors["warm"], "difficulty": factors["difficulty"]})
    assert [effect.effect for effect in effects] == pytest.approx(margins.margeff, abs=1e-6)
    errors = [(effect.high - effect.low) / 2 / 1.96 for effect in effects]
    assert errors == pytest.approx(margins.margeff_se, rel=1e-3)


def test_a_null_factor_is_significant_in_about_5_percent_of_200_seeds():
    """Wald tests have their level on average only: at most 16 of 200 are within two standard deviations of it."""
    found = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        condition = np.array(["a", "b"] * 200)
        found += logistic_effects(generator.random(400) < 0.3, {"condition": condition})[0].p < 0.05
    assert found <= 16


def test_rows_of_one_item_are_no_independent_evidence():
    """Each item's answer written down ten times: the clustered interval is that of the items alone."""
    generator = np.random.default_rng(4)
    condition = np.array(["a", "b"] * 100)
    wrong = generator.random(200) < np.where(condition == "b", 0.5, 0.3)
    (alone,) = logistic_effects(wrong, {"condition": condition})
    repeated = {"condition": np.repeat(condition, 10)}
    (clustered,) = logistic_effects(np.repeat(wrong, 10), repeated, groups=np.repeat(np.arange(200), 10))
    (naive,) = logistic_effects(np.repeat(wrong, 10), repeated)
    assert clustered.high - clustered.low == pytest.approx(alone.high - alone.low, rel=0.02)
    assert naive.high - naive.low < 0.4 * (alone.high - alone.low)


def test_a_cell_that_is_all_right_has_an_effect_and_no_p_value():
    (effect,) = logistic_effects([0] * 50 + [0, 1] * 25, {"condition": ["a"] * 50 + ["b"] * 50})
    assert effect.effect == pytest.approx(0.5, abs=1e-4)
    assert np.isnan([effect.p, effect.low, effect.high]).all()


@pytest.mark.parametrize(
    ("outcome", "factors", "interactions", "message"),
    [
        ([0, 2], {"a": ["x", "y"]}, [], "an outcome of 0 and 1"),
        ([0, 1], {"a": ["x", "x"]}, [], "a is the same in every row"),
        ([0, 1], {"a": ["x", "y", "z"]}, [], r"a has \(3,\)"),
        ([0, 1], {"a": ["x", "y"]}, [("a", "b")], "names b, which is no factor"),
    ],
)
def test_what_cannot_be_fitted_is_refused(outcome, factors, interactions, message):
    with pytest.raises(ValueError, match=message):
        logistic_effects(outcome, factors, interactions)


def test_one_group_alone_has_effects_without_intervals():
    wrong, warm = [0, 1, 0, 1, 1, 1, 0, 1], ["no", "yes"] * 4
    (alone,) = logistic_effects([*wrong, 0, 0], {"warm": [*warm, "no", "yes"]}, groups=["capital"] * 10)
    assert alone.effect == pytest.approx(0.6)
    assert all(map(math.isnan, (alone.low, alone.high, alone.p)))
