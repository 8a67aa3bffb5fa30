"""Paired comparison of two models' stored results."""

import json

import numpy as np
import pytest

from babylm import evaluate
from babylm.evaluation.results import comparison, item_results, store
from babylm.evaluation.results.task_result import score_choices
from tests.evaluation import stored_results

pytest.importorskip("scipy")
SIZES = {"easy": 60, "hard": 20}


def scores(credits):
    """A pair's scores from its credit: 1, 0.5 or 0."""
    return np.array([[c, 0.5] for c in credits])


@pytest.fixture
def two(tmp_path):
    """Two models and the credits of their items."""
    generator = np.random.default_rng(3)
    items = stored_results.pairs(SIZES)
    made = {}
    for name, share in (("a", 0.8), ("b", 0.6)):
        credit = (generator.random(len(items)) < share).astype(float)
        credit[:2] = 0.5
        folder = stored_results.model(tmp_path / name)
        stored_results.store(folder / "evaluation" / name, items, scores(credit))
        made[name] = (folder, credit)
    return made


def difference(two):
    (one,), (other,) = (store.model(str(folder)).stored() for folder, _ in two.values())
    return comparison.compare(one, other)


def test_mcnemar_is_the_exact_test_of_the_discordant_items(two):
    from statsmodels.stats.contingency_tables import mcnemar

    found = difference(two)
    a, b = (credit for _, credit in two.values())
    assert (found.only_a, found.only_b) == (int((a > b).sum()), int((b > a).sum()))
    both = np.array([[((a == x) & (b == y)).sum() for y in (1, 0)] for x in (1, 0)])
    # The two items that are ties in both are no evidence either way.
    assert found.p == pytest.approx(mcnemar(both, exact=True).pvalue)
    assert comparison.mcnemar(0, 0) == 1.0
    assert comparison.mcnemar(0, 1) == 1.0
    assert comparison.mcnemar(10, 0) == pytest.approx(2 / 2**10)


def test_a_tie_is_half_a_right_answer(tmp_path):
    items = stored_results.pairs({"u": 10})
    for name, credit in (("a", [1] * 10), ("b", [0.5] * 10)):
        stored_results.store(tmp_path / name, items, scores(credit))
    (one,), (other,) = store.read(tmp_path / "a"), store.read(tmp_path / "b")
    assert comparison.compare(one, other).only_a == 10  # although both are all right officially
    assert comparison.compare(one, other).difference == 0.5


def test_the_interval_is_of_the_macro_difference_with_items_resampled_in_uids(two):
    found = difference(two)
    change = np.subtract(*(credit for _, credit in two.values()))
    parts = [change[:60], change[60:]]
    assert found.difference == pytest.approx(np.mean([part.mean() for part in parts]))
    generator = np.random.default_rng(1)
    naive = [np.mean([generator.choice(part, len(part)).mean() for part in parts]) for _ in range(4000)]
    np.testing.assert_allclose(found.interval, np.quantile(naive, [0.025, 0.975]), atol=0.012)
    # Paired: a model against itself has no spread at all.
    own = store.model(str(two["a"][0])).stored()[0]
    assert comparison.compare(own, own).interval == (0.0, 0.0)
    assert comparison.compare(own, own).p == 1.0


def test_strata_of_kept_items_give_the_task_score(tmp_path):
    items = [
        type(item)(item.uid, item.sentences, item.completions, split="x" if i % 3 else "y")
        for i, item in enumerate(stored_results.pairs(SIZES))
    ]
    given = np.random.default_rng(0).normal(size=(len(items), 2))
    result = score_choices(items, given.ravel())
    assert item_results.write(tmp_path / "f.json", items, result, {})
    kept = item_results.read(tmp_path / "f.json")
    groups, weights = kept.strata()
    score = sum(w * kept.credit[own].mean() for own, w in zip(groups, weights, strict=True))
    assert score == pytest.approx(result.tie_aware)
    np.testing.assert_allclose(kept.margins, given[:, 0] - given[:, 1], atol=1e-6)
    np.testing.assert_array_equal(kept.right, given[:, 0] > given[:, 1])


def test_holm_equals_statsmodels():
    from statsmodels.stats.multitest import multipletests

    values = [0.04, 0.01, 0.5, 0.012, 0.011]
    assert comparison.holm(values) == pytest.approx(multipletests(values, method="holm")[1])
    assert comparison.holm([None, 0.03, None]) == [None, 0.03, None]


