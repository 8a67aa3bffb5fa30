"""The studies of reference games: joint inference by hand, sharing, clipping, and both in miniature."""

from __future__ import annotations

import json

import pytest
import torch

from babylm import study
from babylm.config.studies import load_study
from babylm.interaction import reference_roles as roles
from babylm.interaction.environments.reference import Reference
from babylm.interaction.game_students import learner, new_player, retrained, tuning
from babylm.objectives._sequences import Sequences
from babylm.studies import _respect_arms, _respect_tables, coupling, human_feedback, respect
from babylm.studies._game_ledger import GameLedger
from babylm.studies.experiment import Measurement, Measurements
from babylm.studies.statistics import bootstrap_mean
from tests.conftest import ROOT

CONFIGS = ROOT / "configs" / "studies"


def probabilities(rows, columns, seed):
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_joint_listener_is_the_table(weight):
    listener, speaker = probabilities(3, 4, 1), probabilities(3, 4, 2)
    joint = roles.joint_listener(listener, speaker, weight).exp()
    for game in range(3):
        products = [
            float(listener[game, item].exp()) ** weight * float(speaker[game, item].exp()) ** (1 - weight)
            for item in range(4)
        ]
        expected = torch.tensor([product / sum(products) for product in products])
        torch.testing.assert_close(joint[game], expected)
    torch.testing.assert_close(roles.joint_listener(listener, speaker, 1.0), listener)


def test_joint_speaker_at_its_limits():
    speaker, listener = torch.tensor([[-1.0, -2.0, -3.0]]), torch.tensor([[-3.0, -2.0, -0.5]])
    assert roles.joint_speaker(speaker, listener, 1.0).item() == 0
    assert roles.joint_speaker(speaker, listener, 0.0).item() == 2


def test_importance_weights_are_one_for_wins_and_clipped_for_losses():
    objective = learner("reinforce", importance="negative", importance_clip=5.0)
    logp = torch.tensor([-1.0, -1.0, -1.0], requires_grad=True)
    reward, old = torch.tensor([1.0, -1.0, -1.0]), torch.tensor([-9.0, -9.0, -2.0])
    ones, groups = torch.ones(3), torch.arange(3)
    losses, _ = objective.sequence_loss(Sequences(logp, ones, groups, reward, old, old))
    losses.sum().backward()
    torch.testing.assert_close(logp.grad, torch.tensor([-1.0, 5.0, 1.0]).mul(torch.tensor([1.0, 1.0, torch.e])))


def student():
    return new_player(Reference.words, 1, False, width=16, layers=1)


def test_only_won_games_cross_between_the_roles():
    player = student()
    heard = roles.listen(player, list(range(40)), 1, True, False)
    said = roles.speak(player, list(range(40)), 1, True, False)
    won = [turn for turn in (*heard, *said) if turn.reward > 0]
    assert 0 < len(won) < 80
    assert roles.learning_turns([*heard, *said], share=False) == [*heard, *said]
    crossed = roles.learning_turns([*heard, *said], share=True)[80:]
    assert len(crossed) == len(won)
    for turn, shared in zip(won, crossed, strict=True):
        assert shared.reward == 1
        assert shared.prompt.endswith("listener") != turn.prompt.endswith("listener")  # the other role
    assert crossed[0].text == won[0].meta["utterance"]


def test_listening_alone_is_the_model_and_joint_listening_asks_the_speaker():
    player, game = student(), Reference("listener", pictures=False)
    plain = roles.listen(player, [1, 2, 3], 1, False, False)
    turns = [player.turn(game, game.reset(seed), round=1, episode=0, sample=0) for seed in (1, 2, 3)]
    expected = roles.label_log_probs(player, turns)
    torch.testing.assert_close(torch.tensor([turn.logp[0] for turn in plain]), expected.amax(-1))
    joint = roles.listen(player, [1, 2, 3], 1, True, False)
    assert [turn.logp for turn in joint] != [turn.logp for turn in plain]
    assert all(turn.reward in (1.0, -1.0) for turn in joint)
    learnt = retrained(player, learner("reinforce", importance="negative"), joint, tuning(2, turns=4), 1)
    assert any(not torch.equal(a, b) for a, b in zip(learnt.model.parameters(), player.model.parameters(), strict=True))


def test_arms_of_coupling_can_be_chosen():
    words = ["scale=large", "arms=[full,baseline]"]
    settings = load_study(CONFIGS / "coupling.yaml", words)
    assert [each.name for each in coupling.conditions(settings)] == ["full", "baseline"]
    assert len(coupling.conditions(load_study(CONFIGS / "coupling.yaml", words[:1]))) == len(coupling.ARMS)
    with pytest.raises(ValueError, match="arms: full is there twice"):
        load_study(CONFIGS / "coupling.yaml", ["arms=[full,full]"])


def test_language_of_identical_and_of_different_utterances():
    same = coupling.language(["red ball", "blue box"], ["blue box", "red ball"])
    assert (same["overlap"], same["divergence"], same["vocabulary"], same["length"]) == (1.0, 0.0, 4.0, 2.0)


