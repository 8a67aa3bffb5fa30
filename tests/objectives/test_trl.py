"""Our losses and TRL's on the same tensors, in value and gradient; skipped without TRL (tried with 1.16.0).

TRL's trainers compute their losses in methods that take a model; they are given one whose log-probabilities are a
tensor. What TRL does not have (PPO since it left the library, sigma-RRHF) is held by closed forms alone.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from babylm import objectives
from babylm.batches.feed import TokenBatch
from babylm.objectives import SpecialTokens
from babylm.objectives.grpo import group_advantage
from babylm.objectives.reinforce import leave_one_out
from tests import small

trl = pytest.importorskip("trl", reason="TRL is not installed: its losses cannot be compared with ours")
SPECIAL = SpecialTokens(bos=0, pad=1, mask=2, vocab_size=20, first_ordinary_id=3)
ROWS, LENGTH = 6, 8


class Accelerator:
    """One process."""

    device, num_processes, sync_gradients = torch.device("cpu"), 1, True

    def gather(self, value):
        return value if value.ndim else value[None]

    gather_for_metrics = gather

    def reduce(self, value, reduction="sum"):
        return value


def trainer(**attributes):
    """A trainer's attributes without a trainer."""
    shared = {
        "model": SimpleNamespace(training=True),
        "accelerator": Accelerator(),
        "_metrics": defaultdict(lambda: defaultdict(list)),
        "aux_loss_enabled": False,
        "precompute_ref_logps": True,
        "_total_train_tokens": 0,
        "_tp_size": 1,
        "current_gradient_accumulation_steps": 1,
    }
    return SimpleNamespace(**{**shared, **attributes})


class Samples:
    """Six completions, best and worst of three prompts, with log-probabilities per token."""

    def __init__(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.logp = -2 * torch.rand(ROWS, LENGTH, generator=generator)
        self.old, self.reference = (self.logp + 0.3 * torch.randn(ROWS, LENGTH, generator=generator) for _ in range(2))
        lengths = torch.tensor([3, 8, 5, 4, 6, 7])
        self.mask = (torch.arange(LENGTH) < lengths[:, None]).float()
        self.reward = torch.tensor([1.0, 0.5, 2.0, -1.0, -0.5, 0.0])
        self.group = torch.tensor([0, 1, 2, 0, 1, 2])
        self.logp.requires_grad_()

    def batch(self, **extra):
        """The same as rows: a BOS, then the completion."""
        inside = torch.cat([torch.zeros(ROWS, 1), self.mask], 1) > 0

        def field(values):
            values = values if values.ndim == 2 else values[:, None].expand(ROWS, LENGTH)
            return torch.where(inside, torch.cat([torch.zeros(ROWS, 1), values], 1), 0.0)

        rows = torch.arange(ROWS)[:, None].expand(ROWS, LENGTH + 1)
        fields = {
            "sequence_ids": torch.where(inside, rows, -1),
            "group_ids": torch.where(inside, self.group[:, None], -1),
            "reward": field(self.reward),
            "behaviour_logp": field(self.old),
            "reference_logp": field(self.reference),
            **{name: field(values) for name, values in extra.items()},
        }
        tokens = torch.full((ROWS, LENGTH + 1), 5)
        return TokenBatch(tokens, torch.zeros_like(tokens).int(), torch.zeros_like(tokens).byte(), extra=fields)

    def ours(self, name, batch=None, **settings):
        """Our loss, the mean per item, and its gradient by token."""
        objective = objectives.build(small.objective_settings(name, **settings), SPECIAL)
        objective.prepare(Model(self.logp))
        corrupted = objective.corrupt(batch or self.batch(), torch.zeros(0), 0.0)
        loss = objective.loss(Model(self.logp), corrupted)
        value = loss.total / loss.metrics["sequence"][1]
        return value.detach(), torch.autograd.grad(value, self.logp)[0]

    def theirs(self, value):
        return value.detach(), torch.autograd.grad(value, self.logp)[0]

    def outputs(self, *_, **__):
        """What TRL's model returns with ``fused_lm_head``."""
        zeros = torch.zeros(ROWS, LENGTH)
        log_probs = self.logp * self.mask
        return SimpleNamespace(log_probs=log_probs, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())

    @property
    def ids(self):
        """(input ids, completion mask) of rows with one token of prompt."""
        return torch.full((ROWS, LENGTH + 1), 5), torch.cat([torch.zeros(ROWS, 1), self.mask], 1).long()

    def sums(self, values):
        return (values * self.mask).sum(1)


class Model:
    """A model whose log-probabilities are given; hidden states are of no use."""

    def __init__(self, logp):
        self.logp, self.config = logp, SimpleNamespace(hidden_size=1)

    def parameters(self):
        return iter([self.logp])

    def token_losses(self, input_ids, document_ids, bidirectional, target_positions, targets):
        return self.state_losses(self.target_states(input_ids, document_ids, bidirectional, target_positions), targets)

    def target_states(self, input_ids, document_ids, bidirectional, target_positions):
        """The position of each token, of which the first of a row predicts that of ``logp``."""
        return target_positions[:, None].float()

    def state_losses(self, states, targets):
        row, column = states[:, 0].long() // (LENGTH + 1), states[:, 0].long() % (LENGTH + 1)
        return SimpleNamespace(nll=-self.logp[row, column], log_z=torch.zeros(len(targets)))


def assert_equal(ours, theirs):
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-6)