def test_correlations_with_people_have_an_interval_alone(tmp_path):
    generator = np.random.default_rng(0)
    items = stored_results.pairs({"wug": 80}, human=True)
    people = np.array([item.human for item in items])
    for name, noise in (("a", 0.1), ("b", 5.0)):
        odds = people + noise * generator.normal(size=len(people))
        stored_results.store(tmp_path / name, items, np.stack([odds, np.zeros(len(odds))], 1), task="wug_adj")
    (one,), (other,) = store.read(tmp_path / "a"), store.read(tmp_path / "b")
    found = comparison.compare(one, other)
    assert found.p is None
    assert 0.4 < found.interval[0] < found.interval[1] < 1.5


def test_other_items_are_refused(tmp_path, two):
    items = stored_results.pairs({"easy": 10})
    stored_results.store(tmp_path / "c", items, scores([1] * 10))
    one = store.model(str(two["a"][0])).stored()[0]
    with pytest.raises(ValueError, match=r"blimp: .* are of other items; make both with the same options"):
        comparison.compare(one, store.read(tmp_path / "c")[0])


def test_items_that_are_not_kept_are_named(two):
    folder = two["b"][0] / "evaluation/b"
    (folder / "items/blimp.fast.2026.causal.json").unlink()
    with pytest.raises(ValueError, match="nothing is kept of its items; score again"):
        difference(two)


def test_command(two, tmp_path, capsys):
    a, b = (str(folder) for folder, _ in two.values())
    out = tmp_path / "out.json"
    assert evaluate._command(["compare", a, b, "tasks=blimp", f"out={out}"]) == 0
    shown = capsys.readouterr().out
    assert f"A = {a}, B = {b}" in shown
    assert "blimp fast 2026" in shown
    assert "blimp: largest of 2" in shown
    (kept,) = json.loads(out.read_text())["tasks"]
    assert kept["only_a"] > kept["only_b"]
    assert kept["p_holm"] == kept["p"]
    assert evaluate._command(["compare", a, b, "tasks=blimp", f"out={out}"]) == 0, "ours is replaced"
    out.write_text('{"mine": 1}')
    assert evaluate._command(["compare", a, b, "tasks=blimp", f"out={out}"]) == 2
    assert out.read_text() == '{"mine": 1}'


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "{a}"], "two models are needed"),
        (["compare", "{a}", "{a}x"], "no folder"),
        (["compare", "{a}", "{b}", "task=x"], "did you mean tasks"),
        (["compare", "{a}", "{b}", "suite=fats"], "did you mean fast"),
        (["compare", "{a}", "{b}", "tasks=ewok"], "python -m babylm.evaluate {b} tasks=ewok suite=fast rules=2026"),
        (["compare", "{a}", "{empty}"], "babylm.evaluate {empty} tasks=blimp suite=fast rules=2026"),
        (["compare", "{a}", "{b}", "suite=full"], "tasks=blimp suite=full"),
        (["compare", "{a}", "{run}"], "run has no main; name one of its revisions (chck_1M)"),
    ],
)
def test_mistakes_say_what_to_do(two, tmp_path, capsys, words, message):
    stored_results.model(tmp_path / "empty")
    stored_results.model(tmp_path / "run" / "chck_1M")
    places = {"a": two["a"][0], "b": two["b"][0], "empty": tmp_path / "empty", "run": tmp_path / "run"}
    assert evaluate._command([word.format(**places) for word in words]) == 2
    assert message.format(**places) in capsys.readouterr().err


def test_backends(two, tmp_path, capsys):
    folder, credit = two["a"]
    items = stored_results.pairs(SIZES)
    stored_results.store(folder / "evaluation/a", items, scores(1 - credit), backend="mntp")
    # What both have is compared like with like; two ways of scoring one model are, when asked.
    assert len(comparison.pairs(*[store.model(str(folder))] * 2, {})) == 2
    assert len(comparison.pairs(store.model(str(folder)), store.model(str(two["b"][0])), {})) == 1
    assert evaluate._command(["compare", str(folder), str(folder), "backend=causal,mntp"]) == 0
    assert "(causal, mntp)" in capsys.readouterr().out
    other = stored_results.model(tmp_path / "c")
    stored_results.store(other / "evaluation/c", items, scores(credit), backend="mlm")
    assert evaluate._command(["compare", str(folder), str(other)]) == 2
    assert "several backends (causal, mntp, mlm): say backend=" in capsys.readouterr().err


def test_revisions_of_a_run_are_found(tmp_path):
    items = stored_results.pairs({"u": 10})
    for name in ("chck_1M", "main"):
        stored_results.model(tmp_path / "run" / name)
        stored_results.store(tmp_path / "run/evaluation" / name, items, scores([1] * 10))
    assert store.model(str(tmp_path / "run")).results == tmp_path / "run/evaluation/main"
    assert len(store.model(f"{tmp_path}/run/chck_1M/").stored()) == 1
    assert [name for name, _ in store.revisions(tmp_path / "run/evaluation")] == ["chck_1M", "main"]
