"""What a caller passes is used or refused: caches by both names, attention weights, positions, unknown arguments."""

import pytest
import torch
from transformers import StaticCache

from babylm.models.arguments import CACHE
from babylm.models.classification import (
    BabyLMForQuestionAnswering,
    BabyLMForSequenceClassification,
    BabyLMForTokenClassification,
)
from babylm.models.modeling_babylm import BabyLMForCausalLM, BabyLMForMaskedLM
from babylm.models.transformer import BabyLMModel

from .variants import VARIANTS, config, network, tokens

variants = pytest.mark.parametrize("variant", VARIANTS)
KINDS = (
    BabyLMModel,
    BabyLMForCausalLM,
    BabyLMForMaskedLM,
    BabyLMForSequenceClassification,
    BabyLMForTokenClassification,
    BabyLMForQuestionAnswering,
)
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_an_unknown_argument_is_refused(kind):
    model, batch = kind(config()).eval(), tokens(2, 6)
    with pytest.raises(TypeError, match="unexpected keyword argument 'past_kv'"):
        model(batch, past_kv=1)
    with pytest.raises(ValueError, match="token_type_ids must be all zero"):
        model(batch, token_type_ids=torch.ones_like(batch))
    with pytest.raises(ValueError, match="cache_position must be 0 to 5"):
        model(batch, cache_position=torch.arange(1, 7))
    model(batch, token_type_ids=batch * 0, cache_position=torch.arange(6), head_mask=None)


@kinds
def test_every_class_shows_what_it_is_asked_for(kind):
    model, batch = kind(config()).eval(), tokens(2, 6)
    plain = model(batch)
    assert "attentions" not in plain
    assert "hidden_states" not in plain
    for output in (
        model(batch, output_attentions=True, output_hidden_states=True),
        kind(config(output_hidden_states=True, output_attentions=True, attn_implementation="eager")).eval()(batch),
    ):
        assert [tuple(weights.shape) for weights in output.attentions] == [(2, 2, 6, 6)] * 4
        assert [tuple(states.shape) for states in output.hidden_states] == [(2, 6, 32)] * 5
    assert isinstance(model(batch, return_dict=False), tuple)
    assert isinstance(kind(config(return_dict=False)).eval()(batch), tuple)


@variants
@pytest.mark.parametrize("causal", [True, False])
def test_attention_weights_are_those_that_are_used(variant, causal):
    model, batch = network(**VARIANTS[variant]).model, tokens(2, 9)
    mask = torch.ones_like(batch)
    mask[1, 6:] = 0
    given = {"attention_mask": mask, "causal": causal}
    output = model(batch, output_attentions=True, **given)
    torch.testing.assert_close(output.last_hidden_state, model(batch, **given).last_hidden_state, atol=2e-5, rtol=1e-4)
    for weights in output.attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 9))
        assert weights[1, :, :6, 6:].abs().max() == 0
        assert bool((weights[0].triu(1) == 0).all()) == causal
    # By hand, from the first layer's own weights: the values come after, so change one and look who notices.
    block = model.blocks[0].attention
    seen = {}
    block.value.register_forward_hook(lambda module, args, out: seen.update(value=out.unflatten(-1, (2, 16))))
    block.out.register_forward_hook(lambda module, args, out: seen.update(mixed=args[0]))
    block.gate, block.norm = None, None
    weights = model(batch, output_attentions=True, **given).attentions[0]
    expected = torch.einsum("rhqk,rkhd->rqhd", weights, seen["value"]).flatten(2)
    torch.testing.assert_close(seen["mixed"], expected, atol=1e-5, rtol=1e-4)


@variants
def test_cached_attention_weights_are_rows_of_the_full_ones(variant):
    model, batch = network(**VARIANTS[variant]), tokens(1, 8)
    full = model(batch, output_attentions=True).attentions
    begun = model(batch[:, :5], use_cache=True)[CACHE]
    rest = model(batch[:, 5:], cache=begun, output_attentions=True).attentions
    for whole, part in zip(full, rest, strict=True):
        torch.testing.assert_close(part, whole[:, :, 5:], atol=1e-5, rtol=1e-4)


