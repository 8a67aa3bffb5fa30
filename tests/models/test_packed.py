"""The packed call: what a document gives does not depend on its neighbours, and a mixture is its parts."""

import pytest
import torch
import torch.nn.functional as F

from .variants import VARIANTS, network, tokens

ROWS, LENGTH = 4, 24
DOCUMENTS = torch.tensor([[0] * 24, [0] * 7 + [1] * 17, [0] * 5 + [1] * 9 + [2] * 10, [3] * 20 + [4] * 4]).int()
EVERYWHERE = torch.arange(ROWS * LENGTH)


def logits(model, batch, documents, bidirectional):
    at = torch.arange(batch.numel())
    return model(batch, documents, bidirectional, at).view(*batch.shape, -1)


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


def test_no_modes_given_means_causal():
    model, batch = network(), tokens(ROWS, LENGTH)
    some = torch.arange(0, ROWS * LENGTH, 5)
    explicit = model(batch, DOCUMENTS, torch.zeros(ROWS, dtype=torch.bool), some)
    assert torch.equal(model(batch, DOCUMENTS, at=some), explicit)


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_is_cross_entropy_of_the_logits(variant):
    model, batch = network(**VARIANTS[variant]), tokens(ROWS, LENGTH)
    at, targets = EVERYWHERE[::3], tokens(1, ROWS * LENGTH, seed=2)[0, ::3]
    bidirectional = torch.tensor([True, False, False, True])
    scored = model(batch, DOCUMENTS, bidirectional, at, targets)
    plain = model(batch, DOCUMENTS, bidirectional, at)
    assert plain.dtype == scored.nll.dtype == scored.log_z.dtype == torch.float32
    torch.testing.assert_close(scored.nll, F.cross_entropy(plain, targets, reduction="none"))
    torch.testing.assert_close(scored.log_z, plain.logsumexp(-1))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_weight_gets_a_gradient(variant):
    model, batch = network(**VARIANTS[variant]).train(), tokens(ROWS, LENGTH)
    scored = model(batch, DOCUMENTS, torch.tensor([True, False, False, True]), EVERYWHERE, batch.flatten())
    (scored.nll.sum() + 1e-2 * scored.log_z.square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_bfloat16_is_close():
    model, batch = network(), tokens(ROWS, LENGTH)
    arguments = (batch, DOCUMENTS, torch.tensor([True, False, False, True]), EVERYWHERE, batch.flatten())
    exact = model(*arguments).nll
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(*arguments).nll
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.25
    assert abs(rough.mean() - exact.mean()) < 0.02


def test_dropout_follows_the_seed_and_stops_in_evaluation():
    model, batch = network(dropout=0.3).train(), tokens(ROWS, LENGTH)
    arguments = (batch, DOCUMENTS, torch.zeros(ROWS, dtype=torch.bool), EVERYWHERE, batch.flatten())
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(model(*arguments).nll)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    model.eval()
    assert torch.equal(model(*arguments).nll, model(*arguments).nll)


def test_starts_as_the_plain_transformer():
    """Gates, value residual, input skip and connections over depth change nothing before the first step."""
    from babylm.models.modeling_babylm import BabyLMForCausalLM

    from .variants import config

    plain = {"attention_gate": "none", "value_residual": False, "input_skip": False}
    reference = BabyLMForCausalLM(config(**plain)).eval()
    batch = tokens(2, LENGTH)
    expected = reference(input_ids=batch).logits
    for changes in ({}, {"depth": "unet"}, {"depth": "average", "attention_gate": "element"}):
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
        scored = model(*arguments)
        (scored.nll.sum() + 1e-2 * scored.log_z.square().sum()).backward()
        return [scored.nll.detach(), *(parameter.grad for parameter in model.parameters())]

    eager = gradients()
    model.compile(backend="aot_eager")
    torch.testing.assert_close(gradients(), eager, atol=1e-4, rtol=1e-3)
    assert list(model.state_dict()) == names
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    model.eval()(batch[:1], DOCUMENTS[:1], None, EVERYWHERE[:3])
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before
