"""A language model that counts behaviours: what it is asked, how it is read, and how far it agrees with the parser."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from babylm.config.studies import load_study
from babylm.config.teaching import EndpointConfig
from babylm.studies import _habits_judge as judge
from babylm.studies import habits
from babylm.studies._habits_problems import Domain, draw
from babylm.studies._habits_scales import SCALES
from babylm.studies._habits_traces import HABITS, VERIFICATION, count, search
from babylm.studies.experiment import Measurement, Measurements, run_study
from tests.conftest import ROOT
from tests.interaction.openai_server import Server, says
from tests.studies.test_habits import TINY

pytest.importorskip("sklearn")
CONFIG = ROOT / "configs" / "studies" / "habits.yaml"
DOMAIN = Domain()


def traces(number):
    generator = random.Random(1)
    made = [search(DOMAIN, draw(DOMAIN, generator), HABITS, generator, 80) for _ in range(number)]
    return [trace.text(trace.solution or "1") for trace in made]


def habit_and_trace(prompt):
    """What a judge is asked about."""
    trace = prompt.rpartition("Text: ")[2].partition("\nCount:")[0]
    return next(habit for habit in HABITS if judge.DESCRIPTIONS[habit] in prompt), trace


def exact(body):
    habit, trace = habit_and_trace(body["messages"][0]["content"])
    return f"{count(trace)[habit]}"


def endpoint(server):
    return EndpointConfig(url=server.url, model="judge", retries=0)


def test_worked_examples_show_the_parsers_counts_and_differ():
    shown = [tuple(count(example)[habit] for example in judge.EXAMPLES) for habit in HABITS]
    assert shown == [(2, 1), (1, 1), (1, 1), (1, 0)]
    for habit in HABITS:
        assert habit_and_trace(judge.question(habit, "3 + 7 = 10")) == (habit, "3 + 7 = 10")


def test_a_judge_at_a_server_is_asked_once_per_behaviour_and_trace_and_agrees_if_it_counts_right(tmp_path):
    texts = traces(20)
    with Server(says(exact)) as server:
        teacher = judge.build(endpoint(server), None, tmp_path)
        rows = judge.measure(teacher, texts)
        assert len(server.requests) == len(HABITS) * len(set(texts))
        assert all(body["temperature"] == 0 for _, body, _ in server.requests)
        again = judge.build(endpoint(server), None, tmp_path)
        assert judge.measure(again, texts) == rows
        assert len(server.requests) == len(HABITS) * len(set(texts)), "answers are on disk"
    table = judge.agreement(Measurements(Measurement("a, judged", 1, item, name, v) for v, item, name in rows))
    assert [row[0] for row in table.rows] == list(HABITS)
    for row in table.rows:
        assert row[1:3] == [20, 0.0]
        assert row[3] == row[4]
        assert row[5:8] == [100.0, 100.0, 100.0]
        assert row[9] in (None, pytest.approx(1.0))


def test_a_judge_that_counts_wrong_or_says_something_else_is_seen(tmp_path):
    def says_what(body):
        habit, trace = habit_and_trace(body["messages"][0]["content"])
        if habit != VERIFICATION:
            return "I do not know." if len(trace) % 2 else "about 3"
        return f"Count: {count(trace)[habit] + 1}."

    texts = traces(20)
    with Server(says(says_what)) as server:
        rows = judge.measure(judge.build(endpoint(server), None, tmp_path), texts)
    table = judge.agreement(Measurements(Measurement("a, judged", 1, item, name, v) for v, item, name in rows))
    verification, *others = table.rows
    assert verification[4] == pytest.approx(verification[3] + 1)
    assert verification[5] == 0
    assert verification[9] < 1
    assert verification[10].startswith("1.00"), "the order is that of the parser"
    assert all(row[2] == 100 for row in others)
    assert rows[-1] == (60.0, "", judge.UNUSABLE)


def test_agreement_of_two_unrelated_counters_is_near_zero():
    generator, rows = random.Random(2), []
    for index in range(400):
        for who in (judge.PARSER, judge.JUDGE):
            value = float(generator.choice((0, 1, 2)))
            rows.append(Measurement("a, judged", 1, f"p{index}", judge.ITEM.format(habit=VERIFICATION, who=who), value))
    (row,) = judge.agreement(Measurements(rows)).rows
    assert row[5] == pytest.approx(100 / 3, abs=7)
    assert abs(row[8]) < 0.12
    assert abs(row[9]) < 0.12


def run(folder, *words):
    tiny = replace(TINY, test_problems=8, base_steps=2, priming_steps=1, rl_steps=1, evaluate_every=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCALES, "smoke", tiny)
        overrides = ["scale=smoke", "seeds=[1]", "gate=false", "arms=[all,none,empty]", f"folder={folder}", *words]
        return run_study(load_study(CONFIG, overrides))


def test_a_judge_is_added_to_a_study_that_has_run_without_running_it_again(tmp_path):
    folder = run(tmp_path)
    before = {file.name: file.read_bytes() for file in (folder / "pieces").iterdir()}
    assert "judge" not in json.loads((folder / "summary.json").read_text())["tables"]
    with Server(says(exact)) as server:
        run(tmp_path, f"judge.url={server.url}", "judge.model=any", "judged=5")
    after = {file.name: file.read_bytes() for file in (folder / "pieces").iterdir()}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 6, "three arms before and after"
    summary = json.loads((folder / "summary.json").read_text())
    assert [row[0] for row in summary["tables"]["judge"]["rows"]] == list(HABITS)
    assert all(row[1] == 30 and row[5] == 100 for row in summary["tables"]["judge"]["rows"])
    assert [row[0] for row in summary["tables"]["results"]["rows"]] == ["all", "none", "empty"]


def test_a_study_whose_preconditions_are_missed_is_judged_too(tmp_path):
    with Server(says(exact)) as server:
        folder = run(tmp_path, "gate=true", f"judge.url={server.url}", "judge.model=any", "judged=4")
    summary = json.loads((folder / "summary.json").read_text())
    assert "not begun" in " ".join(summary["remarks"])
    assert summary["conditions"] == ["base"], "the base alone has run, and has no traces"


def test_a_model_by_path_judges_too(long_reader, tmp_path):
    rows = judge.measure(judge.build(EndpointConfig(), str(long_reader), tmp_path), traces(2))
    assert len(rows) == 2 * 2 * len(HABITS) + 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["judge.url=http://127.0.0.1:9/v1"], "judge.model"),
        (["judge.url=http://127.0.0.1:9/v1", "judge.model=m", "judge_model=x"], "give one of them"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_refused(words, message):
    with pytest.raises(ValueError, match=message):
        load_study(CONFIG, words)
    assert not habits.Settings().has_judge
