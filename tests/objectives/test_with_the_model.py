"""Objectives over the real network: a row's loss is its own, and what is masked or in another document is not seen."""

import pytest
import torch

from babylm import objectives
from babylm.batches.feed import TokenBatch
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from tests import small
from tests.objectives.test_objectives import SPECIAL, asked, make_batch


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    ids = {"bos_token_id": SPECIAL.bos, "pad_token_id": SPECIAL.pad, "mask_token_id": SPECIAL.mask, "eos_token_id": 3}
    return BabyLMForCausalLM(BabyLMConfig(vocab_size=SPECIAL.vocab_size, **shape, **ids)).eval()


def corrupted(objective, batch):
    noise = objective.draw_uniforms(len(batch.tokens), batch.tokens.shape[1], torch.Generator().manual_seed(3))
    return objective.corrupt(batch, noise, 0.2), noise


@pytest.mark.parametrize("reading", ["mntp", "mlm"])
def test_batches_add_up_in_value_and_gradient(network, reading):
    objective = objectives.build(
        small.objective_settings("hybrid", masked_prediction=reading, causal_ratio=0.4), SPECIAL
    )
    batch = make_batch(10, 64, first_row=20)
    example, noise = corrupted(objective, batch)
    network.zero_grad()
    whole = objective.loss(network, example).total
    whole.backward()
    expected = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    total = 0.0
    for cut in (slice(0, 3), slice(3, 4), slice(4, 10)):
        part = TokenBatch(
            batch.tokens[cut], batch.document_ids[cut], batch.words[cut], first_row=batch.first_row + cut.start
        )
        loss = objective.loss(network, objective.corrupt(part, noise[cut], 0.2)).total
        loss.backward()
        total += float(loss.detach())
    assert total == pytest.approx(float(whole.detach()), rel=1e-5)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-4)


def test_a_target_sees_its_own_document_only_and_never_itself(network):
    objective = objectives.build(small.objective_settings("hybrid", keep=0.0, random=0.0, z_loss=0.0), SPECIAL)
    batch = make_batch(6, 64)
    example, _ = corrupted(objective, batch)

    def losses(tokens):
        with torch.no_grad():
            found = network.token_losses(
                tokens, example.document_ids, example.bidirectional, example.target_positions, example.targets
            )
        real = example.weights > 0
        return found.nll[real]

    before = losses(example.tokens)
    changed = 0
    for index, (row, at, _, masked) in list(enumerate(asked(example, 64)))[::7]:
        place = at + 1
        document = batch.document_ids[row, place]
        outside = batch.document_ids[row] != document
        if not masked:
            outside = outside | (torch.arange(64) >= place)
        else:
            assert example.tokens[row, place] == SPECIAL.mask
        tokens = example.tokens.clone()
        tokens[row, outside] = (tokens[row, outside] + 17) % SPECIAL.vocab_size
        changed += int(outside.sum())
        assert torch.allclose(losses(tokens)[index], before[index], atol=1e-5)
    assert changed > 100


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: it asks that corruption never waits for one")
@pytest.mark.parametrize("name", ["causal", "masked", "hybrid"])
@pytest.mark.parametrize("whole_words", [False, True])
def test_corruption_does_not_wait_for_the_gpu_and_equals_the_cpu(name, whole_words):
    objective = objectives.build(
        small.objective_settings(name, **({} if name == "causal" else {"whole_words": whole_words})), SPECIAL
    )
    batch = make_batch(8, 64)
    expected, noise = corrupted(objective, batch)
    moved = TokenBatch(batch.tokens.cuda(), batch.document_ids.cuda(), batch.words.cuda(), first_row=batch.first_row)
    noise = noise.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = objective.corrupt(moved, noise, 0.2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(found.tokens.cpu(), expected.tokens)
    assert sorted(asked(found, 64)) == sorted(asked(expected, 64))
