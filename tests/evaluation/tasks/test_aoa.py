"""Age of acquisition: golden values of the curves, and the score of revisions."""

import csv
import json

import numpy as np
import pytest

from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.tasks import _aoa_curves, aoa
from tests.evaluation import fixtures

pytest.importorskip("scipy")
STEPS = [(f"chck_{n}M", n * 1e6) for n in (*range(1, 10), *range(10, 101, 10))]


@pytest.mark.parametrize(
    ("centre", "slope", "age"),
    [(18.5, 0.6, 18.675601), (22, 0.5, 22.210721), (27, 0.7, 27.150515), (20, 0.55, 20.191565)],
)
def test_children(centre, slope, age):
    ages = np.arange(16, 31.0)
    assert _aoa_curves.child_age(ages, 0.95 / (1 + np.exp(-slope * (ages - centre)))) == pytest.approx(age, abs=1e-6)


def test_children_who_never_say_it():
    ages = np.arange(16, 31.0)
    assert _aoa_curves.child_age(ages, np.linspace(0.01, 0.3, 15)) is None
    assert _aoa_curves.child_age(ages, np.full(15, np.nan)) is None


@pytest.mark.parametrize(
    ("middle", "low", "high", "slope", "age"),
    [(6.8, 4, 9, 6, 6.752495), (7.2, 3, 9, 6, 7.157943), (7.5, 5, 9.6, 8, 7.489842)],
)
def test_models(middle, low, high, slope, age):
    words = np.array([words for _, words in STEPS])
    nats = high - (high - low) / (1 + np.exp(-slope * (np.log10(words) - middle)))
    assert _aoa_curves.model_age_2026(words, nats[:, None], 1, 16_384) == pytest.approx(age, abs=1e-6)
    assert _aoa_curves.model_age_2025(words, np.tile(nats[:, None], 3)) is None


def test_the_ceiling_of_2025_in_its_own_unit():
    words = np.array([words for _, words in STEPS])
    nats = 18 - 14 / (1 + np.exp(-6 * (np.log10(words + 1) - 7)))
    level = (np.log2(300_000) + nats.min()) / 2
    expected = 7 - np.log(14 / (18 - level) - 1) / 6
    assert _aoa_curves.model_age_2025(words, np.tile(nats[:, None], 2)) == pytest.approx(expected, abs=1e-4)


def test_items(tmp_path):
    fixtures.aoa(tmp_path / "full_eval/aoa")
    file = tmp_path / "full_eval/aoa/cdi_childes.json"
    contexts = json.loads(file.read_text())
    file.write_text(json.dumps({"I": contexts["cat"], "never": contexts["cat"], **contexts}))
    items = aoa.TASK.items(tmp_path)
    assert len(items) == 10  # a word of one character has none
    assert {item.word: item.age for item in items}["never"] is None
    assert items[2] == aoa.Context("cat", "The two girls see the a", 0, pytest.approx(18.675601, abs=1e-6))
    assert len({item.word for item in aoa.TASK.items(tmp_path, limit=2)}) == 2


@pytest.mark.parametrize("backend", ["causal", "mlm"])
def test_raw_surprisals(tmp_path, causal_model, masked_model, tokenizer, backend):
    fixtures.aoa(tmp_path / "full_eval/aoa")
    items = aoa.TASK.items(tmp_path)
    scorer = Scorer(causal_model if backend == "causal" else masked_model, tokenizer, backend)
    result = aoa.TASK.score(scorer, items)
    lines = result.predictions["results"]
    assert (result.as_dict()["official"], result.n, len(lines)) == (None, 8, 8)
    text = "The two girls see the b ship"
    assert lines[5]["target_word"] == "ship"
    assert lines[5]["surprisal"] == pytest.approx(
        -scorer.sequence_log_probs([(text, " ship")]).log_probability[0], abs=1e-4
    )
    assert all(count >= 1 for count in result.predictions["metadata"]["pieces"].values())
    json.dumps(result.as_dict(), allow_nan=False)


def revisions(middles, human):
    """StoredResult predictions of 19 revisions in which each word is learned around its middle."""
    stored = []
    for _, words in STEPS:
        lines = []
        for word, middle in middles.items():
            nats = 9 - 5 / (1 + np.exp(-6 * (np.log10(words) - middle)))
            lines += [
                {"target_word": word, "context_id": i, "context": "c", "surprisal": nats + (0.1, -0.1)[i]}
                for i in (0, 1)
            ]
        about = {"pieces": dict.fromkeys(middles, 1), "vocabulary": 16_384}
        stored.append({"metadata": about, "ages": human, "results": lines})
    return stored


def test_score_of_a_run():
    middles = {"cat": 6.4, "dog": 6.7, "ship": 7.1, "house": 7.4, "book": 7.5, "other": 6.9}
    human = {"cat": 18.0, "dog": 20.0, "ship": 22.0, "house": 23.0, "book": 26.0}
    stored = revisions(middles, human)
    found = aoa.combine(stored, STEPS, "2026")
    assert found["words"] == 5
    assert found["ages"]["cat"]["model"] == pytest.approx(6.4, abs=0.1)
    assert found["score"] == found["correlation"] > 0.9
    shuffled = aoa.combine(stored[::-1], STEPS[::-1], "2026")
    assert shuffled == found
    assert len(found["surprisals"]["results"]) == 19 * 12
    assert found["surprisals"]["results"][0]["step"] == "chck_1M"
    assert found["surprisals"]["results"][-1]["word_count"] == 100_000_000
    # Without significance the rules of 2026 give nothing.
    noise = dict(zip(human, (22.0, 23.0, 21.0, 22.5, 22.2), strict=True))
    again = aoa.combine(revisions(middles, noise), STEPS, "2026")
    assert again["score"] == 0.0 != again["correlation"]
    assert aoa.combine(stored, STEPS, "2025")["score"] == 0.0  # no word is left
    with pytest.raises(ValueError, match=r"no metric 'mse' .*2025, 2026"):
        aoa.combine(stored, STEPS, "mse")


def test_a_metric_of_your_own(monkeypatch):
    own = aoa.Metric(lambda words, nats, pieces, size: float(nats[0].mean()), lambda r, p: -r)
    monkeypatch.setitem(aoa.METRICS, "own", own)
    found = aoa.combine(revisions({"a": 7.0, "b": 6.5, "c": 6.1}, {"a": 18.0, "b": 20.0, "c": 25.0}), STEPS, "own")
    assert found["score"] == -found["correlation"]


def test_children_file_without_words(tmp_path):
    with open(tmp_path / "human.csv", "w", newline="") as out:
        csv.writer(out).writerows([["16", "17"], [0.1, 0.2]])
    with pytest.raises(ValueError, match="no column word"):
        aoa.children(tmp_path / "human.csv")
