"""Dialogues: the same seed says the same, every word is in the ledger, budgets and kills in the middle of a round."""

from __future__ import annotations

import json
import signal

import pytest

from babylm.config.interaction import InteractionConfig
from babylm.corpora import microlanguage
from babylm.interaction import environments, episodes, rewards
from babylm.interaction.environments.dialogue import LONGEST, Dialogue
from babylm.interaction.groups import Groups
from babylm.interaction.interact import interact
from babylm.interaction.ledger import Ledger, Room
from babylm.interaction.teachers.grammar import Grammarian
from babylm.runs import Run
from babylm.training.errors import RunStopped
from babylm.training.opening import identity
from tests.interaction.test_interact import make, weights
from tests.training.test_resume import stop_at

TALK = ("interaction.environment=dialogue", "interaction.turns=3", "interaction.prompts=4", "interaction.samples=2",
        "interaction.test_prompts=2", "corpus.toy.lines=6")  # fmt: skip


def talk(folder, *words):
    return interact(make(folder, *TALK, *words))


def rounds(folder, numbers=(1, 2)):
    return [turn for number in numbers for turn in episodes.read(folder / f"rounds/round_{number:04d}.jsonl")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return talk(tmp_path_factory.mktemp("whole"))


def test_openings_are_short_lines_and_a_function_of_the_seed():
    text = "a b\n\n" + "long " * (LONGEST + 1) + "\nwhat is it ?"
    made = Dialogue(2, lambda: [text])
    assert set(made.prompts(3, 20)) == {"a b\n", "what is it ?\n"}
    assert made.prompts(3, 20) == made.prompts(3, 20) != made.prompts(4, 20)
    with pytest.raises(ValueError, match=f"no line of the corpus has at most {LONGEST} words"):
        Dialogue(2, lambda: ["long " * 20 + "\n" + "long " * 20])
    with pytest.raises(ValueError, match=r"every document of the corpus is one line.*corpus.toy.lines=8"):
        Dialogue(2, lambda: ["a b", "c d\n"])


def test_student_and_teacher_speak_in_turn(whole):
    turns = rounds(whole, [1])
    assert len(turns) == 4 * 2 * 3
    by_place = {(turn.episode, turn.turn, turn.sample): turn for turn in turns}
    for (episode, number, sample), turn in by_place.items():
        assert turn.prompt.endswith("\n")
        assert len(turn.logp) == len(turn.entropy) == len(turn.ids) == len(turn.meta["reference_logp"])
        assert turn.reward == float(microlanguage.is_grammatical(turn.text))
        assert (turn.reply is None) == (sample == 1 or number == 2), "the dialogue goes on with the first"
        if number:
            before = by_place[episode, number - 1, 0]
            said = f"{' '.join(before.text.split())}\n{before.reply}\n"
            assert (before.prompt + said).endswith(turn.prompt), "the earliest lines are left out if there is no room"
            assert turn.prompt.endswith(said)
            assert before.meta["shown_words"] == len(before.reply.split())
        assert len(turn.prompt_ids) <= 64 - 8
    assert len({turn.seed for turn in turns}) == len(turns)


def test_a_line_of_the_file_says_who_said_what_and_how_many_words(whole):
    for line in (whole / "rounds/round_0001.jsonl").read_text().splitlines():
        turn = json.loads(line)
        assert turn["model"] == "new weights"
        assert turn["prompt_words"] == len(turn["prompt"].split())
        assert turn["student_words"] == len(turn["text"].split())
        assert turn["teacher_words"] == len((turn["reply"] or "").split())


def test_the_ledger_is_that_of_a_count_by_hand(whole):
    ledger, turns = json.loads((whole / "ledger.json").read_text()), rounds(whole)
    continued = {(turn.round, turn.episode, turn.turn - 1) for turn in turns if turn.turn}
    shown = [turn for turn in turns if turn.sample == 0 and (turn.round, turn.episode, turn.turn) in continued]
    assert ledger["generated"] == sum(len(turn.text.split()) for turn in turns)
    assert ledger["teacher_shown"] == sum(len(turn.reply.split()) for turn in shown) > 0, "openings are corpus text"
    assert ledger["episodes_read"] == sum(len(f"{turn.prompt} {turn.text}".split()) for turn in turns)
    assert ledger["rewards"] == len(turns) == 2 * 24
    assert Run(whole).plan["words"] == ledger["corpus_read"] + ledger["episodes_read"] + ledger["generated"]


def test_the_same_seed_says_the_same_and_another_does_not(whole, tmp_path):
    again, other = talk(tmp_path / "a"), talk(tmp_path / "b", "seed=2")
    assert weights(again) == weights(whole) != weights(other)
    assert (again / "rounds/round_0002.jsonl").read_bytes() == (whole / "rounds/round_0002.jsonl").read_bytes()


@pytest.mark.parametrize("feedback", ["reply", "correction", "judge", "random", "none"])
def test_each_feedback_talks_and_its_replay_is_the_same(tmp_path, feedback):
    words = [f"interaction.feedback={feedback}", "interaction.rounds=1"]
    run = talk(tmp_path, *words)
    turns = rounds(run, [1])
    students = [turn for turn in turns if turn.speaker == "student"]
    assert max(turn.turn for turn in turns) == 2
    assert {turn.feedback for turn in students} == {feedback}
    if feedback == "reply":
        assert all(turn.reply for turn in students), "the last ones, too: they are rewards"
        assert {turn.meta.get("shown_words") for turn in students if turn.turn == 2} == {None}
    if feedback == "correction":
        better = [turn for turn in turns if turn.speaker == "teacher"]
        assert {turn.turn for turn in better} == {0, 1, 2}
        assert all(microlanguage.is_grammatical(turn.text) for turn in better if len(turn.prompt_ids) < 48)
        ledger = json.loads((run / "ledger.json").read_text())
        replies = sum(turn.meta.get("shown_words", 0) for turn in students)
        assert ledger["teacher_shown"] == replies + sum(len(turn.text.split()) for turn in better)
    replay = ["interaction.teacher=replay", f"interaction.teaching.replies={run}", "name=again"]
    again = talk(tmp_path, *words, *replay)
    assert weights(again) == weights(run)
    for name in ("rounds/round_0001.jsonl", "ledger.json"):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name


def test_groups_are_completions_of_one_prompt(whole):
    turns = rounds(whole, [1])
    groups = Groups(turns, paired=False, passes=1, per_step=1, seed=0)
    assert groups.steps == 4 * 3
    for number in range(groups.steps):
        (group,) = groups.of_step(number)
        assert len({(turn.prompt, turn.turn) for turn in group}) == 1


def test_it_stops_at_the_budget_in_the_middle_of_a_round(tmp_path):
    run = Run(talk(tmp_path, "budget.words=1500", "interaction.rounds=50", "interaction.groups_per_step=2"))
    steps = -(-4 * 3 // 2) * 2
    assert run.plan["words"] <= 1500, "never more than the budget"
    assert run.plan["steps"] % steps, "not at the end of a round"


def test_no_more_new_words_are_shown_than_there_is_room_for(tmp_path, monkeypatch):
    room = Ledger.room
    limits = lambda self, *given: Room(room(self, *given).exposure, 9 - self.teacher_shown, 10**6)  # noqa: E731
    monkeypatch.setattr(Ledger, "room", limits)
    monkeypatch.setattr(Grammarian, "reply", lambda self, prompts, texts, seed: ["yes , it is ."] * len(prompts))
    run = talk(tmp_path, "interaction.rounds=1")
    turns = rounds(run, [1])
    assert sum(turn.meta.get("shown_words", 0) for turn in turns) == 5, "a second reply would be one word too many"
    assert [turn.episode for turn in turns if turn.turn == 1] == [0, 0]
    assert json.loads((run / "ledger.json").read_text())["teacher_shown"] == 5


@pytest.mark.parametrize("said", [None, " "])
def test_a_teacher_that_says_nothing_ends_the_dialogue(tmp_path, monkeypatch, said):
    monkeypatch.setattr(Grammarian, "reply", lambda self, prompts, texts, seed: [said, *["yes ."] * (len(prompts) - 1)])
    turns = rounds(talk(tmp_path, "interaction.rounds=1"), [1])
    assert [max(turn.turn for turn in turns if turn.episode == episode) for episode in range(4)] == [0, 1, 2, 2]


def test_an_endless_reply_is_read_as_far_as_the_student_can(tmp_path, monkeypatch):
    monkeypatch.setattr(Grammarian, "reply", lambda self, prompts, texts, seed: ["the dog " * 500] * len(prompts))
    run = talk(tmp_path, "interaction.rounds=1")
    later = [turn for turn in rounds(run, [1]) if turn.turn]
    assert {turn.turn for turn in later} == {1, 2}
    assert all(50 < len(turn.prompt_ids) <= 64 - 8 for turn in later)
    shown = json.loads((run / "ledger.json").read_text())["teacher_shown"]
    assert shown == sum(len(turn.prompt.split()) for turn in later if turn.sample == 0)


@pytest.mark.parametrize("step", [1, 5, 9])
def test_an_interrupted_dialogue_ends_at_the_same_weights(whole, tmp_path, monkeypatch, step):
    made = make(tmp_path, *TALK)
    with monkeypatch.context() as patch:
        stop_at(patch, step, signal.SIGTERM)
        with pytest.raises(RunStopped):
            interact(made)
    assert weights(interact(made)) == weights(whole)


class Killed(BaseException):
    """The process ends."""


def test_a_kill_between_two_turns_asks_nothing_twice(whole, tmp_path, monkeypatch):
    made, asked = make(tmp_path, *TALK), []
    receive, reply = rewards.receive, Grammarian.reply

    def killed(*given):
        asked.append("scored")
        if len(asked) == 2:
            raise Killed
        receive(*given)

    with monkeypatch.context() as patch:
        patch.setattr(rewards, "receive", killed)
        with pytest.raises(Killed):
            interact(made)
    assert not (tmp_path / "checkpoints/i/rounds/round_0001.jsonl").exists()
    calls = []
    monkeypatch.setattr(Grammarian, "reply", lambda self, *given: calls.append(1) or reply(self, *given))
    assert weights(interact(made)) == weights(whole)
    assert len(calls) == 2 * 2 - 1, "two replies a round, one of them was there"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("captions", "a task of one turn .*studies/respect.yaml"),
        ("reference", "a game of two players .*studies/coupling.yaml"),
        ("multiref", "a game of several turns .*studies/respect.yaml"),
    ],
)
def test_what_studies_play_is_told_with_its_study(name, message):
    with pytest.raises(ValueError, match=f"interaction.environment={name}: {message}"):
        environments.build(InteractionConfig(environment=name), list)


