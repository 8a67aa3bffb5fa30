"""A run and its replay are the same to the bit, whoever taught it and whatever it said."""

from __future__ import annotations

import io
import json
import random

import pytest

from babylm import registry
from babylm.interaction import teachers
from babylm.interaction.interact import interact
from babylm.interaction.teachers import RecordedTeacher, Teacher, _replies
from babylm.interaction.teachers.grammar import Grammarian
from babylm.runs import Run
from tests.interaction.openai_server import Server, says
from tests.interaction.test_interact import make, weights
from tests.studies import planted

KINDS = ("grammar", "model", "endpoint", "person", "moody")
CASES = [
    *((kind, feedback) for kind in KINDS for feedback in ("correction", "score", "reply", "judge")),
    ("moody", "random"),  # no teacher is asked: two kinds stand for all
    ("endpoint", "none"),
]
FEW = ("interaction.rounds=1", "interaction.prompts=4", "interaction.samples=2", "interaction.test_prompts=0")
OWN = '''
import random

from babylm.interaction.teachers import Identity, Teacher


class Moody(Teacher):
    """What it says depends on the place in a call alone."""

    identity = Identity("moody", "model", 7)

    def __init__(self):
        self.calls = 0

    def draws(self, prompts, seed):
        self.calls += 1  # another answer to the same question, were it asked twice
        generator = random.Random(seed + self.calls)
        return [generator.random() for _ in prompts]

    def complete(self, prompts, seed):
        return ["a cat ." for _ in prompts]

    def correct(self, prompts, completions, seed):
        return [None if draw < 0.3 else "sees two cats ." for draw in self.draws(prompts, seed)]

    def reply(self, prompts, completions, seed):
        return [None if draw < 0.3 else "what ?" if draw < 0.6 else "yes ." for draw in self.draws(prompts, seed)]

    def score(self, prompts, completions, seed):
        return self.draws(prompts, seed)

    def judge_pair(self, prompts, first, second, seed):
        return [round(draw) for draw in self.draws(prompts, seed)]


def build(config):
    return Moody()
'''


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self):
        return True


def typed(feedback):
    """A line for each question; letters for judgements."""
    generator = random.Random(feedback)
    lines = {"score": "0123456789", "judge": "AB"}.get(feedback, ("yes .", "what ?", "sees two cats .", "it is red ."))
    return Terminal("".join(f"{generator.choice(lines)}\n" for _ in range(500)))


