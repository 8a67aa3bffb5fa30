"""The relational study: REPL and parsers, messages, prefixes, attention shares, controls, the study in miniature."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from babylm.config.studies import load_study
from babylm.studies import _relational_messages as texts
from babylm.studies import _relational_student as student
from babylm.studies import relational
from babylm.studies._relational_episodes import Limits, behaviour, check_prefixes, collapse, run_batch, similar
from babylm.studies._relational_models import EndpointAgent, ModelAgent
from babylm.studies._relational_planted import PLANTED, ScriptedAgent, stop_probability
from babylm.studies._relational_scales import SCALES
from babylm.studies._relational_sentences import CONCEPTS, labelled
from babylm.studies._relational_states import attention_shares, fit_probes, read, states_of
from babylm.studies._relational_tables import Paired, gates_table, p_values, simulated_power
from babylm.studies._relational_tool import (
    FAULTS,
    KINDS,
    Action,
    BrokenTool,
    Fault,
    execute,
    make_task,
    make_tasks,
    parse_transcript,
)
from babylm.studies.experiment import Measurement, Measurements, run_study
from tests.conftest import ROOT

CONFIG = ROOT / "configs" / "studies" / "relational.yaml"
TINY = replace(SCALES["smoke"], steps=60, transcripts=500)


def words(text):
    return len(re.findall(r"\w+|[^\w\s]", text))


def test_tasks_have_all_kinds_and_faults_and_the_command_gives_the_answer():
    tasks = make_tasks(56)
    assert tasks == make_tasks(56)
    assert {task.fault.mode for task in tasks} == set(FAULTS)
    assert len({(number % len(KINDS), task.fault.mode) for number, task in enumerate(tasks)}) == 28
    for task in tasks:
        output = execute(Action("run", task.command), task.files)
        assert output.split("\n")[0] == task.gold
        assert execute(Action("run", task.command + " x"), task.files) is None


@pytest.mark.parametrize("mode", FAULTS)
def test_fault_modes(mode):
    task = make_task(0, random.Random(1), Fault(mode, code=2, k=3))
    run, read_file = f"run {task.command}", f"read {next(iter(task.files))}"
    tool = BrokenTool(task)
    outputs = [tool.act(run).output for _ in range(5)]
    assert outputs == ["" if mode == "silent" else "error 2"] * 5
    tool.collapsed()
    later = [tool.act(run).failed for _ in range(5)]
    assert later == ([True] * 3 + [False] * 2 if mode == "repair_after" else [True] * 5)
    assert tool.act(read_file).failed == (mode in ("silent", "error"))
    assert tool.act("hello").output.startswith("unknown action")
    assert tool.act(f"answer {task.gold}")
    assert tool.over
    assert tool.solved()
    assert task.fault.repairable == (mode in ("repair_after", "alt_tool"))


def test_messages_of_a_set_are_equally_long_and_d_has_the_words_of_c():
    for seed in (1, 2):
        sets = texts.message_sets(seed, words)
        assert sets == texts.message_sets(seed, words)
        assert len({messages["C"] for messages in sets}) > 1
        for messages in sets:
            lengths = [words(text) for text in messages.values()]
            assert max(lengths) - min(lengths) <= texts.TOLERANCE
            assert sorted(messages["C"].split()) == sorted(messages["D"].split())
            assert messages["C"] != messages["D"]
            for condition, first_person in texts.REGISTER.items():
                has = set(re.findall(r"\w+", messages[condition])) & {"I", "my", "me"}
                assert bool(has) == bool(first_person)
    with pytest.raises(ValueError, match="differ by more than 2 tokens"):
        texts.message_set(0, 1, lambda text: 1000 * text.count(" I "))


@pytest.fixture(scope="module")
def trained():
    """A tiny student, its agent, and finished episodes."""
    subject, losses = student.make_student(1, TINY, None)
    assert losses["last loss"] < 0.8 * losses["first loss"]
    agent = ModelAgent(subject, 1, 0.7)
    messages = texts.message_sets(1, lambda text: len(agent.encode(text + "\n")))
    limits = Limits(failures=1, before=6, after=4)
    rows, _ = run_batch(agent, make_tasks(8), messages, limits)
    assert rows
    return subject, rows


def test_episodes_of_a_task_share_their_prefix_token_for_token(trained):
    _, rows = trained
    for first in range(0, len(rows), 6):
        group = rows[first : first + 6]
        assert [row.condition for row in group] == list(texts.CONDITIONS)
        assert len({tuple(row.ids[: row.prefix_length]) for row in group}) == 1
        spans = [row.message_span[1] - row.message_span[0] for row in group[1:]]
        assert max(spans) - min(spans) <= texts.TOLERANCE
        assert group[0].message_span == (0, 0)
    changed = rows[1].copied("B")
    changed.ids[3] += 1
    with pytest.raises(AssertionError, match="prefixes"):
        check_prefixes([rows[0], changed])


def test_the_parser_agrees_with_the_log(trained):
    _, rows = trained
    agent = ScriptedAgent(3, planted=True)
    scripted, _ = run_batch(agent, make_tasks(28), texts.message_sets(3, words), Limits())
    for row in [*rows, *scripted]:
        log = [(entry.action, entry.output.strip("\n")) for entry in row.tool.log]
        assert parse_transcript(row.text) == log
        values = behaviour(row)
        after = parse_transcript(row.text)[row.tool.collapsed_at :]
        assert values["abandonment"] == any(action.verb == "stop" for action, _ in after)
        assert values["attempts"] == sum(action.verb in ("run", "read") for action, _ in after)
        assert values["persistence"] <= values["attempts"]
    for one in student.transcripts(50, 1):
        parsed = parse_transcript(one.introduction + "".join(one.pieces))
        assert all(action.verb for action, _ in parsed)
        assert not any(texts.SPEAKER in piece for piece in one.pieces), "no message is trained in"


def test_the_cache_over_turns_gives_what_one_pass_gives(trained):
    """The mean entropy of each action is that of a pass over the whole transcript."""
    subject, rows = trained
    compared = 0
    for row in rows[:12]:
        with torch.no_grad():
            log_probs = subject.model(input_ids=torch.tensor([row.ids])).logits[0].log_softmax(-1)
        entropy = -(log_probs.exp() * log_probs).sum(-1)  # (tokens,), of the token after each
        for (begin, end), entry, expected in zip(row.spans, row.tool.log, row.entropies, strict=True):
            if entry.action.verb:  # an action that ended by EOS has an entropy more
                assert float(entropy[begin - 1 : end - 1].mean()) == pytest.approx(expected, rel=1e-3)
                compared += 1
    assert compared > 12


def test_uniform_attention_has_a_share_of_one():
    for queries, span in ((200, (60, 110)), (50, (1, 3)), (30, (20, 29))):
        uniform = torch.ones(2, 3, queries, queries).tril() / torch.arange(1, queries + 1)[:, None]
        raw, corrected = attention_shares(uniform, span)
        assert corrected.shape == (2, 3)
        assert torch.allclose(corrected, torch.ones(2, 3), atol=0.01)
        assert (raw < 1).all()
    focused = torch.zeros(1, 1, 10, 10)
    focused[..., 4] = 1.0
    assert float(attention_shares(focused, (3, 6))[0]) == 1.0


def test_a_layer_with_uniform_attention_measured_in_a_model(trained):
    """Zero queries and keys make every head uniform."""
    subject, rows = trained
    row = rows[2]
    reading = read(subject, row.ids, row.message_span)
    assert torch.allclose(reading.attentions.sum(-1), torch.ones(()), atol=1e-4)
    state = {name: value.clone() for name, value in subject.model.state_dict().items()}
    try:
        for parameter in subject.model.model.parameters():
            parameter.data.zero_()
        uniform = read(subject, row.ids, row.message_span)
        assert torch.allclose(attention_shares(uniform.attentions, row.message_span)[1], torch.ones(()), atol=0.01)
        assert uniform.surprisal == pytest.approx(np.log(subject.model.config.vocab_size), rel=0.05)
    finally:
        subject.model.load_state_dict(state)


def test_probes_and_states(trained):
    subject, rows = trained
    assert {label for _, label in labelled()} == {*CONCEPTS, "neutral"}
    probes = fit_probes(subject)
    assert set(probes.accuracy) == set(CONCEPTS)
    without, message = states_of(subject, rows[0], probes), states_of(subject, rows[1], probes)
    assert without["calm +0"] == 0.0
    assert "surprisal" not in without
    assert message["surprisal"] > 0
    assert message["attention last layer"] > 0


def test_collapse_names_its_clause():
    tool = SimpleNamespace(failures=5)
    flat = SimpleNamespace(tool=tool, entropies=[1.0, 1.1, 0.9, 1.0, 1.0])
    raised = SimpleNamespace(tool=tool, entropies=[1.0, 1.1, 0.9, 2.0, 2.0, 2.0])
    assert collapse(flat, Limits()) == "attempts"
    assert collapse(flat, Limits(entropy_required=True)) == ""
    assert collapse(raised, Limits(entropy_required=True)) == "attempts and entropy"
    assert collapse(raised, Limits(failures=6)) == ""
    assert not similar(Action("run", "wc -l a.txt"), Action("read", "a.txt"))


def scripted_measurements(planted, seeds, tasks):
    rows = []
    for seed in seeds:
        agent = ScriptedAgent(seed, planted)
        episodes, _ = run_batch(agent, make_tasks(tasks), texts.message_sets(seed, words), Limits())
        rows += [
            Measurement("agent", seed, f"t{row.task.number}", f"{row.condition} {name}", value)
            for row in episodes
            for name, value in behaviour(row).items()
        ]
    return Paired(Measurements(rows))


@pytest.fixture(scope="module")
def planted_paired():
    """300 tasks of the planted agent, 20 seeds."""
    return scripted_measurements(True, range(1, 21), 300)


def test_the_planted_effect_is_recovered_in_20_seeds(planted_paired):
    """The acceptance of the reference: C - B at p < .01 and within .10 among 200 tasks, the interaction among 300."""
    assert {condition: round(stop_probability(condition, True), 6) for condition in PLANTED} == PLANTED
    for condition, rate in PLANTED.items():
        assert planted_paired.flat("agent", "abandonment", {condition: 1}).mean() == pytest.approx(rate, abs=0.02)
    gates = gates_table(planted_paired, "agent", "none", 500)
    assert [row[-1] for row in gates.rows] == ["met"] * 3
    assert gates.rows[0][1] >= 0.95
    assert gates.rows[2][1] >= 0.8


def test_the_null_agent_gives_few_rejections_in_20_seeds():
    paired = scripted_measurements(False, range(1, 21), 60)
    gates = gates_table(paired, "none", "agent", 500)
    assert len(gates.rows) == 5
    assert all(row[1] <= 0.05 for row in gates.rows)
    p = [p_values(paired, "agent", "abandonment", [seed], 500) for seed in range(1, 21)]
    assert np.mean(np.array(p) < 0.05) < 0.12


@pytest.mark.parametrize(
    ("contrast", "pairs", "power"),
    [
        ("C - B", 50, 0.93),
        ("C - E", 50, 0.64),
        ("C - F", 50, 0.64),
        ("structure (C + F) - (B + E)", 50, 0.72),
        ("interaction C - E - F + B", 50, 0.23),
        ("interaction C - E - F + B", 100, 0.56),
        ("interaction C - E - F + B", 200, 0.87),
        ("interaction C - E - F + B", 300, 0.96),
    ],
)
def test_the_power_of_the_contrasts_is_that_of_the_reference(contrast, pairs, power):
    """The reference's tasks share their difficulty, ours are independent: a little less power, never more than it."""
    assert -0.15 <= simulated_power(pairs, contrast, 200) - power <= 0.07