def test_files_of_older_runs_are_read(tmp_path):
    old = {"round": 1, "episode": 0, "sample": 0, "speaker": "student", "prompt": "a", "text": "b", "prompt_ids": [0],
           "ids": [1], "logp": [0.0], "entropy": [0.0], "reward": 1.0, "feedback": "reply", "gold": None,
           "meta": {"reply": "yes ."}}  # fmt: skip
    (tmp_path / "r.jsonl").write_text(json.dumps(old) + "\n")
    (turn,) = episodes.read(tmp_path / "r.jsonl")
    assert (turn.reply, turn.turn, turn.word_counts()["teacher_words"]) == ("yes .", 0, 2)


def test_runs_from_before_there_were_turns_are_continued(tmp_path):
    before = identity(make(tmp_path), "x", interaction=True)
    assert "interaction.turns" not in before
    assert "lines" not in before["corpus.toy"]
    assert identity(make(tmp_path, "interaction.turns=4"), "x", interaction=True)["interaction.turns"] == 4


def test_an_environment_without_prompts_is_refused_before_there_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(Dialogue, "prompts", environments.Environment.prompts)
    with pytest.raises(ValueError, match=r"environment=dialogue: has no method prompts\(seed, count\); write it"):
        talk(tmp_path)
    assert not (tmp_path / "checkpoints").exists()
