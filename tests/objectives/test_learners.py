"""Learners over sequences: closed forms on small tables, and gradients that vanish or improve as they should."""

from __future__ import annotations

import math

import pytest
import torch

from babylm import objectives
from babylm.batches.feed import TokenBatch
from babylm.objectives import SpecialTokens
from babylm.objectives._sequences import FIELDS, Sequences, collect, pairs_of
from tests import small

SPECIAL = SpecialTokens(bos=0, pad=1, mask=2, vocab_size=20, first_ordinary_id=3)
LEARNERS = ("supervised", "dpo", "simpo", "orpo", "kto", "rrhf", "reinforce", "grpo")


def build(name, **settings):
    return objectives.build(small.objective_settings(name, **settings), SPECIAL)


def table(**changes):
    """Two groups: one of two sequences, one of three."""
    values = {
        "logp": [-2.0, -3.0, -1.0, -4.0, -6.0],
        "length": [2.0, 3.0, 1.0, 2.0, 3.0],
        "group": [0, 0, 1, 1, 1],
        "reward": [1.0, -1.0, 0.5, 1.0, -1.0],
        "behaviour_logp": [-2.5, -3.0, -1.0, -3.0, -6.5],
        "reference_logp": [-2.2, -2.5, -1.5, -4.5, -5.0],
        **changes,
    }
    return Sequences(**{name: torch.tensor(value) for name, value in values.items()})


def log_sigmoid(x):
    return -math.log1p(math.exp(-x))


def test_pairs_are_the_best_and_the_worst_of_each_group():
    pairs = pairs_of(table())
    assert (pairs.chosen.tolist(), pairs.rejected.tolist()) == ([0, 3], [1, 4])
    assert len(pairs_of(table(reward=[1.0] * 5)).chosen) == 0


def test_dpo_simpo_and_orpo_in_closed_form():
    dpo, metrics = build("dpo", beta=0.5).sequence_loss(table())
    ratio = [-2 + 2.2, -3 + 2.5, -4 + 4.5, -6 + 5]
    expected = [-log_sigmoid(0.5 * (ratio[0] - ratio[1])), -log_sigmoid(0.5 * (ratio[2] - ratio[3]))]
    assert dpo.tolist() == pytest.approx(expected)
    assert metrics["accuracy"].tolist() == [1, 1]
    simpo, _ = build("simpo", beta=2.0, gamma=1.0).sequence_loss(table())
    assert simpo.tolist() == pytest.approx([-log_sigmoid(2 * (-1 + 1) - 1), -log_sigmoid(2 * (-2 + 2) - 1)])
    orpo, _ = build("orpo", beta=0.3).sequence_loss(table(logp=[-2.0, -6.0, -1.0, -4.0, -9.0]))

    def odds(mean):
        return mean - math.log1p(-math.exp(mean))

    expected = [1 - 0.3 * log_sigmoid(odds(-1) - odds(-2)), 2 - 0.3 * log_sigmoid(odds(-2) - odds(-3))]
    assert orpo.tolist() == pytest.approx(expected, rel=1e-5)