def test_an_endpoint_is_asked_for_the_next_line(monkeypatch):
    asked = []

    def post(self, path, body, read_answer):
        asked.append((path, body))
        return "> run wc -l x.txt\nmore"

    monkeypatch.setattr("babylm.interaction.teachers._http.JsonClient.post", post)
    settings = load_study(CONFIG, ["endpoint.url=http://127.0.0.1:9/v1", "endpoint.model=m", "student=false"])
    assert [condition.name for condition in relational.conditions(settings)][-1] == "endpoint"
    agent = EndpointAgent(settings.endpoint, 1, 0.7)
    rows, _ = run_batch(agent, make_tasks(1), texts.message_sets(1, words), Limits(after=1))
    assert len(rows) == 6
    assert rows[0].tool.log[0].action == Action("run", "wc -l x.txt")
    assert asked[-1][0] == "chat/completions"
    assert rows[-1].message in asked[-1][1]["messages"][0]["content"]


def test_settings_are_refused():
    with pytest.raises(ValueError, match="at least one subject"):
        load_study(CONFIG, ["controls=false", "student=false"])
    with pytest.raises(ValueError, match="model=nowhere"):
        load_study(CONFIG, ["model=nowhere"])
    with pytest.raises(ValueError, match="before=2"):
        load_study(CONFIG, ["before=2"])


def test_the_study_runs_in_miniature_and_again_to_the_same_table(tmp_path, monkeypatch):
    monkeypatch.setitem(SCALES, "smoke", replace(TINY, control_tasks=28, control_seeds=2, power_repeats=5, tasks=4))

    def table(name, *more):
        overrides = [
            "scale=smoke",
            "seeds=[1]",
            "failures=1",
            "after=4",
            "temperature=0.5",
            f"folder={tmp_path}",
            f"name={name}",
            *more,
        ]
        folder = run_study(load_study(CONFIG, overrides))
        return json.loads((folder / "summary.json").read_text()), (folder / "measurements.csv").read_text()

    summary, measured = table("first")
    assert not summary["failed"]
    assert summary["figure"] == "figure.png"
    assert {"results", "contrasts", "gates", "attention", "states", "collapses", "power"} <= set(summary["tables"])
    subjects = {row[0] for row in summary["tables"]["results"]["rows"]}
    assert subjects == {"planted agent", "null agent", "student"}
    again, measured_again = table("second")
    assert measured == measured_again
    assert summary["tables"] == again["tables"]
