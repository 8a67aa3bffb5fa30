"""Reference games: deterministic by seed, legal actions alone, the same learning with gold hidden, feedback decoded."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path

import pytest
import torch

from babylm import api
from babylm.config.interaction import InteractionConfig
from babylm.interaction import environments, item_rollouts
from babylm.interaction.environments import _objects
from babylm.interaction.environments.multiref import MultiRef, toggles
from babylm.interaction.environments.reference import Reference
from babylm.interaction.feedback_decoder import FeedbackDecoder, everyday_exchange
from babylm.interaction.finetune import fine_tune
from babylm.interaction.game_students import learner, new_player, tuning
from babylm.interaction.games import SPECIAL, GameResults, demonstrate, play
from babylm.interaction.human_games import read_human_games
from babylm.interaction.sequence_rows import items_of
from babylm.studies._respect_arms import ARMS, judge
from tests.conftest import ROOT

GAMES = {
    "multiref": MultiRef(),
    "multiref of words": MultiRef(pictures=False),
    "listener": Reference("listener"),
    "speaker": Reference("speaker", pictures=False),
}
SHARED = Path(os.environ.get("BABYLM_SHARED_DATA", ROOT.parent / "shared" / "data"))


def player(game, seed=1):
    return new_player(game.words, seed, game.pictures, width=16, layers=1)


@pytest.mark.parametrize("name", GAMES)
def test_games_are_functions_of_their_seeds(name):
    game = GAMES[name]
    student = player(game)
    turns = play(game, student, [5, 6, 7], 1)
    assert turns == play(game, student, [5, 6, 7], 1)
    alone = play(game, student, [6], 1)
    assert [turn.text for turn in alone] == [turn.text for turn in turns if turn.episode == 1]
    assert turns != play(game, student, [8, 9, 10], 1)


def test_every_allowed_action_of_multiref_is_legal_and_no_other():
    game, generator = MultiRef(), random.Random(3)
    episode = game.reset(1)
    for _ in range(200):
        words = []
        while not words or words[-1] != ".":
            words.append(generator.choice(game.allowed(episode, words)))
        assert game.allowed(episode, words) == []
        assert len(words) <= game.longest_action
        named = [word for word in words if len(word) == 1 and word != "."]
        assert len(set(named)) == len(named)
        assert len(toggles(" ".join(words), episode.selected)) == len(named)  # every letter is a change
        episode.selected = set(generator.sample(range(10), generator.randint(0, 10)))
    episode.selected = {1, 3}
    assert game.allowed(episode, []) == ["deselect", "select"]
    assert game.allowed(episode, ["deselect"]) == ["B", "D"]
    assert game.allowed(episode, ["deselect", "B"]) == ["D", "select", "."]
    assert game.allowed(episode, ["select", "H"]) == ["I", "J", "."]
    episode.selected = set()
    assert game.allowed(episode, []) == ["select"]


def test_a_game_is_won_by_what_is_asked_for_and_gold_says_what_was_right():
    game = MultiRef()
    for seed in range(20):
        episode, outcome = game.reset(seed), None
        while outcome is None or not outcome.done:
            outcome = game.step(episode, game.demonstration(episode))
            assert outcome.gold == 1
            assert outcome.done or outcome.signal in ("praise", "moving_on", "silence")
        assert outcome.success
        assert episode.turns <= 5
    episode = game.reset(1)
    wrong = min(set(range(10)) - episode.targets)
    outcome = game.step(episode, f"select {_objects.LABELS[wrong]} .")
    assert outcome.gold == 0
    assert outcome.signal in ("correction", "rephrasing", "frustration", "giving_up", "silence")
    while not outcome.done:
        outcome = game.step(episode, ".")
    assert not outcome.success
    assert episode.turns <= 10


def test_descriptions_fit_their_object_and_no_other():
    generator = random.Random(1)
    for _ in range(100):
        items = _objects.draw_context(generator, 10, hard=True)
        words = _objects.describe(items[0], items[1:], generator)
        fitting = [kind for kind in items if all(_objects.fits(word, kind) for word in words)]
        assert fitting == [items[0]]


def test_sampled_actions_keep_to_the_grammar_and_log_probabilities_are_those_of_the_model():
    game = MultiRef()
    student = player(game)
    turns = play(game, student, [1, 2, 3], 1)
    read = student.log_probs(turns)
    for turn, completion in zip(turns, read, strict=True):
        assert turn.text.split()[-1] == "." or len(turn.ids) == game.longest_action
        torch.testing.assert_close(torch.tensor(turn.logp), torch.tensor(completion.logp), atol=1e-4, rtol=1e-4)
    assert len(items_of(turns)) == len(turns)
    only = student.ids(["A"])
    prompts = [turns[0].prompt_ids, turns[1].prompt_ids[:-2]]
    forced = item_rollouts.sample(
        student.model, prompts, max_new_tokens=2, ends=[], pad=2, seeds=[1, 2], items=items_of(turns[:2]),
        pictures=student.pictures, allowed=[lambda ids: only] * 2,
    )  # fmt: skip
    assert [completion.ids for completion in forced] == [only * 2] * 2


@pytest.mark.parametrize("name", ["filtered", "ternary", "reinforce", "kto", "random"])
def test_no_learner_reads_gold(name):
    game, arm = MultiRef(), ARMS[name]
    student = player(game)
    turns = play(game, student, [1, 2, 3, 4], 1)
    decoder = FeedbackDecoder(arm.feedback, examples=300) if arm.feedback != "random" else None
    weights = []
    for _ in range(2):
        judged = judge(turns, arm, decoder, 1)
        model = copy.deepcopy(student.model)
        groups, how = [[turn] for turn in judged], tuning(3, turns=8)
        objective = learner(arm.objective, **arm.settings)
        fine_tune(model, groups, objective, how, pad=SPECIAL["pad"], seed=1, pictures=student.pictures)
        weights.append(model.state_dict())
        for turn in turns:
            turn.gold = 1.0 - turn.gold
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    assert any(not torch.equal(value, weights[0][key]) for key, value in student.model.state_dict().items())


def test_the_oracle_does_read_it():
    turns = play(MultiRef(), player(MultiRef()), [1, 2, 3, 4], 1)
    before = [turn.reward for turn in judge(turns, ARMS["oracle"], None, 1)]
    for turn in turns:
        turn.gold = 1.0 - turn.gold
    assert [turn.reward for turn in judge(turns, ARMS["oracle"], None, 1)] == [-value for value in before]


def test_judged_turns_are_those_that_something_follows():
    turns = play(MultiRef(), player(MultiRef()), [1, 2, 3], 1)
    judged = judge(turns, ARMS["reinforce"], FeedbackDecoder("ternary", examples=300), 1)
    assert all(turn.meta["reply"] for turn in judged)
    assert {turn.reward for turn in judged} <= {1.0, 0.0, -0.1}
    assert len(judged) < len(turns)


def test_finetuning_learns_the_seed_games_and_demonstrations_have_rewards():
    game = Reference("listener", pictures=False, hard=False, plain=True)
    student = new_player(game.words, 1, False, width=32, layers=1)
    turns = demonstrate(game, student, range(100), imitate=False)
    assert {turn.reward for turn in turns} == {1.0}
    assert all(turn.logp[0] < 0 for turn in turns)
    groups, how = [[turn] for turn in turns[:16]], tuning(40, 5e-3, 16)
    losses = fine_tune(student.model, groups, learner("supervised"), how, pad=SPECIAL["pad"], seed=1)
    assert losses[-1] < 0.5 * losses[0]
    assert GameResults.of(play(game, student, range(16), 1)).right > 0.5


def test_feedback_is_decoded_from_words_it_was_not_trained_on():
    generator = random.Random(77)
    held_out = [everyday_exchange(generator) for _ in range(400)]
    binary, ternary = FeedbackDecoder("binary"), FeedbackDecoder("ternary")
    marks = ternary.decode([(exchange.request, exchange.follow_up) for exchange in held_out])
    assert sum(mark == exchange.feedback for mark, exchange in zip(marks, held_out, strict=True)) > 0.95 * 400
    exchanges = [
        ("get the red circle", "great now get the box"),
        ("get the red circle", "no the crimson one"),
        ("get the red circle", "come on the red circle"),
        ("get the red circle", "pick the azure wedge"),
        ("get the red circle", "I mean the red circle"),
    ]
    assert binary.decode(exchanges) == ternary.decode(exchanges) == [1, -1, -1, 1, -1]
    assert binary.decode([("get the red circle", "hm")]) == [-1]
    assert ternary.decode([("get the red circle", "hm")]) == [0]


def test_games_are_refused_where_single_turns_are_needed():
    for name in ("multiref", "reference", "captions"):
        with pytest.raises(ValueError, match="which is played in a study"):
            environments.build(InteractionConfig(environment=name), list)


def test_recorded_games(tmp_path):
    game = {
        "game": 3,
        "targets": ["a", "b"],
        "chat": ["the bird", "no undo", "the house", "good"],
        "clicks": [["c"], [], ["a"], ["a", "b"]],
    }
    file = tmp_path / "games.jsonl"
    file.write_text(json.dumps(game) + "\n")
    turns = read_human_games(file)
    assert [(turn.request, turn.right, turn.nearer, turn.kept) for turn in turns] == [
        ("the bird", False, False, False),
        ("no undo", True, True, True),
        ("the house", True, True, True),
    ]
    file.write_text(json.dumps({**game, "clicks": []}) + "\n")
    with pytest.raises(ValueError, match="line 1 has 4 messages and 0 clicks"):
        read_human_games(file)
    for key, value in (("targets", None), ("chat", "the bird"), ("clicks", ["c", "a", "b", "a"]), ("targets", [1])):
        file.write_text("\n" + json.dumps({**game, key: value}) + "\n")
        with pytest.raises(ValueError, match=f"line 2: {key} must be a list of"):
            read_human_games(file)


def test_recorded_games_have_names_of_their_own_and_turns(tmp_path):
    game = {"game": 3, "targets": ["a"], "chat": ["the bird", "good"], "clicks": [["a"], ["a"]]}
    file = tmp_path / "games.jsonl"
    for games, message in (
        ([game, game], "line 2: the game 3 was in line 1 already"),
        ([{**game, "game": None}], "game must be a name or a number"),
        ([{**game, "chat": ["the bird"], "clicks": [["a"]]}], "no game has a turn"),
    ):
        file.write_text("".join(json.dumps(each) + "\n" for each in games))
        with pytest.raises(ValueError, match=message):
            read_human_games(file)


def test_people_are_understood():
    file = SHARED / "interaction" / "respect" / "games_sep_12_24.jsonl"
    if not file.is_file():
        pytest.skip(f"the recorded games are not at {file}")
    turns = read_human_games(file)
    assert len(turns) == 1723
    marks = FeedbackDecoder("binary").decode([(turn.request, turn.follow_up) for turn in turns])
    good = [turn.right for turn, mark in zip(turns, marks, strict=True) if mark > 0]
    assert sum(good) / len(good) > 0.88


def test_special_tokens_are_those_of_the_tokenizer():
    student = player(MultiRef())
    assert student.ids(["never", "A"]) == [student.tokenizer.token_to_id("never"), student.tokenizer.token_to_id("A")]
    assert student.ids(["zebra"]) == [SPECIAL["unk"]]


@pytest.mark.parametrize(
    ("games", "message"), [("nowhere", "give the file"), ("{folder}", "give the file"), ("{file}", "games.jsonl")]
)
def test_games_that_cannot_be_read_are_told_before_a_piece_fails(tmp_path, games, message):
    (tmp_path / "games.jsonl").write_text("{}\n")
    games = games.format(folder=tmp_path, file=tmp_path / "games.jsonl")
    with pytest.raises(ValueError, match=message):
        api.study("configs/studies/human_feedback.yaml", f"games={games}", f"folder={tmp_path}/studies")
    assert not (tmp_path / "studies").exists()