def test_kto_reinforce_and_supervised_in_closed_form():
    kto, metrics = build("kto", beta=0.5, undesirable_weight=2.0).sequence_loss(
        table(reward=[1.0, -1.0, 0.0, 1.0, -1.0])
    )
    ratio = [0.2, -0.5, 0.5, 0.5, -1.0]
    z = max(0.0, sum(ratio) / 5)
    assert metrics["kl"].tolist() == pytest.approx([z], abs=1e-6)
    sigmoid = torch.sigmoid
    good = [1 - float(sigmoid(torch.tensor(0.5 * (ratio[i] - z)))) for i in (0, 3)]
    bad = [2 * (1 - float(sigmoid(torch.tensor(-0.5 * (ratio[i] - z))))) for i in (1, 4)]
    assert kto.tolist() == pytest.approx([good[0], bad[0], good[1], bad[1]], rel=1e-5)
    plain, _ = build("reinforce").sequence_loss(table())
    assert plain.tolist() == pytest.approx([2.0, -3.0, 0.5, 4.0, -6.0])
    weighted, _ = build("reinforce", importance="negative").sequence_loss(table())
    assert weighted.tolist() == pytest.approx([2.0, -3.0, 0.5, 4.0, -6.0 * math.exp(0.5)])
    respect = build("reinforce", importance="negative", negative_reward=-0.1, length_normalized=True)
    weights = [1, 1, 1, 1, 0.1 * math.exp(0.5)]
    expected = [2 / 2, -0.1 * 3 / 3, 0.5 * 1 / 1, 4 / 2, -weights[4] * 6 / 3]
    assert respect.sequence_loss(table())[0].tolist() == pytest.approx(expected), "ReSpect: -c r logp / length"
    far = table(behaviour_logp=[-2.5, -9.0, -1.0, -3.0, -16.5])
    assert respect.sequence_loss(far)[0][4].item() == pytest.approx(-0.1 * 5 * 2), "the ratio is at most 5"
    left_out, _ = build("reinforce", baseline="leave_one_out").sequence_loss(table())
    advantages = [2.0, -2.0, 0.5, 1.25, -1.75]
    expected = [-a * logp for a, logp in zip(advantages, table().logp.tolist(), strict=True)]
    assert left_out.tolist() == pytest.approx(expected)
    supervised, _ = build("supervised", minimum_reward=0.75).sequence_loss(table())
    assert supervised.tolist() == pytest.approx([1.0, 2.0])


def test_grpo_and_rrhf_in_closed_form():
    k3 = [0.3, 0.1, 0.2, 0.5, 0.7]
    grpo, _ = build("grpo", epsilon=0.2, beta=0.1).sequence_loss(table(k3=k3))
    rewards = torch.tensor([0.5, 1.0, -1.0])
    advantages = [1 / math.sqrt(2), -1 / math.sqrt(2), *((rewards - rewards.mean()) / rewards.std()).tolist()]
    expected = []
    for index, advantage in enumerate(advantages):
        length = table().length[index].item()
        ratio = math.exp((table().logp[index] - table().behaviour_logp[index]).item() / length)
        clipped = min(max(ratio, 0.8), 1.2)
        expected.append(-min(ratio * advantage, clipped * advantage) + 0.1 * k3[index] / length)
    assert grpo.tolist() == pytest.approx(expected, abs=2e-3)  # the deviation is never zero: + 1e-4
    plain, _ = build("grpo", scale_rewards=False).sequence_loss(table(behaviour_logp=table().logp.tolist()))
    assert plain.tolist() == pytest.approx([-1, 1, *(-(rewards - rewards.mean())).tolist()])
    rrhf, _ = build("rrhf", rank_weight=0.1).sequence_loss(table())
    mean = [-1.0, -1.0, -1.0, -2.0, -2.0]
    sigmoid = torch.sigmoid(torch.tensor([2.0, 0.5, 1.5, 2.0])).tolist()
    first = 0.1 * sigmoid[0] * (mean[1] - mean[0]) + 1
    second = 0.1 * (sigmoid[1] * (mean[2] - mean[3]) + sigmoid[2] * (mean[4] - mean[2]) + sigmoid[3] * 0) + 2
    assert rrhf.tolist() == pytest.approx([first, second], rel=1e-5)
    assert build("rrhf", anchor=False).sequence_loss(table())[0][0] == pytest.approx(first - 1, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reward", [1.0, 5 / 9, -2.1137])
@pytest.mark.parametrize(("name", "settings"), [("grpo", {}), ("reinforce", {"baseline": "leave_one_out"})])
def test_equal_rewards_of_a_group_have_no_gradient(name, settings, reward, dtype):
    logp = torch.tensor([-2.0, -3.0, -1.0, -4.0, -6.0, -5.0], requires_grad=True)
    sequences = table(reward=[reward] * 6, group=[0, 0, 0, 1, 1, 1])._replace(logp=logp, behaviour_logp=logp.detach())
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        value, _ = build(name, **settings).sequence_loss(sequences._replace(length=torch.ones(6)))
    value.sum().backward()
    assert logp.grad.abs().max() == 0


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_computes_the_same_under_autocast(name):
    sequences = table(reward=[0.501, 0.5, -2.11, -2.12, -2.13])
    expected, _ = build(name).sequence_loss(sequences)
    with torch.autocast("cpu", torch.bfloat16):
        assert build(name).sequence_loss(sequences)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["dpo", "simpo", "orpo", "kto", "rrhf", "reinforce", "grpo", "supervised"])
