"""Teachers that are asked in words: servers that fail in every way, answers kept on disk, scores read strictly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from email.utils import formatdate

import pytest

from babylm import files
from babylm.config.interaction import InteractionConfig
from babylm.config.teaching import TeachingConfig, check_teaching
from babylm.interaction import caregiver, episodes, teachers
from babylm.interaction.interact import interact
from babylm.interaction.teachers import _replies, person
from babylm.interaction.teachers._replies import Question
from babylm.runs import Run
from babylm.teacher_rules import approved
from tests.interaction import openai_server as servers
from tests.interaction.openai_server import Server, closes, drips, raw, says, sleeps, status, then
from tests.interaction.test_interact import make, weights

KEY = "sk-test-0123456789abcdef0123"
PROMPTS, TEXTS = ["the dog", "a cat"], ["sees a ball", "sleep"]


def teacher(server, folder=None, **endpoint):
    config = InteractionConfig(teacher="endpoint")
    config.endpoint.url, config.endpoint.model = getattr(server, "url", server), "tiny"
    for name, value in {"timeout": 5.0, "retries": 2, **endpoint}.items():
        setattr(config.endpoint if hasattr(config.endpoint, name) else config.teaching, name, value)
    made = teachers.build(config)
    made.client.waits = []
    made.client.sleep = made.client.waits.append
    if folder is not None:
        made.open(folder)
    return made


# A server


def test_it_answers_in_words_and_in_numbers():
    def answer(body):
        text = body["messages"][0]["content"]
        return "7" if "whole number" in text else "A" if "A or B" in text else " better . "

    with Server(says(answer)) as server:
        made = teacher(server, concurrency=1)
        assert made.correct(PROMPTS, TEXTS, 5) == ["better .", "better ."]
        assert made.reply(PROMPTS, TEXTS, 5) == ["better .", "better ."]
        assert made.complete(PROMPTS, 5) == ["better .", "better ."]
        assert made.score(PROMPTS, TEXTS, 5) == [7 / 9, 7 / 9]
        assert made.judge_pair(PROMPTS, TEXTS, TEXTS[::-1], 5) == [0.5, 0.5], "it always says A, in both orders"
        path, body, _ = server.requests[0]
        assert path == "/v1/chat/completions"
        assert (body["model"], body["max_tokens"], body["temperature"]) == ("tiny", 16, 0.7)
        seeds = [body["seed"] for _, body, _ in server.requests[:6]]
        assert len(set(seeds)) == 6, "with the same seed, servers draw the same numbers for different texts"
        assert all(0 <= seed < 2**31 for seed in seeds)
        assert "the dog" in body["messages"][0]["content"]
        assert not any("logprobs" in body for _, body, _ in server.requests)
        assert all(body["temperature"] == 0 and "seed" not in body for _, body, _ in server.requests[6:])
    with Server(says("better .\nmore")) as server:
        made = teacher(server, api="completions", stop="\n")
        assert made.correct(PROMPTS, TEXTS, 5) == ["better .", "better ."]
        assert server.requests[0][0] == "/v1/completions"
        assert server.requests[0][1]["stop"] == ["\n"]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (closes, "the connection was lost"),
        (sleeps(0.6), r"no whole answer in 0.3 s \(interaction.endpoint.timeout\)"),
        (drips, "no whole answer in 0.3 s"),
        (raw(b"<html>oops</html>"), "an answer of another form: <html>oops</html>"),
        (raw(b"\xff\xfe\x00"), "an answer of another form"),
        (raw(b""), "an empty answer"),
        (raw(b"[]"), "an answer of another form"),
        (raw({"choices": []}), "an answer of another form"),
        (raw({"choices": [{"message": {"content": 7}}]}), "an answer of another form"),
        (raw(b'{"choices": [{"message": {"content": "a \\ud800 b"}}]}'), "an answer of another form"),
        (raw(b"[" * 100_000), "an answer of another form"),
        (status(500), "status 500: .*try later"),
        (status(429), "status 429"),
    ],
    ids=[
        "closing",
        "slow",
        "dripping",
        "html",
        "bytes",
        "nothing",
        "list",
        "no-choice",
        "number",
        "half a character",
        "deep",
        "500",
        "429",
    ],
)
def test_what_passes_is_tried_again_and_then_told(behaviour, said):
    with Server(behaviour) as server:
        made = teacher(server, timeout=0.3, retries=1)
        with pytest.raises(ValueError, match=rf"interaction.endpoint: .*/chat/completions: .*{said}.*\(2 attempts\)"):
            made.score(["x"], ["y"], 0)
        assert made.client.waits == [0.5]
    with Server(then(behaviour, says("9"))) as server:
        assert teacher(server, timeout=0.3, retries=1).score(["x"], ["y"], 0) == [1.0]


def test_a_server_that_is_down_is_told():
    with Server(says("9")) as server:
        url = server.url
    made = teacher(url)
    with pytest.raises(ValueError, match=r"cannot connect .*: is the server running\? \(3 attempts\)"):
        made.score(["x"], ["y"], 0)
    assert made.client.waits == [0.5, 1.0]


@pytest.mark.parametrize(("code", "advice"), [(401, "key_variable"), (404, "interaction.endpoint.url"), (400, "")])
def test_a_refusal_is_told_at_once(code, advice):
    with Server(status(code, text=f"no {KEY}")) as server:
        made = teacher(server)
        with pytest.raises(ValueError, match=rf"status {code}.*{advice}") as told:
            made.score(["x"], ["y"], 0)
        assert len(server.requests) == 1
        assert KEY not in str(told.value)


def test_retry_after_is_kept_to():
    later = formatdate(time.time() + 30, usegmt=True)
    asked = [status(429, [("Retry-After", "7")]), status(503, [("Retry-After", later)]), says("9")]
    with Server(then(*asked)) as server:
        made = teacher(server)
        assert made.score(["x"], ["y"], 0) == [1.0]
        assert made.client.waits[0] == 7
        assert 25 < made.client.waits[1] <= 30
    with Server(then(*[status(429, [("Retry-After", "0")])] * 2, says("9"))) as server:
        made = teacher(server)
        assert made.score(["x"], ["y"], 0) == [1.0]
        assert made.client.waits == [0.5, 1.0], "a busy server is not asked again at once"
    with Server(status(429, [("Retry-After", "86400")])) as server, pytest.raises(ValueError, match="status 429"):
        teacher(server).score(["x"], ["y"], 0)
    assert len(server.requests) == 1, "a day is not waited for"


def test_questions_are_asked_at_once_up_to_a_number():
    def slow(handler, body, number):
        time.sleep(0.05)
        handler.send(servers.chat("5"))

    with Server(slow) as server:
        made = teacher(server, concurrency=4)
        began = time.monotonic()
        made.score([f"p{n}" for n in range(12)], ["y"] * 12, 0)
        assert 1 < server.http.most_active <= 4
        assert time.monotonic() - began < 12 * 0.05


# What an answer says


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        *(("7", 7 / 9), (" 7.\n", 7 / 9), ("7/9", 7 / 9), ("0", 0.0), ("4.5", 0.5)),
        *((text, None) for text in ("", "10", "-1", "7/10", "seven", "Score: 7", "7 8", "I give it 7", "nan", "7e0")),
    ],
)
def test_scores_are_read_strictly(answer, score):
    with Server(says(answer)) as server:
        made = teacher(server, unparsable=0.25)
        assert made.score(["x"], ["y"], 0) == [0.25 if score is None else pytest.approx(score)]


@pytest.mark.parametrize(
    ("answer", "correction"),
    [
        ("<think>\nIs it right?\n</think>\n\nsees a dog .", "sees a dog ."),
        ("<think>\nOkay, the learner", None),
        ("sees <think> a dog .", "sees <think> a dog ."),
    ],
)
def test_what_a_model_thinks_is_no_correction(answer, correction):
    with Server(says(answer)) as server:
        assert teacher(server).correct(["x"], ["y"], 0) == [correction]


def test_unusable_answers_are_counted_and_a_teacher_of_them_alone_is_refused(tmp_path):
    with Server(says(lambda body: "good" if "p1" in body["messages"][0]["content"] else "3")) as server:
        made = teacher(server, tmp_path)
        assert made.score(["p0", "p1", "p2"], ["y"] * 3, 0) == [1 / 3, 0.5, 1 / 3]
        assert (made.usage(0).questions, made.usage(0).unusable) == (3, 1)
    unusable = pytest.raises(ValueError, match=r"none of 8 answers of tiny is what was asked for .*'Of course!'")
    with Server(says("Of course!")) as server, unusable:
        teacher(server).score([f"p{n}" for n in range(8)], ["y"] * 8, 0)
    with Server(says("  ")) as server:
        assert teacher(server).correct(PROMPTS, TEXTS, 0) == [None, None]


@pytest.mark.parametrize(
    ("reply", "reward"),
    [
        *(("What?", 0), ("Sorry ?", 0), ("what do you mean?", 0), ("I don't understand you.", 0), ("Huh?", 0)),
        *(("Yes, a dog!", 1), ("Right.", 1), ("okay", 1), ("good .", 1)),
        *(("It is red.", 0.5), ("Where is the ball now?", 0.5), ("", 0.5), ("Yesterday it rained.", 0.5)),
    ],
)
def test_the_kind_of_a_reply(reply, reward):
    assert caregiver.reply_reward(reply) == reward


# Answers on disk


def test_no_question_is_asked_twice_and_words_count_once(tmp_path):
    with Server(says("5")) as server:
        made = teacher(server, tmp_path / "a")
        made.begin_round(1)
        made.score([*PROMPTS, *PROMPTS], [*TEXTS, *TEXTS], 0)
        assert len(server.requests) == 2, "equal questions are one"
        made.begin_round(2)
        made.score([*PROMPTS, "new"], [*TEXTS, "x y"], 0)
        assert len(server.requests) == 3
        again = teacher(server, tmp_path / "a")
        again.begin_round(2)
        again.score([*PROMPTS, "new"], [*TEXTS, "x y"], 0)
        assert len(server.requests) == 3
        for asked in (made, again):
            assert vars(asked.usage(1)) == {
                "questions": 2,
                "words_read": 8,
                "words_written": 2,
                "unusable": 0,
                "tokens": 0,
            }
            assert vars(asked.usage(2)) == {
                "questions": 1,
                "words_read": 3,
                "words_written": 1,
                "unusable": 0,
                "tokens": 0,
            }
        teacher(server, tmp_path / "a", score_max=5).score(PROMPTS, TEXTS, 0)
        assert len(server.requests) == 5, "another instruction is another question"


def test_runs_share_a_cache_and_each_keeps_what_it_used(tmp_path):
    cache = str(tmp_path / "cache.jsonl")
    with Server(says("5")) as server:
        first = teacher(server, tmp_path / "a", cache=cache)
        first.score(PROMPTS, TEXTS, 0)
        second = teacher(server, tmp_path / "b", cache=cache)
        second.score(PROMPTS, TEXTS, 0)
        assert len(server.requests) == 2
    assert second.usage(0) == first.usage(0)
    assert len(_replies.read(tmp_path / "b" / "replies.jsonl")) == 2


def test_a_cut_line_is_dropped_and_a_damaged_one_is_told(tmp_path):
    file = tmp_path / "replies.jsonl"
    with Server(says("5")) as server:
        teacher(server, tmp_path).score(PROMPTS, TEXTS, 0)
        whole = file.read_bytes()
        file.write_bytes(whole[:-7])
        teacher(server, tmp_path).score(PROMPTS, TEXTS, 0)
        assert len(server.requests) == 3
        assert sorted(file.read_bytes().splitlines()) == sorted(whole.splitlines())
    file.write_bytes(b"{}\n" + whole)
    with pytest.raises(ValueError, match=r"replies.jsonl, line 1: is no recorded reply"):
        teacher("http://127.0.0.1:1/v1", tmp_path)
    file.write_bytes(whole.replace(b'"answer": "5"', b'"answer": "4"', 1))
    with pytest.raises(ValueError, match=r"replies.jsonl, line 1: is not what was written; remove the line"):
        teacher("http://127.0.0.1:1/v1", tmp_path)


OTHER_FILES = {
    "one.txt": b"one line of a user",
    "two.txt": b"a line\nand another without its end",
    "weights.safetensors": b"\x10\x00\x00\x00{}\x00\n\xff\xfe binary",
    "number.json": b"7",
    "object.jsonl": b'{"a": 1}\n{"teacher": 1',
}


@pytest.mark.parametrize("name", OTHER_FILES)
@pytest.mark.parametrize("setting", ["cache", "replies"])
def test_a_file_that_is_no_replies_is_refused_and_left_as_it_is(tmp_path, name, setting):
    file = tmp_path / name
    file.write_bytes(OTHER_FILES[name])
    config = InteractionConfig(teacher="replay" if setting == "replies" else "endpoint")
    config.endpoint.url, config.endpoint.model = "http://127.0.0.1:1/v1", "tiny"
    setattr(config.teaching, setting, str(file))
    with pytest.raises(ValueError, match=rf"{name}, line 1: is no recorded reply; name a file"):
        teachers.build(config).open(tmp_path / "run")
    assert file.read_bytes() == OTHER_FILES[name]


def test_recorded_replies_are_read_and_never_written(tmp_path):
    file = tmp_path / "replies.jsonl"
    with Server(says("5")) as server:
        teacher(server, tmp_path).score(PROMPTS, TEXTS, 0)
    whole = file.read_bytes()
    config = InteractionConfig(teacher="replay")
    config.teaching.replies = str(file)
    for kept, count in ((whole, 2), (whole[:-1], 2), (whole[:-9], 1), (whole + b'{"tea', 2)):
        file.write_bytes(kept)
        assert len(_replies.read(file)) == count
        teachers.build(config)
        assert file.read_bytes() == kept


@pytest.mark.parametrize("as_cache", [False, True])
def test_a_last_line_without_its_line_feed_is_kept_and_a_cut_one_is_not(tmp_path, as_cache):
    """An editor may leave the line feed out; the next line then begins where it should."""
    file = tmp_path / ("cache.jsonl" if as_cache else "a/replies.jsonl")
    more = {"cache": str(file)} if as_cache else {}
    with Server(says("5")) as server:
        teacher(server, tmp_path / "a", **more).score(PROMPTS, TEXTS, 0)
        whole = file.read_bytes()
        for end in (b"", b'\n{"teacher": "' + b"x" * 70_000):
            file.write_bytes(whole[:-1] + end)
            folder = tmp_path / ("b" + str(len(end)) if as_cache else "a")
            teacher(server, folder, **more).score([*PROMPTS, f"new {len(end)}"], [*TEXTS, "x"], 0)
            assert file.read_bytes().startswith(whole)
            assert b"x" * 70_000 not in file.read_bytes()
            whole = file.read_bytes()
        assert len(server.requests) == 4
        assert len(_replies.read(file)) == 4


def test_a_cache_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"teaching.cache=.*pipe: is no file"):
        teacher("http://127.0.0.1:1/v1", tmp_path / "run", cache=str(tmp_path / "pipe"))


@pytest.mark.parametrize(
    ("usage", "tokens"), [({"prompt_tokens": 7, "total_tokens": 9}, 9), (None, 0), ({"total_tokens": "9"}, 0)]
)
def test_tokens_are_those_that_the_server_counts(tmp_path, usage, tokens):
    with Server(lambda handler, *_: handler.send({**servers.chat("5"), "usage": usage})) as server:
        made = teacher(server, tmp_path / "a")
        made.score(PROMPTS[:1], TEXTS[:1], 0)
    assert made.usage().tokens == tokens


# Runs


def run_settings(server, *more):
    settings = [f"interaction.endpoint.url={server.url}", "interaction.endpoint.model=tiny", "interaction.rounds=1"]
    return "interaction.teacher=endpoint", *settings, *more


def graded(body):
    return str(len(body["messages"][0]["content"]) % 10)


def test_a_run_with_a_key_leaves_it_nowhere_and_is_repeated_by_replay(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with Server(says(graded)) as server:
        config = make(tmp_path, *run_settings(server, "interaction.endpoint.key_variable=MY_KEY"))
        folder = interact(config)
        assert server.requests[0][2]["Authorization"] == f"Bearer {KEY}"
        asked = len(server.requests)
    for file in folder.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file
    described = files.read_json(folder / "teacher.json")
    turns = episodes.read(folder / "rounds/round_0001.jsonl")
    distinct = {(turn.prompt, turn.text) for turn in turns}
    words = sum(len(f"{prompt} {text}".split()) for prompt, text in distinct)
    assert described["questions"] == asked == len(distinct)
    assert described["words_read"] == words == Run(folder).ledger["teacher_input"]
    assert (described["name"], described["external"], described["trained_inside_budget"]) == ("tiny", True, False)
    replies = folder / "teacher/replies.jsonl"
    source = ["interaction.teacher=replay", f"interaction.teaching.replies={replies}"]
    replayed = interact(make(tmp_path, "name=r", "interaction.rounds=1", *source))
    assert weights(replayed) == weights(folder)
    assert (replayed / "ledger.json").read_text() == (folder / "ledger.json").read_text()


def test_a_run_that_was_killed_asks_nothing_twice(tmp_path):
    def behave(handler, body, number):
        if number == 9:
            os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.3)
        handler.send(servers.chat(graded(body)))

    with Server(behave) as server:
        config = make(tmp_path, *run_settings(server, "interaction.endpoint.concurrency=1"))
        words = [
            str(tmp_path / "i.yaml"),
            f"corpus.prepared={tmp_path}/prepared",
            f"checkpoints={tmp_path}/checkpoints",
        ]
        words += run_settings(server, "interaction.endpoint.concurrency=1")
        process = subprocess.Popen([sys.executable, "-m", "babylm.interact", *words], stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)  # fmt: skip
        assert process.wait(120) == -signal.SIGKILL
        before = len(server.requests)
        folder = interact(config)
        questions = [body["messages"][0]["content"] for _, body, _ in server.requests]
        assert before == 10
        assert len(questions) - len(set(questions)) == 1, "the one that was not answered"
        described = files.read_json(folder / "teacher.json")
        assert described["questions"] == len(set(questions))
        assert described["words_read"] == Run(folder).ledger["teacher_input"]
    with Server(says(graded)) as server:
        whole = interact(make(tmp_path, *run_settings(server, "name=whole", "interaction.endpoint.concurrency=1")))
    assert weights(whole) == weights(folder)
    assert (whole / "ledger.json").read_text() == (folder / "ledger.json").read_text()


def test_answers_of_no_use_are_told_at_the_end(tmp_path, capsys):
    with Server(says(lambda body: "10" if "Text: the" in body["messages"][0]["content"] else "3")) as server:
        folder = interact(make(tmp_path, *run_settings(server, "interaction.rounds=1")))
    described = files.read_json(folder / "teacher.json")
    assert 0 < described["unusable"] < described["questions"]
    said = f"{described['unusable']} of {described['questions']} answers of tiny were of no use"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("feedback", ["reply", "judge"])
def test_replies_and_judgements_are_rewards(tmp_path, feedback):
    folder = interact(make(tmp_path, f"interaction.feedback={feedback}", "interaction.rounds=1"))
    turns = episodes.read(folder / "rounds/round_0001.jsonl")
    ledger = Run(folder).ledger
    assert ledger["rewards"] == len(turns)
    assert ledger["teacher_shown"] == sum(
        len(p.split()) for p in {turn.episode: turn.prompt for turn in turns}.values()
    )
    if feedback == "reply":
        assert {turn.reward for turn in turns} <= {0.0, 0.5, 1.0}
        assert all(turn.reward == caregiver.reply_reward(turn.reply) for turn in turns)
        return
    for episode in {turn.episode for turn in turns}:
        group = [turn for turn in turns if turn.episode == episode]
        assert sum(turn.reward for turn in group) == pytest.approx(len(group) / 2), "what one wins another loses"
        better = [turn.reward for turn in group if turn.gold]
        worse = [turn.reward for turn in group if not turn.gold]
        assert not better or not worse or min(better) >= max(worse)


def test_an_answer_without_a_word_is_no_correction(tmp_path, monkeypatch):
    from babylm.interaction.teachers.grammar import Grammarian

    correct = Grammarian.correct
    monkeypatch.setattr(Grammarian, "correct", lambda self, *given: [None, *correct(self, *given)[1:]])
    folder = interact(make(tmp_path, "interaction.feedback=correction", "objective.name=dpo", "interaction.rounds=1"))
    turns = episodes.read(folder / "rounds/round_0001.jsonl")
    assert turns[0].meta["unusable"]
    assert not [turn for turn in turns[1:] if turn.speaker == "teacher" and (turn.episode, turn.sample) == (0, 0)]


def test_an_endless_correction_is_read_as_far_as_the_student_can(tmp_path):
    words = ["interaction.feedback=correction", "interaction.samples=1", "objective={name: supervised}"]
    words += ["interaction.teacher=endpoint", "interaction.endpoint.model=tiny", "interaction.rounds=1"]
    with Server(says("the dog " * 5000)) as server:
        folder = interact(make(tmp_path, *words, f"interaction.endpoint.url={server.url}"))
    turns = [turn for turn in episodes.read(folder / "rounds/round_0001.jsonl") if turn.speaker == "teacher"]
    assert {len(turn.prompt_ids) + len(turn.ids) for turn in turns} == {64}
    assert all(turn.text.startswith("the dog") and len(turn.text.split()) <= 64 for turn in turns)


# Settings


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["interaction.teacher=endpoint"], "interaction.endpoint.url: name the server's address"),
        (["interaction.teacher=endpoint", "interaction.endpoint.url=http://127.0.0.1:1/v1"], "endpoint.model: name"),
        (["interaction.endpoint.url=ftp://x/v1"], "endpoint.url: must be like"),
        (["interaction.endpoint.url=http://127.0.0.1:1/v1?key=1"], "endpoint.url: must be like"),
        ([f"interaction.endpoint.key_variable={KEY}"], "looks like an API key"),
        (["interaction.endpoint.key_variable=NOT_THERE_AT_ALL"], "NOT_THERE_AT_ALL: this .* is not set"),
        (["interaction.endpoint.url=http://127.0.0.1:99999/v1"], "endpoint.url: the port of 127.0.0.1:99999 must be"),
        (["interaction.endpoint.api=chatty"], "endpoint.api: .*chatty"),
        (["interaction.teacher=replay"], "interaction.teaching.replies: name the run"),
        (["interaction.teacher=replay", "interaction.teaching.replies=/nothing"], "there is no file /nothing"),
        (["interaction.teacher=person"], "stdin is no terminal"),
        (["interaction.feedback=judge", "interaction.samples=1"], "interaction.samples: feedback=judge compares"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_begins(tmp_path, overrides, message):
    if (
        any(word.startswith("interaction.endpoint.") for word in overrides)
        and "interaction.teacher=endpoint" not in overrides
    ):
        defaults = ["interaction.endpoint.url=http://127.0.0.1:1/v1", "interaction.endpoint.model=tiny"]
        overrides = ["interaction.teacher=endpoint", *defaults, *overrides]
        overrides = list({word.partition("=")[0]: word for word in overrides}.values())
    with pytest.raises(ValueError, match=message) as told:
        interact(make(tmp_path, *overrides))
    assert KEY not in str(told.value)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("{prompt}", "lacks {completion}"), ("{completion} {gold}", "unknown placeholder {gold}"), ("{", "brace that is")],
)
def test_instructions_are_checked(text, message):
    teaching = TeachingConfig()
    teaching.instructions.score = text
    with pytest.raises(ValueError, match=f"interaction.teaching.instructions.score: .*{message}"):
        check_teaching(teaching)


def test_a_text_with_braces_is_shown_as_it_is():
    with Server(says("x")) as server:
        teacher(server).correct(["a {completion}"], ["{0} }{"], 0)
        assert "Text: a {completion}\nContinuation: {0} }{" in server.requests[0][1]["messages"][0]["content"]


# A person, and rules


def test_a_person_is_asked_until_there_is_an_answer(tmp_path, capsys):
    lines = iter(["", "ten", "4", "9", "="])
    made = person.PersonTeacher(InteractionConfig(), lambda text: next(lines))
    made.open(tmp_path)
    assert made.score(PROMPTS, TEXTS, 0) == [4 / 9, 1.0]
    assert made.correct(["the dog"], ["sees it ."], 0) == ["sees it ."]
    assert "'ten' is no answer" in capsys.readouterr().err

    def leaves(text):
        raise EOFError

    left = person.PersonTeacher(InteractionConfig(), leaves)
    left.open(tmp_path)
    assert left.score(PROMPTS, TEXTS, 0) == [4 / 9, 1.0], "asked before"
    with pytest.raises(ValueError, match="the person has left; repeat the command"):
        left.score(["new"], ["text"], 0)


def test_ctrl_c_at_the_prompt_leaves_at_once(tmp_path):
    """A run in training takes the signal over, and would wait for a step that no one makes."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        left = person.PersonTeacher(InteractionConfig(), lambda text: signal.raise_signal(signal.SIGINT) or "5")
        left.open(tmp_path)
        taken_over = signal.getsignal(signal.SIGINT)
        with pytest.raises(ValueError, match="the person has left; repeat the command"):
            left.score(["new"], ["text"], 0)
        assert signal.getsignal(signal.SIGINT) is taken_over
    finally:
        signal.signal(signal.SIGINT, before)


