"""Official and tie-aware numbers, ties, NaN and intervals."""

import json

import numpy as np
import pytest

from babylm.evaluation.results.task_result import Item, fingerprint, score_choices


def pairs(n, uid="u", label=0):
    return [Item(uid, (f"good {i}", f"bad {i}"), (f"good {i}", f"bad {i}"), label) for i in range(n)]


def test_right_wrong_and_tied():
    result = score_choices(pairs(4), np.array([-1.0, -2.0, -2.0, -1.0, -3.0, -3.0, -1.0, -5.0]))
    assert (result.official, result.tie_aware, result.ties, result.n) == (0.75, 0.625, 1, 4)
    assert result.chosen.tolist() == [0, 1, 0, 0]
    assert result.margins.tolist() == [1.0, -1.0, 0.0, 4.0]


def test_a_constant_scorer_is_right_officially_and_half_right_in_truth():
    result = score_choices(pairs(50), np.zeros(100))
    assert (result.official, result.tie_aware, result.ties) == (1.0, 0.5, 50)
    assert result.interval == (0.5, 0.5)
    # With the right candidate second, the same artefact is a loss.
    assert score_choices(pairs(50, label=1), np.zeros(100)).official == 0.0


def test_nan_never_wins():
    nan = np.nan
    result = score_choices(pairs(3), np.array([nan, -9.0, -9.0, nan, nan, nan]))
    assert result.chosen[:2].tolist() == [1, 0]
    assert result.official == result.tie_aware == pytest.approx(1 / 3)
    assert result.ties == 0


def test_mean_over_uids_not_over_items():
    items = pairs(9, "easy") + pairs(1, "hard")
    scores = np.array([-1.0, -2.0] * 9 + [-2.0, -1.0])
    result = score_choices(items, scores)
    assert result.official == 0.5
    assert result.by_uid["easy"].official == 1.0
    assert result.by_uid["hard"].n == 1


def test_different_numbers_of_candidates():
    items = [Item("u", ("a", "b", "c"), ("a", "b", "c"), 2), *pairs(1)]
    result = score_choices(items, np.array([-3.0, -1.0, -1.0, -2.0, -5.0]))
    assert result.chosen.tolist() == [1, 0]
    assert result.tie_aware == 0.75
    assert result.ties == 1


def test_interval_covers_and_is_reproducible():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(400, 2)) + np.array([0.5, 0])
    result = score_choices(pairs(400), scores.ravel())
    low, high = result.interval
    assert low < result.tie_aware < high
    # Twice 1.96 standard errors of a share near .64 of 400.
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.64 * 0.36 / 400), rel=0.15)
    assert score_choices(pairs(400), scores.ravel()).interval == result.interval


def test_json_and_fingerprint():
    items = pairs(2)
    stored = json.loads(json.dumps(score_choices(items, np.array([0.0, 1.0, 1.0, 0.0])).as_dict(), allow_nan=False))
    assert stored["by_uid"]["u"]["n"] == 2
    assert fingerprint(items) == fingerprint(pairs(2)) != fingerprint(pairs(2, label=1))
    with pytest.raises(ValueError, match="no items"):
        score_choices([], np.zeros(0))
