"""Habits: problems and exact verification, the search and its parser, priming sets, rewards, the study in miniature."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from babylm.config.studies import load_study
from babylm.interaction.finetune import FineTuning, Tuner, fine_tune
from babylm.objectives.grpo import Settings as GRPOSettings
from babylm.objectives.grpo import build
from babylm.studies import _habits_gates as gates
from babylm.studies import _habits_models as models
from babylm.studies import _habits_reinforcement as reinforcement
from babylm.studies import _habits_sets as sets
from babylm.studies import _habits_tables as tables
from babylm.studies import habits
from babylm.studies._habits_exercises import Exercises, facts
from babylm.studies._habits_problems import (
    BOS,
    EOS,
    PAD,
    Domain,
    Problem,
    answer_of,
    calculate,
    draw,
    is_right,
    reward_of,
    solutions,
    value_of,
)
from babylm.studies._habits_scales import SCALES
from babylm.studies._habits_traces import BACKTRACKING, BACKWARD, HABITS, count, search, wrong_calculations
from babylm.studies.experiment import Measurement, Measurements, run_study
from tests.conftest import ROOT

CONFIG = ROOT / "configs" / "studies" / "habits.yaml"
DOMAIN = Domain()
TINY = replace(SCALES["smoke"], base_steps=4, text_traces=8, text_steps=2, traces=12, priming_steps=2, test_problems=6)


def value(text, numbers):
    return value_of(text.split(), numbers)


def test_expressions_are_computed_exactly_and_need_each_number_once():
    assert value("( 3 * 7 ) + 5", (7, 5, 3)) == 26
    assert value("3 + 7 * 5", (3, 5, 7)) == 38, "products first"
    assert value("20 - 3 - 7", (3, 7, 20)) == 10, "from the left"
    assert value("20 / 3 * 3", (3, 3, 20)) == 20, "thirds are exact"
    assert value("7 / 3 + 1", (1, 3, 7)) == Fraction(10, 3)
    assert value("3 / ( 5 - 5 )", (3, 5, 5)) is None, "division by zero"
    for words in ("3 * 7", "3 * 7 + 5 + 5", "3 * 3 + 5", "( 3 * 7 + 5", "3 * 7 + 5 )", "3 7 + 5", "* 3 7 5", "= 3 7 5"):
        assert value(words, (3, 5, 7)) is None, words
    assert value("", ()) is None
    for words, numbers in (("3 , 5", (3, 5)), ("- 3", (3,)), ("3 ( 5 )", (3, 5)), ("3 > 5", (3, 5)), ("first", ())):
        assert value(words, numbers) is None, "Python, and no answer"
    assert value(f"{'( ' * 5000}3{' )' * 5000}", (3,)) is None, "nested too deeply, and no crash"


def test_rewards_are_those_of_the_table_and_the_last_answer_counts():
    problem = Problem((3, 7, 5), 26)
    assert reward_of(problem, "3 * 7 = 21 21 + 5 = 26 answer ( 3 * 7 ) + 5", 0.1) == 1.0
    assert reward_of(problem, "answer ( 3 + 7 ) + 5", 0.1) == 0.1, "another value"
    assert reward_of(problem, "answer ( 13 * 2 )", 0.1) == 0.1, "other numbers"
    assert reward_of(problem, "answer ( 3 * 7 ) +", 0.1) == reward_of(problem, "( 3 * 7 ) + 5", 0.1) == 0.0
    assert is_right(problem, "answer 3 + 7 + 5 answer ( 3 * 7 ) + 5")
    assert not is_right(problem, "answer ( 3 * 7 ) + 5 answer 3 + 7 + 5")
    assert answer_of("no such word") is None


@pytest.mark.parametrize("domain", [DOMAIN, Domain(count=4, largest=9, least_target=10), Domain(operations="+-*/")])
def test_every_problem_can_be_solved_and_guessing_seldom_does(domain):
    generator = random.Random(1)
    for _ in range(100):
        problem = draw(domain, generator)
        assert len(problem.numbers) == domain.count
        assert domain.least_target <= problem.target <= domain.greatest_target
        ways = list(solutions(domain, problem.numbers))
        assert 0 < ways.count(problem.target) <= domain.greatest_share * len(ways)
        assert domain.decode(domain.encode(problem.text)) == problem.text


@pytest.mark.parametrize("name", sets.SEARCHES)
@pytest.mark.parametrize("domain", [DOMAIN, Domain(count=4, largest=9, least_target=10)])
def test_the_parser_counts_what_the_search_logged_on_every_trace(domain, name):
    generator, hits = random.Random(2), 0
    for _ in range(500):
        problem = draw(domain, generator)
        trace = search(domain, problem, sets.SEARCHES[name], generator, budget=generator.randint(5, 128))
        text = trace.text(trace.solution or "1")
        assert count(text) == trace.counts, text
        assert {habit for habit, number in trace.counts.items() if number} <= set(sets.SEARCHES[name])
        assert len(trace.words) <= 128
        assert wrong_calculations(text)[1] == 0
        for expression in trace.failed:
            assert value_of(expression.split(), problem.numbers) not in (None, problem.target)
        if trace.solution:
            hits += 1
            assert is_right(problem, text), text
    assert hits


def test_a_search_finds_every_solution_that_its_words_allow_and_shows_what_it_is_told_to():
    generator = random.Random(3)
    for name, shown in sets.SEARCHES.items():
        traces = [search(DOMAIN, draw(DOMAIN, generator), shown, generator, 10_000) for _ in range(50)]
        if BACKTRACKING in shown:
            assert all(trace.solution for trace in traces), name
            assert all(sum(trace.counts[habit] for trace in traces) > 0 for habit in shown), name
        else:
            assert sum(trace.solution is not None for trace in traces) < 15, "one try each"
            assert all(len(trace.failed) + (trace.solution is not None) == 1 for trace in traces)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", (0, 0, 0, 0)),
        ("back back 3 back", (0, 1, 0, 0)),
        ("3 + 7 = 10 != 26 back first 3", (1, 1, 0, 0)),
        ("first 3 7 first 3 7 5", (0, 0, 2, 0)),
        ("from 26 - 5 = from 26 - 5 = 21", (0, 0, 0, 1)),
        ("13 + 7 = 20 == 20 20 != 20", (1, 0, 0, 0)),
        ("answer 3 + 7 = 10 != 26 back", (0, 0, 0, 0)),
        (". . . answer 3 + 7", (0, 0, 0, 0)),
    ],
)
def test_the_parser_reads_any_text(text, counts):
    assert tuple(count(text).values()) == counts


def test_exercises_are_right_and_show_no_behaviour():
    exercises = Exercises(DOMAIN, random.Random(4))
    texts = [exercises.text() for _ in range(2000)]
    assert all(sum(count(text).values()) == 0 for text in texts)
    assert all(wrong_calculations(text)[1] == 0 for text in texts)
    assert not any(word in text.split() for text in texts for word in ("back", "first", "from", "answer", "."))
    known = set(facts(DOMAIN))
    generator = random.Random(5)
    for _ in range(200):
        trace = search(DOMAIN, draw(DOMAIN, generator), HABITS, generator, 128)
        words = [word for word in trace.words if word not in ("first", "from", "back")]
        for at in (number for number, word in enumerate(words) if word == "="):
            left, operation, right, result = words[at - 3], words[at - 2], words[at - 1], words[at + 1]
            assert (int(left), operation, int(right), int(result)) in known, "what a search needs is exercised"
    assert next(exercises.rows(50))[0] == BOS
    assert calculate(6, "/", 4) is None


def test_priming_sets_have_the_same_problems_tokens_and_answers():
    scale = replace(SCALES["smoke"], traces=40, thought=128)
    made = {name: models.priming_examples(DOMAIN, scale, name, seed=1) for name in sets.SETS}
    held_out = {problem.key for problem in models.test_problems(DOMAIN, scale)}
    for name, examples in made.items():
        assert [e.problem for e in examples] == [e.problem for e in made["all"]]
        assert not held_out & {e.problem.key for e in examples}
        assert all(is_right(e.problem, e.text) == (name != "wrong") for e in examples)
        rows = sets.rows(DOMAIN, scale, examples, random.Random(6))
        assert {len(prompt) + len(completion) for prompt, completion in rows} == {scale.row_length(3)}
        assert all(DOMAIN.encode(e.text) == ids[: ids.index(EOS)] for e, (_, ids) in zip(examples, rows, strict=True))
    for whole, wrong, dots, empty in zip(*(made[name] for name in ("all", "wrong", "dots", "empty")), strict=True):
        assert wrong.text.split(" answer ")[0] == whole.text.split(" answer ")[0], "the same thought"
        assert len(dots.text.split()) == len(whole.text.split())
        assert set(dots.text.split(" answer ")[0].split()) == {"."}
        assert empty.text.split() == ["answer", *answer_of(whole.text)]
    assert all(BACKWARD in sets.SEARCHES[name] for name in ("all", "backward chaining"))


def test_a_group_of_equal_rewards_moves_nothing_and_steps_by_hand_are_the_loop():
    torch.manual_seed(1)
    model = models.network(DOMAIN, TINY).eval()
    problems = models.test_problems(DOMAIN, TINY)[:2]
    groups = reinforcement._sampled(DOMAIN, TINY, model, problems, 3, seed=1)
    for turn in (turn for group in groups for turn in group):
        turn.meta["reference_logp"], turn.reward = turn.logp, 0.02
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings = FineTuning(2, groups_per_step=2, lr=1e-3)

    def objective():
        return build(GRPOSettings(name="grpo", scale_rewards=False), models.special(DOMAIN))

    fine_tune(model, groups, objective(), settings, pad=PAD, seed=1)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    groups[0][0].reward = 1.0
    weights = []
    for by_hand in (False, True):
        model.load_state_dict(before)
        if by_hand:
            tuner = Tuner(model, objective(), settings, pad=PAD, seed=1)
            losses = [float(tuner.step(groups)) for _ in range(2)]
        else:
            losses = fine_tune(model, [*groups], objective(), settings, pad=PAD, seed=1)
        weights.append((losses, [value.clone() for value in model.state_dict().values()]))
    assert any(not torch.equal(a, b) for a, b in zip(before.values(), weights[0][1], strict=True))
    assert weights[0][0] == pytest.approx(weights[1][0], abs=1e-6)


def run(folder, *words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCALES, "smoke", TINY)
        return run_study(load_study(CONFIG, ["scale=smoke", "seeds=[1]", f"folder={folder}", *words]))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run(tmp_path_factory.mktemp("study"), "gate=false", f"arms=[{','.join(habits.ARMS)}]")


def test_the_study_runs_in_miniature_with_every_arm(study):
    summary = json.loads((study / "summary.json").read_text())
    assert not summary["failed"]
    assert [row[0] for row in summary["tables"]["results"]["rows"]] == list(habits.ARMS)
    assert all(row[1] == 1 for row in summary["tables"]["results"]["rows"]), "every arm was reinforced"
    assert len(summary["tables"]["expectations"]["rows"]) == 8
    assert summary["remarks"][2].startswith("Preconditions: arithmetic of the base 0.0")
    assert "although preconditions are missed" in summary["remarks"][3]
    budgets = {row[0]: row for row in summary["tables"]["budgets"]["rows"]}
    assert len({tuple(budgets[name][index] for index in (1, 3)) for name in sets.SETS}) == 1, "equal budgets"
    assert budgets["all"][2] == budgets["dots"][2] > budgets["empty"][2]
    assert (study / "figure.png").stat().st_size > 10_000


def test_the_same_seed_gives_the_same_table_and_reinforcement_waits_for_the_preconditions(study, tmp_path):
    again = run(tmp_path, "gate=false", "arms=[all,none,empty]")
    lines = [
        [
            line
            for line in (folder / "measurements.csv").read_text().splitlines()
            if line[:4] in ("all,", "none", "empt")
        ]
        for folder in (study, again)
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) > 100
    gated = run(tmp_path / "gated", "arms=[all,none,empty]")
    summary = json.loads((gated / "summary.json").read_text())
    assert summary["conditions"] == ["base"]
    assert "not begun, as these are missed: arithmetic of the base" in summary["remarks"][3]


def measured(after):
    """Measurements with given accuracies before and after, two seeds and 40 problems."""
    rows = [
        Measurement("base", 1, f"{name} {n}", name, 1.0) for name in (gates.ARITHMETIC, gates.COPYING) for n in range(9)
    ]
    for name, (start, end) in after.items():
        for seed in (1, 2):
            for n in range(40):
                rows.append(Measurement(gates.before(name), seed, f"p{n}", tables.at("right", 0), n < 40 * start))
                rows.append(Measurement(name, seed, f"p{n}", tables.at("right", 60), n < 40 * end))
    return Measurements(rows)


def test_expectations_and_preconditions_say_what_came_out():
    shares = {"all": (0.2, 0.6), "none": (0.1, 0.2), "wrong": (0.0, 0.5), "dots": (0.1, 0.1), "empty": (0.05, 0.3)}
    data = measured(shares)
    known = [*gates.of_base(data), *gates.of_primed(data)]
    assert all(precondition.is_met for precondition in known)
    rows = {row[0]: row for row in gates.expectations(data, 60).rows}
    assert rows["all - none >= 15"][1] == pytest.approx(40)
    assert [row[-1] for row in rows.values()] == ["met", "missed", "missed", "met", "met"]
    results = {row[0]: row for row in tables.results(data, list(shares), 60).rows}
    assert results["all"][2:4] == [pytest.approx(20), pytest.approx(60)]
    assert results["all"][-1] < 0.01 < results["dots"][-1]
    gains = {row[0]: row[1:] for row in tables.gains(data, list(shares), 60).rows}
    assert gains["all"][0] == pytest.approx(40)
    assert gains["all"][3] == pytest.approx(30)
    assert gains["dots"] == [0, 0, 0, pytest.approx(-10), *gains["dots"][4:]]
    assert gains["none"][3:] == [None] * 3
    assert not tables.gains(Measurements(), list(shares), 60).rows
    lower = measured({**shares, "all": (0.1, 0.6)})
    assert [precondition.is_met for precondition in gates.of_primed(lower)] == [False, True, True]
    assert "missed" in str(gates.of_primed(lower)[0])
    assert not gates.of_primed(Measurements())[0].is_met, "what was not measured is not met"


@pytest.mark.parametrize("base_seed", [7, 2])
def test_gains_are_of_one_seed_whatever_the_seed_of_the_base(base_seed):
    """The base with further text is measured under its own seed, before the others if its arm is named first."""
    right = {1: (0.1, 0.2), 2: (0.5, 0.7)}
    rows = [
        Measurement(gates.before("enriched text"), base_seed, f"p{n}", tables.at("right", 0), 0.3) for n in range(9)
    ]
    for seed, (start, end) in right.items():
        for n in range(9):
            rows.append(Measurement(gates.before("all"), seed, f"p{n}", tables.at("right", 0), start))
            rows.append(Measurement("all", seed, f"p{n}", tables.at("right", 60), end))
    (row,) = (row for row in tables.gains(Measurements(rows), ["enriched text", "all"], 60).rows if row[0] == "all")
    assert row[1:4] == [pytest.approx(15), pytest.approx(10), pytest.approx(20)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["arms=[all,none]"], "arms: must hold empty"),
        (["first_seed_arms=[dots]"], "dots is there twice"),
        (["arms=[all,none,empty,dot]"], "did you mean dots"),
        (["targets=[9,60]"], "above largest=9"),
    ],
)
def test_settings_that_cannot_be_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        load_study(CONFIG, words)


def test_problems_that_the_search_cannot_solve_are_left_out_and_hopeless_ones_end():
    domain = Domain(count=4, largest=9)
    drawn = [draw(domain, random.Random(seed)) for seed in range(60)]
    solved = [search(domain, problem, HABITS, random.Random(1), sets.EXHAUSTIVE).solution for problem in drawn]
    assert None in solved, "this test says something only if there are problems that must not be drawn"
    chosen = sets.problems(domain, 20, random.Random(2))
    made = [example for name in sets.SETS for example in sets.examples(domain, name, chosen, random.Random(3), 240)]
    assert len(made) == len(sets.SETS) * 20
    with pytest.raises(ValueError, match=r"numbers=4: none of 20000 searches solves .* within 12 words"):
        list(sets.examples(domain, "all", chosen[:1], random.Random(3), 12))