def test_a_cache_has_two_names():
    model, batch = network(), tokens(2, 8)
    full = model(batch).logits
    for name in ("cache", "past_key_values"):
        begun = model(batch[:, :5], use_cache=True)
        rest = model(batch[:, 5:], **{name: begun[CACHE]}, use_cache=True)
        torch.testing.assert_close(rest.logits, full[:, 5:], atol=2e-5, rtol=1e-4)
        assert rest[CACHE].get_seq_length() == 8
    two = [model(batch[:, :5], use_cache=True)[CACHE] for _ in range(2)]
    with pytest.raises(ValueError, match="two names of one argument"):
        model(batch[:, 5:], cache=two[0], past_key_values=two[1])


def test_a_cache_that_would_give_another_result_is_refused():
    model, batch = network(), tokens(2, 8)
    with pytest.raises(ValueError, match="a cache needs causal attention"):
        model.model(batch, use_cache=True)  # read both ways by default
    with pytest.raises(ValueError, match="a cache needs causal attention"):
        BabyLMForMaskedLM(config())(batch, use_cache=True)
    with pytest.raises(ValueError, match=r"give a transformers\.DynamicCache"):
        model(batch, past_key_values=((batch, batch),))
    with pytest.raises(ValueError, match=r"keys for 8 tokens; use transformers\.DynamicCache"):
        model(batch, cache=StaticCache(config=model.config, max_cache_len=20))


def test_arguments_that_exclude_each_other():
    model, batch = network(), tokens(2, 8)
    with pytest.raises(ValueError, match="labels need the logits of all tokens"):
        model(batch, labels=batch, logits_to_keep=1)
    with pytest.raises(ValueError, match="labels need the logits of all tokens"):
        model(batch, labels=batch, target_positions=torch.tensor([1]))
    with pytest.raises(ValueError, match="both start_positions and end_positions"):
        BabyLMForQuestionAnswering(config())(batch, start_positions=torch.tensor([1, 2]))


def test_logits_to_keep():
    model, batch = network(), tokens(2, 8)
    full = model(batch).logits
    torch.testing.assert_close(model(batch, logits_to_keep=3).logits, full[:, -3:], atol=1e-6, rtol=1e-5)
    places = torch.tensor([1, 4])
    torch.testing.assert_close(model(batch, logits_to_keep=places).logits, full[:, places], atol=1e-6, rtol=1e-5)


def test_relative_positions_follow_from_the_order_alone():
    model, batch = network(position="relative"), tokens(2, 6)
    mask = torch.tensor([[1] * 6, [0, 0, 1, 1, 1, 1]])
    made = (mask.cumsum(-1) - 1).clamp(min=0)  # as generate makes them of left padding
    torch.testing.assert_close(
        model(batch, attention_mask=mask, position_ids=made).logits, model(batch, attention_mask=mask).logits
    )
    with pytest.raises(ValueError, match="position_ids must rise by one"):
        model(batch, position_ids=torch.tensor([[0, 1, 2, 0, 1, 2]]))
    restarted = torch.tensor([[0, 1, 2, 0, 1, 2]])
    rotary = network()
    assert not torch.allclose(rotary(batch, position_ids=restarted).logits, rotary(batch).logits)


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        (BabyLMForCausalLM, {"labels": tokens(2, 6)}),
        (BabyLMForMaskedLM, {"labels": tokens(2, 6)}),
        (BabyLMForSequenceClassification, {"labels": torch.tensor([0, 2])}),
        (BabyLMForTokenClassification, {"labels": tokens(2, 6) % 3}),
        (BabyLMForQuestionAnswering, {"start_positions": torch.tensor([1, 2]), "end_positions": torch.tensor([3, 5])}),
    ],
)
def test_accumulated_losses_add_up_to_the_loss_of_all(kind, labels):
    """As transformers' Trainer accumulates: parts with the number of items in all of them."""
    torch.manual_seed(0)
    model, batch = kind(config(num_labels=3)).eval(), tokens(2, 6)
    whole = model(batch, **labels).loss
    each = 1 if kind in (BabyLMForSequenceClassification, BabyLMForQuestionAnswering) else 6
    each -= kind in (BabyLMForCausalLM, BabyLMForMaskedLM)  # the first token is not predicted
    parts = [
        model(batch[row], **{name: value[row] for name, value in labels.items()}, num_items_in_batch=2 * each).loss
        for row in (slice(0, 1), slice(1, 2))
    ]
    torch.testing.assert_close(parts[0] + parts[1], whole)
