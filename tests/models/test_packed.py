"""The packed call: what a document gives does not depend on its neighbours, and a mixture is its parts."""

import pytest
import torch
import torch.nn.functional as F

from .variants import VARIANTS, network, packed_logits, tokens

ROWS, LENGTH = 4, 24
DOCUMENTS = torch.tensor([[0] * 24, [0] * 7 + [1] * 17, [0] * 5 + [1] * 9 + [2] * 10, [3] * 20 + [4] * 4]).int()
EVERYWHERE = torch.arange(ROWS * LENGTH)


def logits(model, batch, documents, bidirectional):
    return packed_logits(model, batch, documents, bidirectional).view(*batch.shape, -1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_packed_equals_alone(variant):
    model, batch = network(**VARIANTS[variant]), tokens(ROWS, LENGTH)
    bidirectional = torch.tensor([False, True, False, True])
    packed = logits(model, batch, DOCUMENTS, bidirectional)
    for row in range(ROWS):
        for document in DOCUMENTS[row].unique():
            mine = DOCUMENTS[row] == document
            alone = batch[row, mine][None]
            result = logits(model, alone, torch.zeros_like(alone), bidirectional[row : row + 1])
            torch.testing.assert_close(packed[row, mine], result[0], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_causal_rows_do_not_see_ahead_and_masked_rows_do(variant):
    model, batch = network(**VARIANTS[variant]), tokens(2, LENGTH)
    other = batch.clone()
    other[:, -1] = (other[:, -1] + 1) % 57 + 4
    documents, bidirectional = torch.zeros_like(batch), torch.tensor([False, True])
    difference = (logits(model, batch, documents, bidirectional) - logits(model, other, documents, bidirectional)).abs()
    assert difference[0, :-1].max() == 0
    assert difference[1, :-1].amax(-1).min() > 1e-4


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_is_cross_entropy_of_the_logits(variant):
    model, batch = network(**VARIANTS[variant]), tokens(ROWS, LENGTH)
    positions, targets = EVERYWHERE[::3], tokens(1, ROWS * LENGTH, seed=2)[0, ::3]
    bidirectional = torch.tensor([True, False, False, True])
    losses = model.token_losses(batch, DOCUMENTS, bidirectional, positions, targets)
    plain = packed_logits(model, batch, DOCUMENTS, bidirectional, positions)
    assert plain.dtype == losses.nll.dtype == losses.log_z.dtype == torch.float32
    torch.testing.assert_close(losses.nll, F.cross_entropy(plain, targets, reduction="none"))
    torch.testing.assert_close(losses.log_z, plain.logsumexp(-1))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_weight_gets_a_gradient(variant):
    model, batch = network(**VARIANTS[variant]).train(), tokens(ROWS, LENGTH)
    losses = model.token_losses(batch, DOCUMENTS, torch.tensor([True, False, False, True]), EVERYWHERE, batch.flatten())
    (losses.nll.sum() + 1e-2 * losses.log_z.square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_bfloat16_is_close():
    model, batch = network(), tokens(ROWS, LENGTH)
    arguments = (batch, DOCUMENTS, torch.tensor([True, False, False, True]), EVERYWHERE, batch.flatten())
    exact = model.token_losses(*arguments).nll
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model.token_losses(*arguments).nll
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.25
    assert abs(rough.mean() - exact.mean()) < 0.02


def test_dropout_follows_the_seed_and_stops_in_evaluation():
    model, batch = network(dropout=0.3).train(), tokens(ROWS, LENGTH)
    arguments = (batch, DOCUMENTS, torch.zeros(ROWS, dtype=torch.bool), EVERYWHERE, batch.flatten())
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(model.token_losses(*arguments).nll)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    model.eval()
    assert torch.equal(model.token_losses(*arguments).nll, model.token_losses(*arguments).nll)


def test_starts_as_the_plain_transformer():
    """Gates, value residual, x0 skip and layer connections change nothing before the first step."""
    from babylm.models.modeling_babylm import BabyLMForCausalLM

    from .variants import config

    plain = {"attention_gate": "none", "value_residual": False, "x0_skip": False}
    reference = BabyLMForCausalLM(config(**plain)).eval()
    batch = tokens(2, LENGTH)
    expected = reference(input_ids=batch).logits
    for changes in (
        {},
        {"layer_connections": "unet"},
        {"layer_connections": "denseformer", "attention_gate": "elementwise"},
    ):
        model = BabyLMForCausalLM(config(**changes)).eval()
        model.load_state_dict(reference.state_dict(), strict=False)
        torch.testing.assert_close(model(input_ids=batch).logits, expected)


def test_compiled_training_is_the_same_and_evaluation_stays_eager():
    """Traced for real, without the minutes of generating code; dropout draws the same numbers."""
    model, batch = network(dropout=0.2, num_hidden_layers=2).train(), tokens(ROWS, LENGTH)
    arguments = (batch, DOCUMENTS, torch.tensor([True, False, False, True]), EVERYWHERE, batch.flatten())
    names = list(model.state_dict())

    def gradients():
        torch.manual_seed(3)
        model.zero_grad()
        losses = model.token_losses(*arguments)
        (losses.nll.sum() + 1e-2 * losses.log_z.square().sum()).backward()
        return [losses.nll.detach(), *(parameter.grad for parameter in model.parameters())]

    eager = gradients()
    model.compile(backend="aot_eager")
    torch.testing.assert_close(gradients(), eager, atol=1e-4, rtol=1e-3)
    assert list(model.state_dict()) == names
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    packed_logits(model.eval(), batch[:1], DOCUMENTS[:1], torch.tensor([False]), EVERYWHERE[:3])
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before
