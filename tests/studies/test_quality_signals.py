"""Quality signals: sums and their traces, signals, what learners see of them, the study in miniature, GSM8K."""

from __future__ import annotations

import copy
import json
import math
import os
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import torch

from babylm.config.studies import load_study
from babylm.interaction.finetune import demonstration, sample_groups
from babylm.studies import _gsm8k, _kept_weights, _quality_runs, _sums, quality_signals
from babylm.studies._quality_domains import Gsm8k, Sums
from babylm.studies._quality_scales import SCALES
from babylm.studies.experiment import run_study
from tests.conftest import ROOT
from tests.training import runs as small_runs

CONFIG = ROOT / "configs" / "studies" / "quality_signals.yaml"
TINY = replace(SCALES["smoke"], questions=81, steps=2, judge_steps=3, test_questions=8)


def test_every_trace_has_its_style_and_only_errors_make_it_wrong():
    generator = random.Random(0)
    for style in _sums.STYLES:
        exact, right = replace(style, noise=0.0), []
        for question in _sums.questions(100, (2, 3, 4, 5), generator):
            ids = [*_sums.encode(_sums.trace(question, exact, generator)), _sums.EOS]
            assert _sums.answer_of(ids) == question.answer
            assert _sums.style_of(ids) == style.name
            assert _sums.quality(ids) == 1 - style.noise
            noisy = [*_sums.encode(_sums.trace(question, replace(style, noise=0.5), generator)), _sums.EOS]
            right.append(_sums.answer_of(noisy) == question.answer)
        assert 0.1 < sum(right) / 100 < 0.5, "one to four steps, each right half of the time"
    question = _sums.Question((3, 5, 7))
    scores = [
        _sums.rubric(_sums.encode(_sums.trace(question, replace(s, noise=0.0), generator)), question)
        for s in _sums.STYLES
    ]
    assert scores[0] == 1.0 > scores[1] > scores[2] == 0.0


def test_entropy_of_a_uniform_model_is_the_log_of_the_vocabulary():
    model = Sums(TINY).network()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    (group,) = sample_groups(model, [[0, 5]], samples=2, ends={1}, pad=2, max_new_tokens=5, seed=1)
    for turn in group:
        assert _quality_runs.inverse_entropy(turn.entropy) == pytest.approx(1 / math.log(len(_sums.TOKENS)), rel=1e-5)
    assert _quality_runs.inverse_entropy([0.0, 0.0]) == 1e8


def group_of(scores):
    turns = [demonstration([0, 4], [5 + number, 1]) for number in range(len(scores))]
    for turn, score in zip(turns, scores, strict=True):
        turn.meta["signals"] = {"random": score}
    return turns


def test_arms_learn_from_what_they_say_and_scale_and_shift_of_a_signal_do_not_matter():
    scores = [3.0, 7.0, 5.0, 1.0]
    for transformed in (scores, [100 * score - 7 for score in scores]):
        assert rewards(transformed, "best") == [[(1, 1.3416)]]
        assert rewards(transformed, "worst") == [[(3, -1.3416)]]
        assert rewards(transformed, "pair") == [[(1, 1.3416), (3, -1.3416)]]
        assert rewards(transformed, "group") == [[(0, -0.4472), (1, 1.3416), (2, 0.4472), (3, -1.3416)]]
        assert rewards(transformed, "group", right=1.0, weight=0.0) == [[(number, 1.0) for number in range(4)]]
        assert len(rewards(transformed, "all")) == 4


def rewards(scores, kind, **arm):
    """(number of the turn, its reward) by group, as an arm learns from them."""
    made = _quality_runs.rewarded([group_of(scores)], {"learn from": kind, "signal": "random", **arm})
    return [[(turn.ids[0] - 5, round(turn.reward, 4)) for turn in turns] for turns in made]


def test_a_judge_is_asked_in_both_orders():
    """One that always says `first` prefers neither."""

    domain = Sums(TINY)
    groups = [[demonstration([0, 4], [*_sums.encode(text), 1]) for text in ("8 # 8", "3 + 5 = 8 ; # 8")]]
    judge = domain.network()
    judge.head.output.bias.data[_sums.ID["first"]] = 9.0
    (matrix,) = _quality_runs.judge_pairs(domain, judge.eval(), [_sums.Question((3, 5))], groups)
    assert matrix[0, 1] == pytest.approx(0.5, abs=1e-2)
    assert matrix[0, 1] + matrix[1, 0] == pytest.approx(1.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCALES, "smoke", TINY)
        settings = load_study(CONFIG, ["scale=smoke", "seeds=[1]", f"folder={folder}"])
        return run_study(settings)


