"""Learning curves, the order of acquisition, and calibration."""

import json

import numpy as np
import pytest

from babylm.evaluation.results import calibration, learning_curves
from tests.evaluation import stored_results

WORDS = np.array([1e6, 2e6, 4e6, 8e6])


@pytest.mark.parametrize(
    ("values", "when"),
    [
        ([0.5, 0.5, 0.9, 0.9], 2e6 * np.sqrt(2)),  # half-way between 0.5 and 0.9, on log words
        ([0.5, 0.9, 0.5, 0.9], 4e6 * np.sqrt(2)),  # for good, not at first
        ([0.9, 0.9, 0.9, 0.9], 1e6),
        ([0.5, 0.5, 0.5, 0.55], None),  # not above chance
        ([0.9, 0.9, 0.9, 0.3], None),
        ([0.2, np.nan, 0.9, 0.9], 1e6 * 4 ** (0.5 / 0.7)),
    ],
)
def test_acquired(values, when):
    found = learning_curves.acquisition(WORDS, np.array(values), 100, 0.5)
    assert found.words == (pytest.approx(when) if when else None)
    assert found.before_first == (when == 1e6)
    assert found.threshold == (0.5 + values[-1]) / 2


def learn(folder, words, early, late, sizes=100):
    """A revision whose UIDs have these accuracies."""
    items = stored_results.pairs({"early": sizes, "late": sizes})
    right = np.concatenate([np.arange(sizes) < share * sizes for share in (early, late)])
    scores = np.stack([np.where(right, 0.0, -2.0), np.full(2 * sizes, -1.0)], 1)
    return stored_results.store(folder, items, scores, words=words, weights_sha256=str(words))


@pytest.fixture
def results(tmp_path):
    for words, early, late in ((1, 0.5, 0.5), (2, 0.9, 0.5), (4, 0.9, 0.6), (8, 0.9, 0.8)):
        learn(tmp_path / f"chck_{words}M", words * 10**6, early, late)
    learn(tmp_path / "main", 8 * 10**6, 0.9, 0.8)  # the same weights as the last milestone
    return tmp_path


def test_curves_over_revisions(results):
    (curve,) = learning_curves.curves(results)
    assert curve.revisions == ["chck_1M", "chck_2M", "chck_4M", "chck_8M"]
    np.testing.assert_allclose(curve.tie_aware, [0.5, 0.7, 0.75, 0.85])
    assert (curve.intervals[:, 0] < curve.tie_aware).all()
    assert list(curve.acquired) == ["early", "late"]
    assert curve.acquired["early"].words == pytest.approx(1e6 * np.sqrt(2))
    assert curve.acquired["late"].words == pytest.approx(4e6 * 2**0.25)
    (file,) = learning_curves.write(results)
    stored = json.loads(file.read_text())
    assert file.name == "curves.blimp.fast.2026.causal.json"
    assert stored["acquired"]["late"]["words"] == curve.acquired["late"].words
    assert stored["by_uid"]["late"] == [0.5, 0.5, 0.6, 0.8]


def test_other_items_are_not_on_the_curve(results):
    learn(results / "chck_3M", 3_000_000, 1.0, 1.0, sizes=50)
    assert learning_curves.curves(results)[0].revisions == ["chck_1M", "chck_2M", "chck_4M", "chck_8M"]


def test_a_calibrated_model_has_no_error():
    generator = np.random.default_rng(0)
    size = np.abs(generator.normal(scale=2, size=40_000))
    margins = size * np.where(generator.random(len(size)) < 1 / (1 + np.exp(-size)), 1, -1)
    found = calibration.calibration(margins)
    assert found.expected_error < 0.01
    assert found.temperature == pytest.approx(1, rel=0.08)
    # Sharper by three: the temperature finds it.
    sharp = calibration.calibration(3 * margins)
    assert sharp.temperature == pytest.approx(3, rel=0.08)
    assert sharp.expected_error > 0.03
    assert sharp.brier > found.brier


def test_calibration_by_hand():
    sure = np.log(0.72 / 0.28)
    found = calibration.calibration(np.array([0.0, sure, sure, -sure, np.nan]))
    assert found.n == 4
    # Three pairs at 0.72, two of them right; one tie at 0.5, half right.
    assert found.expected_error == pytest.approx(3 / 4 * abs(2 / 3 - 0.72))
    assert found.brier == pytest.approx((0.25 + 2 * 0.28**2 + 0.72**2) / 4)
    assert found.bins[0].n == 1
    assert found.bins[0].accuracy == 0.5
    assert [b.n for b in found.bins].count(0) == 8
    assert calibration.calibration(np.full(5, -1.0)).temperature is None
    with pytest.raises(ValueError, match="no pairs"):
        calibration.calibration(np.array([np.nan]))
    extreme = calibration.calibration(np.array([5000.0, -5000.0]))
    assert np.isfinite(extreme.brier)
