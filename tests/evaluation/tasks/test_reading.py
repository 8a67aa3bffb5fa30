"""Reading: golden values of the regressions, and the official pipeline's every word."""

import json

import numpy as np
import pytest

from babylm.evaluation.scoring.load_model import load_scorer
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.tasks import reading
from tests.evaluation import fixtures
from tests.evaluation.test_parity import DATA

pytest.importorskip("statsmodels")
real = pytest.mark.skipif(not (DATA / "parity").is_dir(), reason="no reference data (BABYLM_SHARED_DATA)")
BACKENDS = [("gpt2-tiny", "causal"), ("bert-tiny", "mlm"), ("bert-tiny", "mntp")]


@pytest.fixture(scope="module")
def words():
    return reading.TASK.items(DATA / "evaluation_data")


def column(words, name):
    return np.array([word.numbers[reading.NUMBERS.index(name)] for word in words])


@real
def test_golden_regressions(words):
    index = np.arange(len(words))
    table = np.array([word.numbers for word in words])
    inside = np.array([word.previous_context is not None for word in words])
    assert (len(words), int((~inside).sum())) == (1726, 206)
    power = reading.predictive_power(
        table, ((37 * index) % 101) / 10, np.where(inside, ((53 * index) % 97) / 10, np.nan)
    )
    assert power["self_paced"] == pytest.approx(0.0003437824112, abs=1e-12)
    assert power["eye_tracking"] == pytest.approx(0.0007087244907, abs=1e-12)
    length = np.array([len(word.word) for word in words])
    with np.errstate(invalid="ignore"):
        power = reading.predictive_power(
            table, length**1.5, np.where(inside, column(words, "prev_length") ** 1.5, np.nan)
        )
    assert power["self_paced"] == pytest.approx(0.0003718805339, abs=1e-9)
    assert power["eye_tracking"] == pytest.approx(0.0157122382363, abs=1e-9)


@real
@pytest.mark.parametrize(("model", "backend"), BACKENDS)
def test_every_word_and_the_printed_scores(words, model, backend):
    folder = DATA / "parity/official" / model / backend / "reading"
    official = json.loads((folder / "predictions.json").read_text())["reading"]["predictions"]
    result = reading.TASK.score(load_scorer(DATA / "parity" / model, backend), words)
    ours = result.predictions["reading"]["predictions"]
    for key in ("pred", "prev_pred"):
        np.testing.assert_allclose([o[key] for o in ours], [o[key] for o in official], atol=1e-4, equal_nan=True)
    assert [o["id"] for o in ours] == [o["id"] for o in official]
    eyes, paced = (float(line.rsplit(": ", 1)[1]) for line in (folder / "report.txt").read_text().splitlines())
    assert round(100 * result.by_part["eye_tracking"].official, 2) == eyes
    assert round(100 * result.by_part["self_paced"].official, 2) == paced
    assert result.official == pytest.approx((result.details["eye_tracking"] + result.details["self_paced"]) / 2)
    low, high = result.interval
    assert low < result.official + 0.01
    assert high > result.official


@pytest.mark.parametrize("backend", ["causal", "mlm", "mntp"])
def test_offline(tmp_path, causal_model, masked_model, tokenizer, backend):
    fixtures.reading(tmp_path / "fast_eval/reading/reading_data.csv")
    words = reading.TASK.items(tmp_path)
    assert words[0].previous_context is None
    assert any(word.context == "None" for word in words)
    result = reading.TASK.score(
        Scorer(causal_model if backend == "causal" else masked_model, tokenizer, backend), words
    )
    json.dumps(result.as_dict(), allow_nan=False)
    lines = result.predictions["reading"]["predictions"]
    assert len(lines) == result.n == len(words)
    assert np.isnan(lines[0]["prev_pred"])
    # What is asked of the next word about the one before is what the row before asks about its own.
    assert lines[2]["prev_pred"] == pytest.approx(lines[1]["pred"], abs=1e-5)


def test_one_regression_two_ways(words_made):
    table, surprisal, previous = words_made
    power = reading.predictive_power(table, surprisal, previous)
    middle = (power["eye_tracking"] + power["self_paced"]) / 2
    low, high = reading._interval(np.tile(table, (30, 1)), np.tile(surprisal, 30), np.tile(previous, 30))
    assert low < middle < high
    assert high - low < 0.2


@pytest.fixture
def words_made():
    generator = np.random.default_rng(1)
    table = generator.normal(size=(60, len(reading.NUMBERS)))
    surprisal = generator.normal(size=60)
    table[:, 4:] += surprisal[:, None]
    return table, surprisal, generator.normal(size=60)


def test_what_is_missing_is_said(tmp_path):
    (tmp_path / "reading").mkdir()
    (tmp_path / "reading/reading_data.csv").write_text("item,word\nThe,cat\n")
    with pytest.raises(ValueError, match=r"reading_data.csv: no columns prev_item, prev_word, Subtlex_log10"):
        reading.TASK.items(tmp_path)
    fixtures.reading(tmp_path / "reading/reading_data.csv")
    few = np.array([word.numbers for word in reading.TASK.items(tmp_path, limit=8)][:8])
    with pytest.raises(ValueError, match="too few"):
        reading.predictive_power(few, np.zeros(8), np.zeros(8))