def test_a_two_armed_bandit_improves_under_every_learner(name):
    """Arm 0 pays 1, arm 1 pays -1; sampled in groups, learnt with a few steps on the logits."""
    torch.manual_seed(0)
    logits = torch.nn.Parameter(torch.tensor([-1.0, 1.0]))  # the bad arm is the likelier one
    reference = logits.detach().log_softmax(0)
    learner, optimizer = build(name), torch.optim.SGD([logits], lr=8.0 if name == "kto" else 0.5)
    before = float(logits.softmax(0)[0])
    for _ in range(60):
        behaviour = logits.detach().log_softmax(0)
        arms = torch.multinomial(behaviour.exp(), 16, replacement=True)
        sequences = Sequences(
            logp=logits.log_softmax(0)[arms],
            length=torch.ones(16),
            group=torch.arange(4).repeat_interleave(4),
            reward=torch.where(arms == 0, 1.0, -1.0),
            behaviour_logp=behaviour[arms],
            reference_logp=reference[arms],
        )
        value, _ = learner.sequence_loss(sequences)
        if len(value):
            optimizer.zero_grad()
            value.mean().backward()
            optimizer.step()
    assert float(logits.softmax(0)[0]) > max(0.5, before + 0.2)


def sequence_batch(rows=4, length=10):
    """Rows with a prompt of three tokens and a completion; two rows make a group."""
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(3, 20, (rows, length), generator=generator)
    tokens[:, 0] = SPECIAL.bos
    ids = torch.full((rows, length), -1)
    for row in range(rows):
        ids[row, 4 : 7 + row % 3] = row
    inside = ids >= 0
    extra = {
        "sequence_ids": ids,
        "group_ids": torch.where(inside, ids // 2, -1),
        "reward": torch.where(inside, (1.0 - 2 * (ids % 2)).float(), 0.0),
        "behaviour_logp": torch.where(inside, -1.5, 0.0),
        "reference_logp": torch.where(inside, -1.2, 0.0),
    }
    zeros = torch.zeros(rows, length)
    return TokenBatch(tokens, zeros.int(), zeros.byte(), extra=extra, divisor=2.0)


class Table:
    """A model whose log-probabilities depend on the position and the target alone."""

    def token_losses(self, input_ids, document_ids, bidirectional, target_positions, targets):
        nll = 1 + 0.1 * (target_positions % 10 % 7) + 0.01 * targets
        return type("Losses", (), {"nll": nll.float(), "log_z": torch.zeros(len(targets))})


@pytest.mark.parametrize("name", LEARNERS)
def test_rows_become_sequences_and_groups_may_be_cut_between(name):
    batch, learner = sequence_batch(), build(name, lm_weight=0.2)
    corrupted = learner.corrupt(batch, torch.zeros(4, 3, 10), 0.0)
    assert corrupted.target_positions.tolist() == [3, 4, 5, 13, 14, 15, 16, 23, 24, 25, 26, 27, 33, 34, 35]
    whole = learner.loss(Table(), corrupted)
    parts = [
        learner.loss(Table(), learner.corrupt(batch[cut], torch.zeros(2, 3, 10), 0.0))
        for cut in (slice(0, 2), slice(2, 4))
    ]
    if name != "kto":  # whose reference point is that of a batch
        assert float(whole.total) == pytest.approx(float(sum(part.total for part in parts)), rel=1e-5)
    # By hand: the first sequence is tokens 4 to 6 of row 0, predicted from positions 3 to 5.
    expected = sum(1 + 0.1 * (position % 10 % 7) + 0.01 * int(batch.tokens[0, position + 1]) for position in (3, 4, 5))
    sequences = collect(
        corrupted, -Table().token_losses(None, None, None, corrupted.target_positions, corrupted.targets).nll
    )
    assert float(sequences.logp[0]) == pytest.approx(-expected, rel=1e-5)
    assert sequences.length.tolist() == [3, 4, 5, 3]
    assert sequences.group.tolist() == [0, 0, 1, 1]
    ratio = [-1.2 + 1 + 0.1 * (p % 10 % 7) + 0.01 * int(batch.tokens[0, p + 1]) for p in (3, 4, 5)]
    assert float(sequences.k3[0]) == pytest.approx(sum(math.exp(r) - r - 1 for r in ratio), rel=1e-4)
    assert sequences.behaviour_logp.tolist() == pytest.approx([-4.5, -6, -7.5, -4.5])


@pytest.mark.parametrize("name", LEARNERS)
def test_corpus_rows_are_read_as_language(name):
    """Without sequences a batch is what the hybrid objective makes of it."""
    from tests.objectives.test_objectives import make_batch, network

    batch = make_batch()
    special = SpecialTokens(bos=0, pad=1, mask=2, vocab_size=300, first_ordinary_id=5)
    learner = objectives.build(small.objective_settings(name), special)
    hybrid = objectives.build(small.objective_settings("hybrid"), special)
    uniforms = hybrid.draw_uniforms(*batch.shape, torch.Generator().manual_seed(1))
    one, other = (made.loss(network, made.corrupt(batch, uniforms, 0.3)) for made in (learner, hybrid))
    assert float(one.total) == float(other.total)
    assert one.metrics.keys() == {"loss", "z", "causal", "masked"}
    assert set(FIELDS).isdisjoint(batch.extra)


@pytest.mark.parametrize(
    ("name", "settings", "rewards", "why"),
    [
        ("grpo", {}, [[1.0, 1.0], [0.0, 0.0]], "none have different rewards"),
        ("dpo", {}, [[1.0], [0.0]], "none have different rewards"),
        ("supervised", {}, [[-2.0, -1.5]], "no reward is above -1.5, and objective.minimum_reward=0.5 is needed"),
        ("kto", {"neutral_reward": 0.5}, [[0.5, 0.0]], "no reward is above objective.neutral_reward=0.5"),
        ("reinforce", {}, [[-2.0, 0.0]], "no reward is above 0"),
        ("reinforce", {"baseline": "leave_one_out"}, [[-2.0, -2.0]], "none have different rewards"),
        ("reinforce", {"baseline": "leave_one_out"}, [[-2.0, -1.0]], None),
        ("grpo", {}, [[1.0, 1.0], [0.0, 1.0]], None),
        ("supervised", {}, [[0.0, 0.5]], None),
        ("kto", {"neutral_reward": 0.5}, [[0.5, 0.6]], None),
        ("ppo", {}, [[-1.0, -2.0]], None),
    ],
)
def test_rewards_that_teach_nothing_are_known(name, settings, rewards, why):
    reason = small.objective_settings(name, **settings).teaches_nothing(rewards)
    assert reason is None if why is None else why in reason


def test_kto_counts_sequences_below_its_neutral_reward_as_bad():
    of_zero_to_one, _ = build("kto", neutral_reward=0.5).sequence_loss(table(reward=[1.0, 0.0, 0.5, 0.6, 0.4]))
    of_signs, _ = build("kto").sequence_loss(table(reward=[1.0, -1.0, 0.0, 1.0, -1.0]))
    assert of_zero_to_one.tolist() == of_signs.tolist()
    assert small.objective_settings("kto").for_interaction().neutral_reward == 0.5
    assert small.objective_settings("kto", neutral_reward=0.0).for_interaction().neutral_reward == 0.0