def test_the_study_runs_in_miniature_with_every_arm_and_gate(study):
    summary = json.loads((study / "summary.json").read_text())
    assert not summary["failed"]
    names = [row[0] for row in summary["tables"]["results"]["rows"]]
    assert names == [condition.name for condition in quality_signals.conditions(load_study(CONFIG))]
    gates = {row[0]: row for row in summary["tables"]["gates"]["rows"]}
    assert gates["right alone, GRPO - base: exactly 0"][1:4] == [0.0, 0.0, 0.0]
    assert sum(bool(row[5]) for row in gates.values()) == 5
    assert {row[0] for row in summary["tables"]["signals"]["rows"]} <= set(_quality_runs.SIGNALS)
    assert len(list((study / "bases").iterdir())) == 1, "the base is trained once"


def test_learners_read_no_gold_and_rewards_that_are_all_equal_move_nothing(study):
    domain, (folder,) = Sums(TINY), (study / "bases").iterdir()
    arms = {c.name: c.settings["arm"] for c in quality_signals.conditions(load_study(CONFIG))}

    def learnt(name, change=lambda turn: None):
        model, groups = _quality_runs.load(domain, folder)
        before = copy.deepcopy(model.state_dict())
        for turn in (turn for group in groups for turn in group):
            change(turn)
        _quality_runs.learn(domain, TINY, model, groups, arms[name], seed=1)
        after = model.state_dict()
        return after, any(not torch.equal(before[key], after[key]) for key in before)

    _, moved = learnt("GRPO, right alone")
    assert not moved, "binary rewards on saturated groups have no gradient"
    plain, moved = learnt("sigma-RRHF, inverse entropy")
    assert moved
    permuted, _ = learnt("sigma-RRHF, inverse entropy", lambda turn: setattr(turn, "gold", random.random()))
    assert all(torch.equal(plain[key], permuted[key]) for key in plain)


def test_final_answers_of_gsm8k():
    assert _gsm8k.final_answer(r"so 3+4=7 and \boxed{1,234.50} of 9") == Decimal("1234.50")
    assert _gsm8k.final_answer("The total is $1,234.50.") == Decimal("1234.50")
    assert _gsm8k.final_answer("12 apples\n#### 1,000\nand 7 more") == 1000
    assert _gsm8k.final_answer("-5 degrees") == -5
    assert _gsm8k.final_answer("18.0") == 18
    assert _gsm8k.final_answer("no number") is None


def write_gsm8k(folder, answers=("3 + 4 = <<3+4=7>>7\n#### 7", "#### 1,007")):
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps({"question": f"dog {n} ?", "answer": text}) + "\n" for n, text in enumerate(answers))
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text(lines)


def test_gsm8k_is_read_and_what_is_none_is_refused(tmp_path):
    write_gsm8k(tmp_path / "data")
    problems = _gsm8k.load(tmp_path / "data", "train")
    assert [problem.answer for problem in problems] == [7, 1007]
    assert problems[0].solution == "3 + 4 = 7"
    with pytest.raises(ValueError, match=r"no file other\.jsonl"):
        _gsm8k.load(tmp_path / "data", "other")
    write_gsm8k(tmp_path / "data", ("7",))
    with pytest.raises(ValueError, match=r"line 1 of train\.jsonl is no problem of GSM8K"):
        _gsm8k.load(tmp_path / "data", "train")
    with pytest.raises(ValueError, match="gsm8k, model: give both"):
        load_study(CONFIG, ["gsm8k=somewhere"])
    with pytest.raises(ValueError, match=r"model=.*no model's folder"):
        load_study(CONFIG, [f"gsm8k={tmp_path}/data", f"model={tmp_path}"])


