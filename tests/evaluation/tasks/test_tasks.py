"""Every zero-shot task on small data in the official schema: items, predictions and scores."""

import json

import numpy as np
import pytest
import torch

from babylm import registry
from babylm.evaluation.results.task_result import score_choices
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.task_registry import load_task
from babylm.evaluation.tasks import _data, _wug

CHOICE = ["blimp", "supplement", "ewok", "entity_tracking", "comps", "global_piqa", "winoground", "vqa"]


@pytest.fixture(scope="module")
def scorer(causal_model, tokenizer):
    return Scorer(causal_model, tokenizer)


def first(data, name, rules, which="full"):
    return load_task(name).items(data, suite=which, rules=rules)[0]


@pytest.mark.parametrize("rules", [2025, 2026])
@pytest.mark.parametrize("name", CHOICE)
def test_score_is_that_of_the_stored_predictions(data, scorer, name, rules):
    module = load_task(name)
    items = module.items(data, suite="full", rules=rules)
    result = module.score(scorer, items, rules=rules)
    right, numbers = {}, {}
    for item in items:
        number = numbers[item.uid] = numbers.get(item.uid, -1) + 1
        given = result.predictions[item.uid]["predictions"][number]
        assert given["id"] == f"{item.uid}_{number}"
        answers = item.answers or item.completions
        right.setdefault(item.split, {}).setdefault(item.uid, []).append(given["pred"] == answers[item.label])
        assert all(s.endswith(c) for s, c in zip(item.sentences, item.completions, strict=True))
        assert len(set(answers)) == len(answers)
    parts = [np.mean([np.mean(own) for own in uids.values()]) for uids in right.values()]
    assert result.official == pytest.approx(np.mean(parts))
    assert 0 < module.chance < 1
    assert result.interval[0] - 1e-9 <= result.tie_aware <= result.interval[1] + 1e-9
    json.dumps(result.as_dict(), allow_nan=False)


def test_ewok_contrasts(data):
    old, new = first(data, "ewok", 2025), first(data, "ewok", 2026)
    near, far = "The cat is near the lake.", "The cat is far from the lake."
    assert old.sentences == (f"{near} It sees the red ships.", f"{near} It never sees them.")
    assert old.completions == (" It sees the red ships.", " It never sees them.")
    assert new.sentences == (f"{near} It sees the red ships.", f"{far} It sees the red ships.")
    assert new.answers == new.sentences
    assert new.uid == "social"


def test_entity_tracking_without_empty_boxes(data):
    module = load_task("entity_tracking")
    everything = module.items(data, suite="full", rules=2025)
    filtered = module.items(data, suite="full", rules=2026)
    assert (len(everything), len(filtered)) == (36, 18)
    assert not any("nothing" in c for item in filtered for c in item.completions)
    assert {item.uid for item in filtered} >= {"regular_0_ops", "move_contents_5_ops"}
    assert {item.split for item in module.items(data, suite="fast", rules=2026)} == {"regular"}


def test_splits_weigh_the_same(data):
    items = load_task("entity_tracking").items(data, suite="full", rules=2025)
    few = [item for item in items if item.split != "ambiref" or item.uid == "ambiref_0_ops"]
    scores = np.concatenate([[float(item.split == "ambiref"), 0.5, 0, 0, 0] for item in few])
    result = score_choices(few, scores)
    assert result.by_split == {"ambiref": 1.0, "move_contents": 0.0, "regular": 0.0}
    assert result.official == pytest.approx(1 / 3)


def test_comps_names_and_answers(data):
    items = load_task("comps").items(data, rules=2025)
    assert {item.uid for item in items} == {"base", "wugs", "wugs_dist_before", "wugs_dist_in_between"}
    assert items[0].completions == ("sees the lake.",) * 2
    assert items[0].answers[1] == "A dog sees the lake."


def test_global_piqa_goes_by_token(data, scorer):
    module = load_task("global_piqa")
    items = module.items(data)
    texts = [pair for item in items for pair in zip(item.sentences, item.completions, strict=True)]
    scores = scorer.sequence_log_probs(texts)
    expected = score_choices(items, scores.log_probability / scores.tokens)
    found = module.score(scorer, items, rules=2026)
    assert (
        found.chosen.tolist()
        == expected.chosen.tolist()
        != score_choices(items, scores.log_probability).chosen.tolist()
    )
    assert set(found.by_split) == {"parallel", "nonparallel"}
    assert found.official == pytest.approx(np.mean(list(found.by_split.values())))
    assert found.interval[0] < found.interval[1]  # items of one UID each are resampled together


@pytest.mark.parametrize("name", ["wug_adj", "wug_past"])
def test_wug(data, scorer, name):
    scipy = pytest.importorskip("scipy.stats")
    module = load_task(name)
    items = module.items(data)
    result = module.score(scorer, items, rules=2025)
    shares = [line["prob"] for line in result.predictions[name]["predictions"]]
    sums = torch.tensor(
        scorer.sequence_log_probs([(s, s) for item in items for s in item.sentences]).log_probability
    ).view(-1, 2)
    np.testing.assert_allclose(shares, sums.softmax(1)[:, 0], atol=1e-6)
    expected = scipy.spearmanr(shares, [item.human for item in items]).statistic
    assert result.official == pytest.approx(expected, abs=1e-12)
    assert result.interval[0] <= result.official <= result.interval[1]


def test_spearman_shares_ranks():
    assert _wug.spearman(np.array([1.0, 2, 2, 5]), np.array([0.0, 1, 1, 7])) == pytest.approx(1)
    assert np.isnan(_wug.spearman(np.ones(3), np.arange(3.0)))


def test_ties_of_2026_are_drawn_and_stay():
    items = load_task("toy_pairs").items(None)
    zeros = np.zeros(2 * len(items))
    drawn = score_choices(items, zeros, rules=2026)
    assert abs(drawn.official - 0.5) < 0.1
    assert drawn.tie_aware == 0.5
    assert score_choices(items, zeros, rules=2026).chosen.tolist() == drawn.chosen.tolist()


def test_same_with_other_candidates_padding_the_table():
    items = load_task("toy_pairs").items(None, 2)
    scores = np.random.default_rng(0).normal(size=2 * len(items))
    assert (
        score_choices(items, scores, rules=2026).chosen.tolist()
        == score_choices(items, scores, rules=2025).chosen.tolist()
    )


@pytest.mark.parametrize("name", [n for n in registry.names("evaluation/tasks") if n != "toy_pairs"])
def test_missing_data_is_one_line_that_names_the_folder(tmp_path, name):
    for which in ("fast", "full"):
        with pytest.raises(_data.MissingData, match=r"evaluation\.data: .*_eval/.*;") as error:
            load_task(name).items(tmp_path, suite=which)
        assert "\n" not in str(error.value)
