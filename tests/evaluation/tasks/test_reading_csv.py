"""Reading times from a file: a known effect is found, and nothing where there is none."""

import csv
import json

import numpy as np
import pytest

from babylm import evaluate, revisions
from babylm.config.schema import EvaluationConfig, ReadingCsvConfig
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.tasks import _reading_csv, _reading_csv_layout
from tests.evaluation.test_parity import DATA

pytest.importorskip("statsmodels")
SUBJECTS = ("The cat", "A girl", "The two dogs", "Nobody", "The red ships")
VERBS = ("sees", "likes", "has never seen", "reads about")
OBJECTS = ("the birds near a lake.", "books.", "the house and the dogs.", "two ships near the red house.")
PER_NAT = 11.0


def made(file):
    return _reading_csv.task("times.csv", file)


def text():
    """(sentence, its words)."""
    return [f"{s} {v} {o}".split() for s in SUBJECTS for v in VERBS for o in OBJECTS]


def write(file, columns, rows):
    with open(file, "w", newline="") as out:
        csv.writer(out).writerows([columns, *rows])
    return file


def settings(**columns):
    return EvaluationConfig(reading_csv=ReadingCsvConfig(**columns))


@pytest.fixture(scope="module")
def known(tmp_path_factory, causal_model, tokenizer):
    """Times made of length, frequency and surprisal with noise, and one column without any surprisal in it."""
    scorer = Scorer(causal_model, tokenizer)
    generator = np.random.default_rng(0)
    places = [(number, k, words) for number, words in enumerate(text()) for k in range(len(words))]
    asked = [(" ".join(words[: k + 1]), " " * bool(k) + words[k]) for _, k, words in places]
    rows = []
    for (number, k, words), nats in zip(places, -scorer.sequence_log_probs(asked).log_probability, strict=True):
        frequency = generator.normal()
        plain = 200 + 9 * len(words[k]) - 12 * frequency + 3 * generator.normal()
        rows.append([number, k, words[k], frequency, plain + PER_NAT * nats, plain])
    columns = ["sentence", "place", "word", "logfreq", "RT", "without"]
    return scorer, write(tmp_path_factory.mktemp("times") / "times.csv", columns, rows)


def test_a_known_effect_is_found(known):
    scorer, file = known
    task = made(file)
    rows = task.items(None, 5)
    wanted = settings(time=["RT", "without"], frequency="logfreq")
    result = task.score(scorer, rows, settings=wanted)
    times = result.details["times"]
    assert times["RT"]["per_nat"] == pytest.approx(PER_NAT, abs=4 * times["RT"]["standard_error"])
    assert times["RT"]["standard_error"] < 1
    assert times["RT"]["share"] > 0.5
    assert times["RT"]["p"] < 1e-20
    assert abs(times["without"]["per_nat"]) < 4 * times["without"]["standard_error"]
    assert times["without"]["share"] < 0.02
    # Two statements of one thing: the likelihood ratio of nested regressions with normal errors.
    ratio = -0.5 * times["RT"]["n"] * np.log(1 - times["RT"]["share"])
    assert times["RT"]["delta_log_likelihood"] == pytest.approx(ratio)
    assert result.n == len(rows) == sum(map(len, text()))
    assert result.official == pytest.approx((times["RT"]["share"] + times["without"]["share"]) / 2)
    low, high = result.interval
    assert low < result.official < high
    # The first word of a sentence has no word before it.
    assert times["RT"]["n"] == len(rows) - len(text())
    assert task.score(scorer, rows, settings=settings(time=["RT"], spillover=0)).details["times"]["RT"]["n"] == len(
        rows
    )
    json.dumps(result.as_dict(), allow_nan=False)


def test_surprisal_is_of_the_word_in_its_sentence(known):
    scorer, file = known
    sentence = text()[7]
    result = made(file).score(scorer, made(file).items(None), settings=settings(time=["RT"]))
    lines = result.predictions["reading_csv"]["predictions"]
    start = sum(map(len, text()[:7]))
    whole = scorer.surprisals([" ".join(sentence)])[0]
    assert sum(line["surprisal"] for line in lines[start : start + len(sentence)]) == pytest.approx(
        np.nansum(whole.nats), abs=1e-3
    )