@pytest.mark.parametrize(
    "answer",
    [
        *("x #### 5 6", "x #### 1,2,3", "x #### 1.000,50", "x #### 1_000", "x #### 1e5", "x #### 1e999999"),
        *("x #### 1.234.567", "x ####", "x #### NaN", "x #### 5 #### 6", "x #### $", "x #### --5", "x #### 5%"),
        *("x #### 1/2", "x #### 3:30", "x #### \u0663", "x #### 12,34", "x #### 1234,567", "x #### +-5", "x 5"),
        *("x #### 5 apples", 5, None),
        "\ud800 #### 5",
    ],
)
def test_a_gold_answer_is_one_number(tmp_path, answer):
    (tmp_path / "test.jsonl").write_text('\n{"question": "q ?", "answer": "#### 1"}\n')
    assert _gsm8k.load(tmp_path, "test")[0].answer == 1
    line = json.dumps({"question": "q ?", "answer": answer})
    (tmp_path / "test.jsonl").write_text('{"question": "q ?", "answer": "#### 1"}\n' + line + "\n")
    with pytest.raises(ValueError, match=rf"^gsm8k={tmp_path}: line 2 of test.jsonl is no problem of GSM8K: .*found "):
        _gsm8k.load(tmp_path, "test")


@pytest.mark.parametrize("question", ["", "  ", None, 5, "half \ud800"])
def test_a_question_is_a_text(tmp_path, question):
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": question, "answer": "#### 1"}) + "\n")
    with pytest.raises(ValueError, match=r"line 1 of test.jsonl is no problem .*: question must be a text; found"):
        _gsm8k.load(tmp_path, "test")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,234", "1234"), ("-1,234,567.5", "-1234567.5"), ("$70", "70"), ("$-2.50.", "-2.5"), (".5", "0.5"), ("+7", "7")],
)
def test_numbers_as_people_write_them_are_read(text, value):
    assert _gsm8k.number_of(f" {text}\n") == Decimal(value)


SHARED = Path(os.environ.get("BABYLM_SHARED_DATA", "../shared/data")) / "interaction" / "gsm8k"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs GSM8K in BABYLM_SHARED_DATA/interaction/gsm8k")
def test_all_of_gsm8k_is_read():
    assert [len(_gsm8k.load(SHARED, split)) for split in ("train", "test")] == [7473, 1319]


def test_the_study_takes_gsm8k_and_a_given_model(tmp_path, monkeypatch):
    write_gsm8k(tmp_path / "data")
    run = small_runs.run(tmp_path, "budget.epochs=0.5", "averaging.name=none", "milestones=[]")
    monkeypatch.setitem(SCALES, "smoke", replace(TINY, samples=3, test_samples=1))
    monkeypatch.setattr(Gsm8k, "max_new_tokens", 4)
    settings = load_study(
        CONFIG, ["scale=smoke", "seeds=[1]", f"folder={tmp_path}", f"gsm8k={tmp_path}/data", f"model={run}/main"]
    )
    domain = quality_signals.domain_of(settings)
    domain.max_new_tokens = 4
    _quality_runs.prepare(domain, settings.parts, tmp_path / "nothing", 1)
    with pytest.raises(ValueError, match="none of 2 questions is answered right"):
        _quality_runs.load(domain, tmp_path / "nothing")
    domain.is_right = lambda question, ids: True
    _quality_runs.prepare(domain, settings.parts, tmp_path / "base", 1)
    # As an earlier version kept its base, under another name: it is made again.
    (tmp_path / "base" / _kept_weights.WEIGHTS).rename(tmp_path / "base" / "base.safetensors")
    _quality_runs.prepare(domain, settings.parts, tmp_path / "base", 1)
    model, groups = _quality_runs.load(domain, tmp_path / "base")
    assert [len(group) for group in groups] == [3, 3]
    assert groups[0][0].gold is None
    assert set(groups[0][0].meta["signals"]) == {"inverse entropy", "self-judge", "random"}
    arms = {condition.name: condition.settings["arm"] for condition in quality_signals.conditions(settings)}
    assert not any("scripted" in name for name in arms)
    _quality_runs.learn(domain, settings.parts, model, groups, arms["DPO, inverse entropy"], seed=1)
    right, _ = _quality_runs.test(domain, settings.parts, model, 1, 1.0, 1.0)
    assert right == [1.0, 1.0]