def says_something(body):
    text = body["messages"][0]["content"]
    return str(len(text) % 10) if "whole number" in text else "AB"[len(text) % 2] if "A or B" in text else "a big cat ."


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run whose model teaches."""
    return interact(make(tmp_path_factory.mktemp("base"), *FEW))


def learn(folder, *words):
    return interact(make(folder, *FEW, *words))


def assert_same(replayed, run):
    assert weights(replayed) == weights(run)
    for name in ("rounds/round_0001.jsonl", "ledger.json"):
        assert (replayed / name).read_bytes() == (run / name).read_bytes(), name
    described = [json.loads((folder / "teacher.json").read_text()) for folder in (replayed, run)]
    assert {**described[0], "teacher": ""} == {**described[1], "teacher": ""}


@pytest.mark.parametrize(("kind", "feedback"), CASES)
def test_a_replay_is_the_run_again(kind, feedback, base, tmp_path, monkeypatch):
    words = [f"interaction.teacher={kind}", f"interaction.feedback={feedback}"]
    planted.forget_plugins(monkeypatch)
    with Server(says(says_something)) as server:
        if kind == "model":
            words.append(f"interaction.teacher_model={base}")
        if kind == "endpoint":
            words += [f"interaction.endpoint.url={server.url}", "interaction.endpoint.model=tiny"]
        if kind == "person":
            monkeypatch.setattr("sys.stdin", typed(feedback))
        if kind == "moody":
            file = tmp_path / "plugins/interaction/teachers/moody.py"
            file.parent.mkdir(parents=True)
            file.write_text(OWN)
            registry.add(tmp_path / "plugins")
        run = learn(tmp_path, *words)
    replay = ["interaction.teacher=replay", f"interaction.feedback={feedback}"]
    again = learn(tmp_path, *replay, f"interaction.teaching.replies={run}", "name=again")
    assert_same(again, run)
    if kind == "moody":  # of a replay, too
        assert_same(learn(tmp_path, *replay, f"interaction.teaching.replies={again}", "name=third"), run)


def test_the_texts_that_older_runs_kept_are_replayed(tmp_path):
    with Server(says(says_something)) as server:
        where = [f"interaction.endpoint.url={server.url}", "interaction.endpoint.model=tiny"]
        run = learn(tmp_path, "interaction.teacher=endpoint", *where)
        (run / "teacher/answers.jsonl").unlink()
        teacher = teachers.build(Run(run).config.interaction)
        RecordedTeacher(teacher).open(run / "teacher")
        assert not (run / "teacher/answers.jsonl").exists(), "half a record would hide the whole one"
    for named, name in ((run, "by_folder"), (run / "teacher/replies.jsonl", "by_file")):
        replay = ["interaction.teacher=replay", f"interaction.teaching.replies={named}", f"name={name}"]
        assert_same(learn(tmp_path, *replay), run)
    refused = ["interaction.teacher=replay", f"interaction.teaching.replies={run}", "interaction.feedback=judge"]
    with pytest.raises(ValueError, match=r"feedback=judge: the teacher tiny has no method judge_pair\(.*of: score"):
        learn(tmp_path, *refused, "name=other")


def test_another_student_is_told_and_a_damaged_record_too(tmp_path, base):
    replay = ["interaction.teacher=replay", f"interaction.teaching.replies={base}"]
    with pytest.raises(
        ValueError, match=r"answers.jsonl has no call of score with these 8 questions .* of another stud"
    ):
        learn(tmp_path, *replay, "seed=5")
    record = tmp_path / "answers.jsonl"
    whole = (base / "teacher/answers.jsonl").read_text()
    record.write_text(whole.replace('"round": 1', '"round": 2'))
    with pytest.raises(ValueError, match=r"answers.jsonl, line 2: is not what was written"):
        learn(tmp_path, replay[0], f"interaction.teaching.replies={record}", "name=b")
    record.write_text(whole.splitlines(keepends=True)[1])
    with pytest.raises(ValueError, match="does not say who taught"):
        learn(tmp_path, replay[0], f"interaction.teaching.replies={record}", "name=b")
    with pytest.raises(ValueError, match=r"holds no teacher/answers.jsonl; give the folder of an interaction"):
        learn(tmp_path, replay[0], f"interaction.teaching.replies={tmp_path}/checkpoints", "name=b")
    assert not (tmp_path / "checkpoints/b").exists()


def test_a_call_is_made_once_whatever_is_killed(tmp_path):
    prompts, texts = ["the dog", "the dog"], ["sees it", "sees a cat ."]
    first = RecordedTeacher(Grammarian())
    first.open(tmp_path)
    first.begin_round(3)
    replies = first.reply(prompts, texts, 8)
    first.score(prompts, texts, 8)
    file = tmp_path / "answers.jsonl"
    file.write_bytes(file.read_bytes()[:-9])  # killed while the scores were written

    class Silent(Grammarian):
        def reply(self, *given):
            raise AssertionError("asked twice")

    second = RecordedTeacher(Silent())
    second.open(tmp_path)
    assert second.reply(prompts, texts, 8) == replies
    assert second.score(prompts, texts, 8) == [0.0, 1.0]
    assert [entry["method"] for entry in _replies.read(file, ("method",))] == ["identity", "reply", "score"]


def test_a_teacher_that_lacks_the_method_is_refused_before_there_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(Grammarian, "judge_pair", Teacher.judge_pair)
    refused = r"feedback=judge: the teacher grammar has no method judge_pair\(prompts, first, second, seed\); write it"
    with pytest.raises(ValueError, match=refused + ", or use one of: correction, score, reply"):
        interact(make(tmp_path, "interaction.feedback=judge"))
    assert not (tmp_path / "checkpoints").exists()
    with pytest.raises(ValueError, match="no method reply"):
        teachers.check(Teacher(), "none", replies=True)
