"""The plain loop over sequences: reproducible, learns what it is shown, and leaves other groups alone."""

from __future__ import annotations

import copy

import pytest
import torch

from babylm import objectives
from babylm.interaction.finetune import FineTuning, add_reference, demonstration, fine_tune, sample_groups
from babylm.interaction.sequence_rows import record_values, sequence_rows
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import SpecialTokens
from tests import small

SPECIAL = SpecialTokens(bos=0, pad=2, mask=3, vocab_size=20, first_ordinary_id=4)


def new_model(dropout=0.1):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    ids = {"bos_token_id": 0, "pad_token_id": 2, "mask_token_id": 3, "eos_token_id": 1}
    return BabyLMForCausalLM(BabyLMConfig(vocab_size=20, dropout=dropout, initializer="scaled", **shape, **ids)).eval()


def copies():
    """Prompts of one token, to be repeated twice and ended."""
    return [[demonstration([0, token], [token, token, 1])] for token in range(4, 20)]


def supervised():
    return objectives.build(small.objective_settings("supervised"), SPECIAL)


def test_it_learns_to_copy_and_the_same_seed_gives_the_same_weights():
    made = []
    for seed in (1, 1, 2):
        model = new_model()
        losses = fine_tune(
            model,
            copies(),
            supervised(),
            FineTuning(60, groups_per_step=8, lr=1e-2, schedule="constant"),
            pad=2,
            seed=seed,
        )
        assert losses[-1] < 0.3 * losses[0]
        assert not model.training
        made.append(model.state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert any(not torch.equal(made[0][name], made[2][name]) for name in made[0])


def test_every_group_is_read_once_before_one_is_read_again():
    from babylm.interaction.finetune import _order

    order = _order(5, 10, seed=1)
    assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
    assert order[:5] != order[5:10]


def test_a_group_that_is_there_twice_is_learnt_from_twice():
    """At the end of an epoch and the beginning of the next one, or where there are fewer groups than a step reads."""
    model, (group, *_) = new_model(dropout=0.0), copies()
    losses = []
    for groups in ([group], [group, group], [[*group, *group]]):
        batch = sequence_rows(groups, pad=2, step=0, divisor=float(len(groups)), packed=True)
        objective = supervised()
        total = objective.loss(model, objective.corrupt(batch, torch.zeros(0), 0.0)).total
        losses.append(float(total.detach()) / len(groups))
    assert losses[1] == pytest.approx(losses[0])
    assert losses[2] == pytest.approx(losses[0]), "a turn that fills up its group is not learnt from again"


def test_preferences_move_against_the_reference_and_log_probabilities_are_those_of_the_model():
    model = new_model(dropout=0.0)
    groups = sample_groups(model, [[0, 5], [0, 6]], samples=6, ends={1}, pad=2, max_new_tokens=6, seed=3)
    again = sample_groups(model, [[0, 5], [0, 6]], samples=6, ends={1}, pad=2, max_new_tokens=6, seed=3, rows=5)
    assert [[t.ids for t in group] for group in groups] == [[t.ids for t in group] for group in again]
    add_reference(model, groups, 2)
    for turn in (turn for group in groups for turn in group):
        assert turn.meta["reference_logp"] == pytest.approx(turn.logp, abs=1e-4)
        turn.reward = float(turn.ids.count(7)) - 0.01 * turn.sample
    dpo = objectives.build(small.objective_settings("dpo", beta=1.0), SPECIAL)
    tuned = copy.deepcopy(model)
    losses = fine_tune(tuned, groups, dpo, FineTuning(20, groups_per_step=2, lr=3e-3), pad=2, seed=1)
    assert losses[0] == pytest.approx(0.6931, abs=1e-3), "log 2: the student is the reference"
    assert losses[-1] < 0.4
    equal = [[copy.copy(turn) for turn in group] for group in groups]
    for turn in (turn for group in equal for turn in group):
        turn.reward = 1.0
    unmoved = copy.deepcopy(model)
    fine_tune(unmoved, equal, dpo, FineTuning(3, groups_per_step=2, lr=1e-2), pad=2, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(unmoved.parameters(), model.parameters(), strict=True)), "no pairs"


def test_without_groups_it_says_so():
    with pytest.raises(ValueError, match="no group of sequences"):
        fine_tune(new_model(), [], supervised(), FineTuning(1), pad=2, seed=1)


def test_learning_in_bf16_keeps_the_weights_in_fp32_and_follows_fp32():
    losses, weights = {}, {}
    for precision in ("fp32", "bf16"):
        model = new_model(dropout=0.0)
        how = FineTuning(30, groups_per_step=8, lr=1e-2, schedule="constant", precision=precision)
        losses[precision] = fine_tune(model, copies(), supervised(), how, pad=2, seed=1)
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        weights[precision] = model.model.embedding.weight
    assert losses["bf16"] == pytest.approx(losses["fp32"], abs=0.05)
    assert not torch.equal(weights["bf16"], weights["fp32"]), "bf16 was not used"


@pytest.mark.parametrize("name", ["supervised", "dpo", "grpo", "ppo"])
def test_sequences_that_share_rows_are_learnt_from_as_alone(name):
    model = new_model(dropout=0.0)
    prompts = [[0], [0, 5, 6, 7, 8], [0, 4, 4]]
    groups = sample_groups(model, prompts, samples=5, ends={1}, pad=2, max_new_tokens=14, seed=3)
    groups.append([demonstration([], [9, 8, 7, 1]), demonstration([], [9, 1], reward=-1.0)])  # without a prompt
    turns = [turn for group in groups for turn in group]
    add_reference(new_model(), groups[:3], 2)
    for number, turn in enumerate(turns):
        turn.reward = float(number % 3) - 1
        turn.logp = [value + 0.1 for value in turn.logp]
    objective = objectives.build(small.objective_settings(name), SPECIAL)
    objective.prepare(model)
    record_values(objective, model, turns, 2)
    losses, gradients, shapes = [], [], []
    for packed in (False, True):
        batch = sequence_rows(groups, pad=2, step=0, divisor=4.0, packed=packed)
        loss = objective.loss(model, objective.corrupt(batch, torch.zeros(0), 0.0)).total
        losses.append(loss.item())
        weights = [parameter for _, parameter in model.named_parameters() if parameter.requires_grad]
        gradients.append(torch.autograd.grad(loss, weights, allow_unused=True))
        shapes.append(batch.tokens.shape)
    assert shapes[1][0] < shapes[0][0] == len(turns)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for alone, shared in zip(*gradients, strict=True):
        if alone is not None:
            torch.testing.assert_close(shared, alone, rtol=1e-4, atol=1e-6)