BILLION = 10**9


@pytest.mark.parametrize(
    ("name", "parameters", "allowed_2025", "allowed_2026"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 8 * BILLION, True, True),
        ("Llama-3.2-1B-Instruct-Q4_K_M", None, True, True),
        ("Meta-Llama-3.1-8B-Instruct-AWQ", None, True, True),
        ("meta-llama/Llama-3.1-8B", 8 * BILLION, False, False),
        ("meta-llama/Llama-3.1-70B-Instruct", 70 * BILLION, False, False),
        ("gemma-3-270m", 268_000_000, True, True),
        ("gemma-3-270m", None, False, False),
        ("Qwen/Qwen2.5-7B-Instruct", None, False, True),
        ("Qwen/Qwen3-14B", None, False, False),
        ("Qwen/Qwen3.5-9B", 9 * BILLION, False, True),
        ("Qwen3-Next", None, False, False),
        ("gpt-5", None, False, False),
    ],
)
def test_the_rules_of_a_year_name_its_teachers(name, parameters, allowed_2025, allowed_2026):
    for rules, allowed in ((2025, allowed_2025), (2026, allowed_2026)):
        reason = approved(name, parameters, rules)
        assert (reason is None) == allowed, reason


def test_a_teacher_that_the_rules_do_not_name_is_warned_of(tmp_path, capsys, monkeypatch):
    with Server(says(graded)) as server:
        more = ["track=strict-small", "milestones=[]", "interaction.endpoint.model=gpt-5", "interaction.rounds=1"]
        config = make(tmp_path, *run_settings(server)[:-2], *more)
        monkeypatch.setattr("babylm.interaction.interact.pretrain", lambda *given: tmp_path)
        interact(config)
        assert "warning: interaction.teacher: the rules of 2026 do not name gpt-5" in capsys.readouterr().out
        config.interaction.teaching.inside_budget = True
        interact(config)
        assert "warning" not in capsys.readouterr().out


def test_no_teacher_has_a_call_for_distributions():
    offered = {name for name in vars(teachers.Teacher) if not name.startswith("_")}
    assert offered == {
        *("identity", "open", "begin_round", "usage", "asked_as", "offers"),
        *("complete", "correct", "reply", "score", "judge_pair"),
    }
    refusing = teachers.Teacher()
    for kind, call in {
        "correction": lambda: refusing.correct([], [], 0),
        "score": lambda: refusing.score([], [], 0),
        "reply": lambda: refusing.reply([], [], 0),
        "judge": lambda: refusing.judge_pair([], [], [], 0),
    }.items():
        with pytest.raises(ValueError, match=f"interaction.feedback={kind}: "):
            call()
    assert Question("score", "a b", "c").words == 3
    assert json.dumps(teachers.Identity("x").as_dict())