@pytest.mark.parametrize("name", ["respect", "coupling"])
def test_in_miniature_and_again(name, tmp_path, monkeypatch, capsys):
    tiny = _respect_arms.Scale(1, 6, 2, 2, 2, ("filtered", "random", "oracle", "control"))
    monkeypatch.setitem(_respect_arms.SCALES, "smoke", tiny)
    monkeypatch.setitem(coupling.SCALES, "smoke", coupling.Scale(2, 6, 2, 2))
    words = [str(CONFIGS / f"{name}.yaml"), "scale=smoke", "seeds=[1]"]
    tables = []
    for folder in ("a", "b"):
        assert study.main([*words, f"folder={tmp_path / folder}"]) == 0
        tables.append((tmp_path / folder / name / "measurements.csv").read_text())
        coupling.base_player.cache_clear()
        respect._base_player.cache_clear()
    assert tables[0] == tables[1]
    shown = capsys.readouterr().out
    assert "Gates, fixed before the run: " in shown
    assert "neither a gate nor a difference between conditions is decided" in shown, "one seed"
    folder = tmp_path / "a" / name
    assert (folder / "figure.png").stat().st_size > 5000
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary["tables"]) >= ({"completion", "contrasts", "decoder"} if name == "respect" else {"language"})
    assert {"ledger", "gates"} <= set(summary["tables"])
    assert {row[-1] for row in summary["tables"]["gates"]["rows"]} <= {"met", "missed"}
    for file in folder.glob("scratch/*/ledger.json"):
        ledger = json.loads(file.read_text())
        assert ledger["read"] == ledger["base_read"] + ledger["episodes_read"] + ledger["generated"]
        assert ledger["unique"] == ledger["corpus"] + ledger["teacher_shown"]
        assert min(ledger[key] for key in ("base_read", "episodes_read", "generated", "generation_flops")) > 0
        if name == "respect":
            lines = [line for part in file.parent.glob("round_*.jsonl") for line in part.read_text().splitlines()]
            turns = [json.loads(line) for line in lines]
            assert ledger["generated"] == sum(len(turn["text"].split()) for turn in turns)
            judged = sum("decoded" in turn["meta"] for turn in turns)
            assert ledger["rewards"] == (0 if file.parent.name.startswith("control") else judged)
    if name == "respect":
        pairs = [frozenset(row[:2]) for row in summary["tables"]["contrasts"]["rows"]]
        assert len(set(pairs)) == len(pairs), "no contrast twice"
        assert any(row[0] == "filtered: turns per game fall" for row in summary["tables"]["gates"]["rows"])
        (file,) = folder.glob("scratch/filtered*/round_00.jsonl")
        turn = json.loads(file.read_text().splitlines()[0])
        assert {"round", "episode", "prompt_ids", "ids", "logp", "entropy", "reward", "gold", "meta"} <= set(turn)


def test_the_ledger_of_learning_is_a_hand_count():
    player = student()
    turns = roles.listen(player, [1, 2], 1, False, False)
    learnt = retrained(player, learner("reinforce"), turns, tuning(6, turns=1), 1)
    words = sum(len(turn.prompt.split()) + len(turn.text.split()) for turn in turns)
    assert (learnt.words_unique, learnt.words_read) == (words, 3 * words)
    ledger = GameLedger(player)
    ledger.shown([turn.meta["utterance"] for turn in turns])
    ledger.played(turns, 2)
    for _ in range(2):  # each retraining begins from the base, and adds to the exposure
        ledger.learnt(learnt)
    assert ledger.counts.teacher_shown == sum(len(turn.meta["utterance"].split()) for turn in turns)
    assert (ledger.counts.generated, ledger.counts.rewards, ledger.counts.episodes_read) == (2, 2, 6 * words)
    assert ledger.counts.learning_flops == pytest.approx(2 * 6 / 2 * 3 * ledger.counts.generation_flops)


def test_the_interval_of_a_gain_has_the_chance_of_both_rounds():
    """Of one seed: a share of 100 games has a standard error of 5 points, the difference of two one of 7.1."""
    won = {0: [game % 2 for game in range(100)], 1: [game < 50 for game in range(100)]}
    rows = [
        Measurement("filtered", 1, f"{number}:{game}", "success", float(value))
        for number, values in won.items()
        for game, value in enumerate(values)
    ]
    interval = bootstrap_mean(100 * _respect_tables._gain(Measurements(rows), "filtered", 1))
    assert interval.estimate == 0
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 7.1, rel=0.1)


def test_games_whose_names_have_colons_are_games_of_their_own():
    rows = []
    for game in ("pair:1", "pair:2", "pair:3"):
        for turn in range(4):
            for measure, value in (
                ("decoded", 1.0),
                *((truth, float(game != "pair:3")) for truth in human_feedback.TRUTHS),
            ):
                rows.append(Measurement("binary", 0, f"{game}:{turn}", measure, value))
    summary = human_feedback.summarise(Measurements(rows), None)
    assert "of 3 recorded games" in summary.title
    assert not summary.remarks
    again = [*rows, *(row._replace(seed=1) for row in rows)]
    assert "decoders of seed 0" in human_feedback.summarise(Measurements(again), None).remarks[0]
    assert summary.tables["precision"].rows[0][4] == "0.0 to 100.0", "whole games are resampled"
