"""PPO: closed forms on a small table, the bandit, and a value head that is saved, resumed to the bit, not exported."""

from __future__ import annotations

import math
import signal

import pytest
import torch

from babylm import objectives
from babylm.batches.feed import TokenBatch
from babylm.interaction import episodes
from babylm.interaction.interact import interact
from babylm.objectives import SpecialTokens
from babylm.objectives.ppo import advantages
from babylm.training.errors import RunStopped
from tests import small
from tests.interaction.test_interact import make, weights
from tests.training.runs import digest, state
from tests.training.test_resume import stop_at

SPECIAL = SpecialTokens(bos=0, pad=1, mask=2, vocab_size=5, first_ordinary_id=3)


class Policy:
    """Arms 3 and 4 after any prompt, by their logits; the hidden state is one number, 1."""

    def __init__(self, *logits: float) -> None:
        self.logits = torch.nn.Parameter(torch.tensor(logits))
        self.config = type("Shape", (), {"hidden_size": 1})

    def parameters(self):
        return iter([self.logits])

    def target_states(self, input_ids, document_ids, bidirectional, target_positions):
        return torch.ones(len(target_positions), 1)

    def state_logits(self, states):
        return torch.cat([torch.full((3,), -30.0), self.logits]).expand(len(states), 5)

    def state_losses(self, states, targets):
        logp = self.state_logits(states).log_softmax(-1).gather(1, targets[:, None])[:, 0]
        return type("Losses", (), {"nll": -logp, "log_z": torch.zeros(len(targets))})


def rows(completions, reward, behaviour, values, reference=None):
    """One row per completion after a BOS; the last arguments are values per token."""
    length = 1 + max(map(len, completions))
    batch = TokenBatch(
        torch.full((len(completions), length), SPECIAL.pad),
        torch.zeros(len(completions), length).int(),
        torch.zeros(len(completions), length).byte(),
        divisor=1.0,
    )
    names = ("reward", "behaviour_logp", "reference_logp", "behaviour_value")
    extra = {name: torch.zeros(len(completions), length) for name in names}
    ids = torch.full((len(completions), length), -1)
    for row, completion in enumerate(completions):
        end = 1 + len(completion)
        batch.tokens[row, 0], batch.tokens[row, 1:end] = SPECIAL.bos, torch.tensor(completion)
        ids[row, 1:end] = row
        extra["reward"][row, 1:end] = reward[row]
        extra["behaviour_logp"][row, 1:end] = torch.tensor(behaviour[row])
        extra["reference_logp"][row, 1:end] = torch.tensor((reference or behaviour)[row])
        extra["behaviour_value"][row, 1:end] = torch.tensor(values[row])
    batch.extra = {**extra, "sequence_ids": ids, "group_ids": torch.where(ids >= 0, 0, -1)}
    return batch


def build(model, **settings):
    made = objectives.build(small.objective_settings("ppo", **settings), SPECIAL)
    made.prepare(model)
    return made


def loss(objective, model, batch):
    return objective.loss(model, objective.corrupt(batch, torch.zeros(0), 0.0))


def test_surrogate_values_and_entropy_in_closed_form():
    model = Policy(0.5, -0.5)
    objective = build(
        model, epsilon=0.2, gae_lambda=0.5, beta=0.1, value_weight=0.4, value_clip=0.05, entropy_weight=0.3
    )
    torch.nn.init.constant_(objective.module.bias, 0.3)
    behaviour, reference, values = [[-0.4, -1.0], [-0.9]], [[-0.5, -0.7], [-0.9]], [[0.2, 0.6], [0.1]]
    found = loss(objective, model, rows([[3, 4], [4]], [1.0, -1.0], behaviour, values, reference))
    z = math.log(math.exp(0.5) + math.exp(-0.5))
    logp = {3: 0.5 - z, 4: -0.5 - z}
    entropy = -sum(value * math.exp(value) for value in logp.values())

    def token(arm, old_logp, old_value, advantage):
        ratio = math.exp(logp[arm] - old_logp)
        surrogate = -min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage)
        target = old_value + advantage
        near = old_value + min(max(0.3 - old_value, -0.05), 0.05)
        return surrogate + 0.2 * max((0.3 - target) ** 2, (near - target) ** 2) - 0.3 * entropy

    # Row 0: rewards -0.1 * (log-ratio) and 1 at the end; GAE with lambda 0.5.
    last = 1.0 - 0.1 * (-1.0 + 0.7) - 0.6
    first = -0.1 * (-0.4 + 0.5) + 0.6 - 0.2 + 0.5 * last
    expected = (token(3, -0.4, 0.2, first) + token(4, -1.0, 0.6, last)) / 2 + token(4, -0.9, 0.1, -1.1)
    assert float(found.total) == pytest.approx(expected, rel=1e-5)
    assert float(found.metrics["entropy"][0] / found.metrics["entropy"][1]) == pytest.approx(entropy, rel=1e-5)


