"""Gradient checkpointing saves memory and changes nothing: loss and gradients to the bit.

(In the older, reentrant form to rounding: it adds up gradients in another order.)
"""

import pytest
import torch

from .variants import VARIANTS, network, tokens

# transformers 5.24 renames these methods and warns of the older names, which are those of every supported version.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*is deprecated:FutureWarning")


def gradients(model, packed):
    torch.manual_seed(3)  # dropout
    batch = tokens(2, 12)
    if packed:
        documents = torch.tensor([[0] * 5 + [1] * 7, [0] * 12])
        everywhere = torch.arange(24)
        both = torch.tensor([False, True])
        loss = model.token_losses(batch, documents, both, everywhere, batch.flatten().roll(-1)).nll.mean()
    else:
        loss = model(input_ids=batch, labels=batch).loss
    model.zero_grad()
    loss.backward()
    return loss.detach(), {name: weight.grad.clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_loss_and_gradients_are_the_same(variant, reentrant, packed):
    model = network(**VARIANTS[variant], attention_dropout=0.2).train()
    plain = gradients(model, packed)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    assert model.is_gradient_checkpointing
    calls = []
    for block in model.model.blocks:
        block.feed_forward.register_forward_hook(lambda *_: calls.append(1))
    saved = gradients(model, packed)
    assert len(calls) == 2 * 4  # each layer is computed again
    assert torch.equal(plain[0], saved[0])
    for name, gradient in plain[1].items():
        torch.testing.assert_close(
            saved[1][name], gradient, rtol=1e-4 if reentrant else 0, atol=1e-7 if reentrant else 0
        )
    model.gradient_checkpointing_disable()
    gradients(model, packed)
    assert len(calls) == 3 * 4


def test_what_a_layer_writes_is_written_once():
    model, batch = network().train(), tokens(2, 8)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    output = model(input_ids=batch, labels=batch, use_cache=True, output_attentions=True)
    output.loss.backward()
    assert len(output.attentions) == 4
    assert output.past_key_values.get_seq_length() == 8