def test_readers_are_averaged_and_contexts_can_be_given(known, tmp_path):
    scorer, file = known
    rows = [row.columns for row in made(file).items(None)]
    both = [[*row.values(), row["sentence"] + "x", float(row["RT"]) + shift] for row in rows for shift in (-5, 5)]
    two = write(tmp_path / "two.csv", [*rows[0], "group", "time"], both)
    one = made(file).score(scorer, made(file).items(None), settings=settings(time=["RT"]))
    mean = made(two).score(scorer, made(two).items(None), settings=settings(sentence="group", position="place"))
    assert mean.n == one.n
    assert mean.details["times"]["time"]["per_nat"] == pytest.approx(one.details["times"]["RT"]["per_nat"], rel=1e-6)
    given = [[*row.values(), "The cat"] for row in rows]
    three = write(tmp_path / "three.csv", [*rows[0], "before"], given)
    frame = _reading_csv.words(made(three).items(None), ReadingCsvConfig(time=["RT"], context="before"))
    assert set(frame["context"]) == {"The cat"}


def test_through_the_command(known, tmp_path, causal_model, tokenizer_folder, capsys):

    revisions.save(tmp_path / "m", causal_model, tokenizer_folder, {"words": 5})
    words = [str(tmp_path / "m"), f"tasks={known[1]}", "reading_csv.time=[RT]", "reading_csv.frequency=logfreq"]
    assert evaluate._command(words) == 0
    (file,) = (tmp_path / "m/evaluation/m").glob("*.json")
    stored = json.loads(file.read_text())
    assert stored["details"]["times"]["RT"]["per_nat"] == pytest.approx(PER_NAT, abs=1)
    assert stored["reading_csv"]["frequency"] == "logfreq"
    assert evaluate._command([*words[:2], "reading_csv.time=[rt]"]) == 2
    assert "unknown value 'rt' (one of: RT, logfreq" in capsys.readouterr().err
    assert evaluate._command([*words[:2], "reading_csv.times=[rt]"]) == 2
    assert evaluate._command([words[0], "tasks=none.csv"]) == 2
    assert "no file none.csv" in capsys.readouterr().err


def test_what_does_not_fit_is_said(known, tmp_path):
    scorer, _ = known
    few = write(tmp_path / "few.csv", ["sentence", "word", "time"], [["1", "the", "3"], ["1", "cat", "4"]])
    with pytest.raises(ValueError, match="too few to regress"):
        made(few).score(scorer, made(few).items(None))
    bad = write(tmp_path / "bad.csv", ["sentence", "word", "time"], [["1", "the", "fast"]])
    with pytest.raises(ValueError, match="column time"):
        made(bad).score(scorer, made(bad).items(None))


@pytest.mark.parametrize("dependent", [lambda length: 3.0, lambda length: 2 * length])
def test_a_predictor_that_says_nothing_is_named_in_one_line(dependent, caplog, recwarn):
    import pandas

    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {"length": rng.integers(1, 9, 60), "surprisal": rng.random(60), "column t": rng.random(60)}
    )
    alone = _reading_csv.regressions(frame, "t", ["length"])
    assert not caplog.text
    _reading_csv_layout.say.cache_clear()
    frame["column cov"] = frame["length"].map(dependent)
    again = _reading_csv.regressions(frame, "t", ["length", "column cov"])
    assert again["share"] == pytest.approx(alone["share"])
    assert "cov is constant, or a sum of the other predictors" in caplog.text
    assert not recwarn.list


@pytest.mark.skipif(not (DATA / "parity").is_dir(), reason="no reference data (BABYLM_SHARED_DATA)")
def test_official_data_are_understood():
    rows = made(DATA / "evaluation_data/fast_eval/reading/reading_data.csv").items(None)
    frame = _reading_csv.words(rows, ReadingCsvConfig(time=["RTfirstpass"], context="item", frequency="Subtlex_log10"))
    assert len(frame) == 1726
    assert (frame["context"] + " " + frame["word"]).iloc[0] in rows[0].columns["sentence"]
