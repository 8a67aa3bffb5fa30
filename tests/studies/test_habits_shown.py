"""Habits: a given model reads worked problems; what it reads, how its answers are verified, by path and by server."""

from __future__ import annotations

import itertools
import json

import pytest

from babylm.config.studies import load_study
from babylm.studies import _habits_models as models
from babylm.studies import _habits_sets as sets
from babylm.studies import _habits_shown as shown
from babylm.studies import habits
from babylm.studies._habits_problems import Domain, Problem, value_of
from babylm.studies._habits_traces import BACKTRACKING, HABITS, VERIFICATION, count
from babylm.studies.experiment import Measurement, Measurements, run_study
from tests.conftest import ROOT
from tests.interaction.openai_server import Server, says

CONFIG = ROOT / "configs" / "studies" / "habits.yaml"
DOMAIN = Domain()
ALONE = ("student=false", "numbers=3", "largest=15", "seeds=[1]")


def test_worked_problems_are_the_same_in_all_sets_and_none_of_them_is_asked():
    asked = models.problems_for_all(DOMAIN, 30)
    worked = {name: shown.examples(DOMAIN, name, 4, 1, asked) for name in sets.SETS}
    first = [each.problem for each in worked["all"]]
    assert all([each.problem for each in of_set] == first for of_set in worked.values())
    assert not {problem.key for problem in first} & {problem.key for problem in asked}
    assert [each.trace for each in worked["wrong"]] == [each.trace for each in worked["all"]]
    assert all(len(each.text.split()) <= shown.WORDS + 10 for of_set in worked.values() for each in of_set)
    assert sum(count(each.text)[BACKTRACKING] for each in worked["none"]) == 0
    other = shown.examples(DOMAIN, "all", 4, 2, asked)
    assert [each.problem for each in other] != first, "a seed has its own"


def test_an_answer_is_read_in_any_spacing_and_verified_exactly():
    problem = Problem((3, 7, 5), 26)
    texts = ["3+7=10!=21 back 3*7=21==21 Answer (3*7)+5\n8 8 > 3 : answer 8", "answer (3*7)", "no idea", ""]
    measured = shown.measure([problem] * 4, texts)
    value = {(item, measure): number for number, item, measure in measured}
    assert [value[f"p{index}", "right"] for index in range(4)] == [1, 0, 0, 0]
    assert [value[f"p{index}", shown.READABLE] for index in range(4)] == [1, 1, 0, 0]
    assert (value["p0", VERIFICATION], value["p0", BACKTRACKING], value["p1", VERIFICATION]) == (2, 1, 0)
    odd = [each[0] for each in shown.measure([problem], ["answer 3\u00b2 + 5 * 7"]) if each[2] != VERIFICATION]
    assert odd[:2] == [0, 0], "a small 2 is a digit to Python, and no number"


def solve(prompt):
    """An answer to the last line of a prompt, found by trying everything."""
    numbers, target = prompt.rsplit("\n", 1)[-1].rstrip(" :").split(" > ")
    given = tuple(map(int, numbers.split()))
    for x, y, z in itertools.permutations(given):
        for first, second in itertools.product("+-*", repeat=2):
            for text in (f"( {x} {first} {y} ) {second} {z}", f"{x} {first} ( {y} {second} {z} )"):
                if value_of(text.split(), given) == int(target):
                    return f" answer {text}"
    raise AssertionError(prompt)


def after_thoughts(body):
    """A model that is right if worked problems think, and then backtracks once."""
    prompt = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
    prompt, _, told = prompt.partition("\n\n" + shown.LINE_ALONE)
    assert ("messages" in body) == (not told and prompt.endswith(":") and "stop" not in body)
    return f" 1 + 2 = 3 back{solve(prompt)}\n" if " = " in prompt else " answer 1\n"


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_a_server_is_a_subject_and_is_asked_once(api, tmp_path):
    def run(*words):
        given = [*ALONE, "arms=[all,none,empty]", "problems=6", f"folder={tmp_path}", *words]
        return run_study(load_study(CONFIG, given))

    with Server(says(after_thoughts)) as server:
        endpoint = [f"endpoint.url={server.url}", "endpoint.model=m", f"endpoint.api={api}"]
        folder = run(*endpoint)
        table = json.loads((folder / "summary.json").read_text())["tables"]["given_model"]
        rows = {row[0]: row for row in table["rows"]}
        assert [rows[name][2] for name in ("all", "none", "empty")] == [100, 100, 0]
        assert rows["empty"][5] == -100
        assert rows["all"][9 + HABITS.index(BACKTRACKING)] == 1
        asked = len(server.requests)
        assert asked == 18, "three sets, six problems"
        run(*endpoint)
        assert len(server.requests) == asked
    assert (folder / "figure.png").is_file()


def test_a_model_by_path_is_a_subject_and_one_with_few_positions_is_named(long_reader, tmp_path):
    given = [*ALONE, "arms=[none]", "problems=2", f"folder={tmp_path}", f"model={long_reader}"]
    folder = run_study(load_study(CONFIG, [*given, "shots=1"]))
    (row,) = json.loads((folder / "summary.json").read_text())["tables"]["given_model"]["rows"]
    assert row[0] == "none"
    assert row[1] == 1
    assert json.loads((folder / "summary.json").read_text())["remarks"][1:] == [shown.REMARK]
    answers = shown.answers(str(long_reader), habits.Settings().endpoint, ["3 7 5 > 26 :"] * 2, tmp_path)
    assert answers[0] == answers[1], "greedy"
    with pytest.raises(ValueError, match="give fewer shots="):
        shown.answers(str(long_reader), habits.Settings().endpoint, ["3 7 5 > 26 :" * 200], tmp_path)


def test_a_set_whose_piece_failed_is_left_out_of_the_table():
    rows = [Measurement("shown all", 1, "p0", measure, 1.0) for measure in ("right", shown.READABLE, *HABITS)]
    measurements = Measurements(rows, {("shown none", 1): "the server went away"})
    (row,) = shown.table(measurements, ["all", "none"]).rows
    assert row[:3] == ["all", 1, 100]
    assert row[5] is None, "no difference from what failed"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["student=false"], "student=false: give model= or endpoint.url="),
        (["model=x", "endpoint.url=http://127.0.0.1:9/v1", "endpoint.model=m"], "give one of them"),
        (["endpoint.url=http://127.0.0.1:9/v1"], "endpoint.model"),
        (["model=x", "student=false", "arms=[enriched text]"], "needs at least one of"),
    ],
)
def test_a_given_model_that_cannot_be_asked_is_refused(words, message):
    with pytest.raises(ValueError, match=message):
        load_study(CONFIG, words)


def test_a_path_without_a_model_is_told_before_the_run(tmp_path):
    with pytest.raises(ValueError, match="model=nowhere: no model's folder"):
        run_study(load_study(CONFIG, [*ALONE, "model=nowhere", f"folder={tmp_path}"]))