def test_dpo():
    samples = Samples()
    input_ids, mask = samples.ids
    reference = samples.sums(samples.reference)
    fake = trainer(
        ld_alpha=None, f_divergence_type="reverse_kl", loss_types=["sigmoid"], loss_weights=[1.0], beta=0.3,
        use_weighting=False, label_smoothing=0.0,
    )  # fmt: skip
    inputs = {
        "input_ids": input_ids,
        "attention_mask": torch.ones_like(input_ids),
        "completion_mask": mask,
        "ref_chosen_logps": reference[:3],
        "ref_rejected_logps": reference[3:],
    }
    theirs = trl.DPOTrainer._compute_loss(fake, samples.outputs, inputs, False)
    assert_equal(samples.ours("dpo", beta=0.3), samples.theirs(theirs))


def test_simpo_and_orpo():
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    samples = Samples()
    mean = samples.sums(samples.logp) / samples.mask.sum(1)
    fake = trainer(alpha=0.0, loss_type="simpo", simpo_gamma=0.7, beta=2.0, label_smoothing=0.0)
    theirs = CPOTrainer.cpo_loss(fake, mean[:3], mean[3:])[0].mean()
    assert_equal(samples.ours("simpo", beta=2.0, gamma=0.7), samples.theirs(theirs))
    mean = samples.sums(samples.logp) / samples.mask.sum(1)
    odds = ORPOTrainer.odds_ratio_loss(trainer(beta=0.4), mean[:3], mean[3:])[0]
    theirs = (-mean[:3] - odds).mean()  # its likelihood term is averaged over the tokens of the batch; ours by sequence
    assert_equal(samples.ours("orpo", beta=0.4), samples.theirs(theirs))


def test_kto():
    samples = Samples()
    input_ids, mask = samples.ids
    ratio = samples.sums(samples.logp.detach()) - samples.sums(samples.reference)
    fake = trainer(
        beta=0.5, loss_type="kto", calculate_KL=True, desirable_weight=1.0, undesirable_weight=2.0,
        _compute_kl_logps=lambda model, batch: ratio,  # its mismatched pairs: here the batch's, as ours
    )  # fmt: skip
    samples.reward = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0, 1.0])
    inputs = {
        "input_ids": input_ids,
        "attention_mask": torch.ones_like(input_ids),
        "completion_mask": mask,
        "label": samples.reward > 0,
        "ref_logps": samples.sums(samples.reference),
        "ref_KL_logps": torch.zeros(ROWS),
    }
    theirs = trl.KTOTrainer._compute_loss(fake, samples.outputs, inputs, False)
    assert_equal(samples.ours("kto", beta=0.5, undesirable_weight=2.0), samples.theirs(theirs))


def policy_inputs(samples, advantages):
    input_ids, _ = samples.ids
    return {
        "prompt_ids": input_ids[:, :1],
        "prompt_mask": torch.ones(ROWS, 1),
        "completion_ids": input_ids[:, 1:],
        "completion_mask": samples.mask,
        "advantages": advantages,
        "old_per_token_logps": samples.old,
        "ref_per_token_logps": samples.reference,
        "old_logps": samples.sums(samples.old),
    }


def policy_trainer(samples, **settings):
    args = SimpleNamespace(use_bias_correction_kl=False, delta=None)
    shared = {
        "top_entropy_quantile": 1.0, "off_policy_mask_threshold": None, "use_vllm": False, "loss_type": "grpo",
        "epsilon_low": 0.2, "epsilon_high": 0.2, "args": args, "_entropy_bonus_enabled": False,
        "_get_per_token_logps_and_entropies": lambda *_, **__: (samples.logp, torch.zeros(ROWS, LENGTH), None),
    }  # fmt: skip
    return trainer(**{**shared, **settings})


@pytest.mark.parametrize("scaled", [True, False])
def test_grpo_with_k3_and_ratios_of_sequences(scaled):
    samples = Samples()
    sequences = SimpleNamespace(reward=samples.reward, group=samples.group)
    advantages = group_advantage(sequences, scaled)
    by_group = samples.reward.view(2, 3).T  # TRL's rewards are (groups, samples)
    deviation = by_group.std(1, keepdim=True) + 1e-4 if scaled else 1.0
    expected = ((by_group - by_group.mean(1, keepdim=True)) / deviation).T.flatten()
    torch.testing.assert_close(advantages, expected)
    fake = policy_trainer(samples, beta=0.05, importance_sampling_level="sequence")
    theirs = trl.GRPOTrainer._compute_loss(fake, None, policy_inputs(samples, advantages))
    assert_equal(samples.ours("grpo", beta=0.05, scale_rewards=scaled), samples.theirs(theirs))


def test_rloo_on_its_own_samples():
    """TRL's ratio has the gradient of the log-probability where the policy is the one that sampled."""
    samples = Samples()
    samples.old = samples.logp.detach()
    sequences = SimpleNamespace(reward=samples.reward, group=samples.group)
    advantages = samples.reward - leave_one_out(sequences)
    theirs = trl.RLOOTrainer._compute_loss(policy_trainer(samples), None, policy_inputs(samples, advantages))
    ours = samples.ours("reinforce", baseline="leave_one_out")
    torch.testing.assert_close(ours[1], samples.theirs(theirs)[1])


def test_the_surrogate_of_ppo_is_that_of_grpo_with_an_advantage_per_token():
    samples = Samples()
    values = torch.rand(ROWS, LENGTH, generator=torch.Generator().manual_seed(7))
    ours = samples.ours("ppo", batch=samples.batch(behaviour_value=values), value_weight=0.0, gae_lambda=1.0)
    advantages = (samples.reward[:, None] - values) * samples.mask
    fake = policy_trainer(samples, beta=0.0, importance_sampling_level="token")
    theirs = trl.GRPOTrainer._compute_loss(fake, None, policy_inputs(samples, advantages))
    assert_equal(ours, samples.theirs(theirs))