def test_rows_with_several_sequences_keep_their_advantages_apart():
    values = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5]])
    rewards, ids = torch.tensor([[0.0, 1.0, 7.0, 0.0, 2.0]]), torch.tensor([[0, 0, -1, 1, 1]])
    found = advantages(values, rewards, ids, 0.9)
    assert found[0, 1].item() == pytest.approx(0.8)
    assert found[0, 0].item() == pytest.approx(0.1 + 0.9 * 0.8)
    assert found[0, 2].item() == 0
    assert found[0, 3].item() == pytest.approx(0.1 + 0.9 * 1.5)


def test_a_two_armed_bandit_improves_and_the_values_learn_the_reward():
    torch.manual_seed(0)
    model = Policy(-1.0, 1.0)  # the bad arm is the likelier one
    objective = build(model, value_weight=1.0, value_clip=0.0)
    optimizer = torch.optim.SGD([model.logits, *objective.module.parameters()], lr=0.3)
    for _ in range(80):
        behaviour = model.logits.detach().log_softmax(0)
        arms = torch.multinomial(behaviour.exp(), 16, replacement=True)
        reward = torch.where(arms == 0, 1.0, -1.0).tolist()
        logp = [[value] for value in behaviour[arms].tolist()]
        batch = rows([[3 + arm] for arm in arms.tolist()], reward, logp, [[0.0]] * 16)
        batch.extra["behaviour_value"] = objective.behaviour_values(model, batch)
        optimizer.zero_grad()
        (loss(objective, model, batch).total / 16).backward()
        optimizer.step()
    assert model.logits.softmax(0)[0].item() > 0.9
    assert objective.behaviour_values(model, batch)[0, 1].item() > 0.5
    head = list(objective.module.parameters())
    objective.restart(model)
    assert [id(p) for p in objective.module.parameters()] == [id(p) for p in head], "the optimizer keeps its parameters"
    assert not any(p.abs().max() for p in head)
    assert {name for name, _ in objective.named_parameters()} == {"objective.weight", "objective.bias"}


def test_the_value_head_is_resumed_to_the_bit_and_not_exported(tmp_path, monkeypatch):
    settings = (
        "objective.name=ppo",
        "objective.entropy_weight=0.01",
        "interaction.feedback=random",
        "optimizer.name=adamw",
        "optimizer.lr=0.003",
    )
    whole = interact(make(tmp_path / "whole", *settings))
    kept = state(whole)["objective"]["module"]
    assert set(kept) == {"weight", "bias"}
    assert kept["weight"].abs().max() > 0, "it is trained"
    config = make(tmp_path / "stopped", *settings)
    with monkeypatch.context() as patch:
        stop_at(patch, 3, signal.SIGTERM)
        with pytest.raises(RunStopped):
            interact(config)
    resumed = interact(config)
    assert weights(resumed) == weights(whole)
    assert digest(state(resumed)["objective"]) == digest(state(whole)["objective"])
    assert digest(state(resumed)["optimizer"]) == digest(state(whole)["optimizer"])
    turns = episodes.read(whole / "rounds" / "round_0002.jsonl")
    assert all(len(turn.meta["values"]) == len(turn.ids) for turn in turns)
    assert any(value for turn in turns for value in turn.meta["values"])
