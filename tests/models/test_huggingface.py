"""What evaluation code and generate expect of the Hugging Face classes."""

import pytest
import torch
import torch.nn.functional as F

from babylm.models.classification import BabyLMForSequenceClassification
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM, BabyLMForMaskedLM
from babylm.models.transformer import BabyLMModel

from .variants import VARIANTS, config, network, packed_logits, tokens

PAD = 2
variants = pytest.mark.parametrize("variant", VARIANTS)


def masked(causal):
    model = BabyLMForMaskedLM(causal.config).eval()
    model.load_state_dict(causal.state_dict())
    return model


def padded(batch, side, width=5):
    pads = torch.full((len(batch), width), PAD)
    mask = torch.ones_like(batch)
    parts, masks = ([batch, pads], [mask, pads * 0]) if side == "right" else ([pads, batch], [pads * 0, mask])
    kept = slice(0, batch.shape[1]) if side == "right" else slice(width, None)
    return torch.cat(parts, 1), torch.cat(masks, 1), kept


@variants
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(variant, side):
    causal, batch = network(**VARIANTS[variant]), tokens(3, 11)
    ids, mask, kept = padded(batch, side)
    for model in (causal, masked(causal)):
        result = model(input_ids=ids, attention_mask=mask).logits
        assert torch.isfinite(result).all()
        torch.testing.assert_close(result[:, kept], model(input_ids=batch).logits, atol=2e-5, rtol=1e-4)


def test_rows_of_different_lengths_in_one_batch():
    model, batch = network(), tokens(2, 9)
    mask = torch.ones_like(batch)
    mask[1, 6:] = 0
    result = model(input_ids=batch, attention_mask=mask).logits
    torch.testing.assert_close(result[1, :6], model(input_ids=batch[1:, :6]).logits[0], atol=2e-5, rtol=1e-4)


@variants
def test_equals_the_packed_call(variant):
    causal, batch = network(**VARIANTS[variant]), tokens(2, 12)
    everywhere = torch.arange(batch.numel())
    for model, bidirectional in ((causal, False), (masked(causal), True)):
        packed = packed_logits(causal, batch, batch * 0, torch.full((2,), bidirectional))
        result = model(input_ids=batch, token_type_ids=batch * 0).logits
        torch.testing.assert_close(result.flatten(0, 1), packed, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(
            model(input_ids=batch, target_positions=everywhere[3::7]).logits, packed[3::7], atol=2e-5, rtol=1e-4
        )
        assert model(input_ids=batch, return_dict=False)[0].shape == (2, 12, 61)


def test_masked_lm_sees_both_ways_and_causal_lm_does_not():
    causal, batch = network(), tokens(1, 10)
    other = batch.clone()
    other[0, -1] = (other[0, -1] + 1) % 57 + 4
    changed = [
        (m(input_ids=batch).logits - m(input_ids=other).logits).abs()[0, 0].max() for m in (causal, masked(causal))
    ]
    assert changed[0] == 0
    assert changed[1] > 1e-4


@pytest.mark.parametrize(("prediction_mode", "causal"), [("causal", True), ("mntp", False), ("mlm", False)])
def test_base_model_attends_as_the_weights_were_trained(prediction_mode, causal):
    model = BabyLMModel(config(prediction_mode=prediction_mode)).eval()
    batch = tokens(2, 8)
    output = model(batch)
    assert "logits" not in output
    assert output.last_hidden_state.shape == (2, 8, 32)
    same = model(batch, causal=causal).last_hidden_state
    assert torch.equal(output.last_hidden_state, same)
    assert not torch.equal(same, model(batch, causal=not causal).last_hidden_state)
    states = model(batch, output_hidden_states=True).hidden_states
    assert len(states) == 5
    assert torch.equal(states[-1], output.last_hidden_state)


def test_three_dimensional_masks():
    causal, batch = network(), tokens(2, 7)
    triangle = torch.ones(2, 7, 7).tril()
    base = masked(causal).model
    both_ways = base(batch, attention_mask=triangle).last_hidden_state
    torch.testing.assert_close(both_ways, base(batch, causal=True).last_hidden_state, atol=2e-5, rtol=1e-4)


@variants
def test_generation_with_cache_is_repeated_argmax(variant):
    model, batch = network(**VARIANTS[variant]), tokens(2, 5)
    model.generation_config.eos_token_id = None
    ids = batch
    for _ in range(9):
        ids = torch.cat((ids, model(input_ids=ids).logits[:, -1:].argmax(-1)), 1)
    settings = {"max_new_tokens": 9, "do_sample": False}
    assert torch.equal(model.generate(batch, **settings), ids)
    assert torch.equal(model.generate(batch, use_cache=False, **settings), ids)
    left, mask, _ = padded(batch, "left", 3)
    assert torch.equal(model.generate(left, attention_mask=mask, **settings)[:, 3:], ids)


@variants
def test_cached_steps_equal_the_full_forward(variant):
    model, batch = network(**VARIANTS[variant]), tokens(2, 13)
    full = model(input_ids=batch).logits
    cache, parts = None, []
    for start, stop in ((0, 4), (4, 5), (5, 11), (11, 13)):
        output = model(input_ids=batch[:, start:stop], past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        parts.append(output.logits)
    torch.testing.assert_close(torch.cat(parts, 1), full, atol=2e-5, rtol=1e-4)


def test_foreign_embeddings_as_a_prefix():
    model, batch = network(), tokens(2, 6)
    own = model.get_input_embeddings()(batch)
    torch.testing.assert_close(model(inputs_embeds=own).logits, model(input_ids=batch).logits)
    torch.manual_seed(3)
    embeds = torch.cat((torch.randn(2, 3, 32), own), 1)
    step, chosen = embeds, []
    for _ in range(6):
        chosen.append(model(inputs_embeds=step).logits[:, -1].argmax(-1))
        step = torch.cat((step, model.get_input_embeddings()(chosen[-1])[:, None]), 1)
    model.generation_config.eos_token_id = None
    mask = torch.ones(embeds.shape[:2], dtype=torch.long)
    generated = model.generate(inputs_embeds=embeds, attention_mask=mask, max_new_tokens=6, do_sample=False)
    assert torch.equal(generated, torch.stack(chosen, 1))
    other = embeds.clone()
    other[:, 0] += 1
    assert not torch.allclose(model(inputs_embeds=other).logits[:, -1], model(inputs_embeds=embeds).logits[:, -1])
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        model(input_ids=batch, inputs_embeds=own)


def test_labels():
    causal, batch = network(), tokens(2, 8)
    labels = batch.clone()
    labels[:, :3] = -100
    loss = causal(input_ids=batch, labels=labels)
    expected = F.cross_entropy(loss.logits[:, 2:-1].flatten(0, 1), batch[:, 3:].flatten())
    torch.testing.assert_close(loss.loss, expected)
    halves = causal(input_ids=batch, labels=labels, num_items_in_batch=20).loss
    torch.testing.assert_close(halves, expected * 10 / 20)
    for mode, shift in (("mntp", 1), ("mlm", 0)):
        model = masked(causal)
        model.config = config(prediction_mode=mode)
        read = model(input_ids=batch, labels=labels)
        expected = F.cross_entropy(read.logits[:, 3 - shift : 8 - shift].flatten(0, 1), batch[:, 3:].flatten())
        torch.testing.assert_close(read.loss, expected)


@pytest.mark.parametrize("side", ["left", "right"])
def test_classification(side):
    torch.manual_seed(0)
    model = BabyLMForSequenceClassification(config(num_labels=3)).eval()
    batch = tokens(4, 9)
    ids, mask, _ = padded(batch, side)
    output = model(ids, attention_mask=mask, labels=torch.tensor([0, 1, 2, 0]))
    assert output.logits.shape == (4, 3)
    torch.testing.assert_close(output.logits, model(batch).logits, atol=1e-5, rtol=1e-4)
    output.loss.backward()
    assert model.model.embedding.weight.grad.abs().max() > 0


def test_no_buffers_and_tied_weights_once():
    model = network()
    assert not list(model.buffers())
    assert model.head.output.weight is model.model.embedding.weight
    assert isinstance(model._tied_weights_keys, dict)
    apart = BabyLMForCausalLM(config(tie_embeddings=False))
    assert apart.head.output.weight is not apart.model.embedding.weight


def test_initial_values():
    torch.manual_seed(0)
    shape = config(hidden_size=128, num_attention_heads=4, intermediate_size=256)
    model, std = BabyLMForCausalLM(shape), (2 / (5 * 128)) ** 0.5
    cut = 0.8796  # the standard deviation of a normal cut at two
    block = model.model.blocks[1]
    for weight, expected in (
        (model.model.embedding.weight, std),
        (block.attention.query.weight, std),
        (block.feed_forward.up.weight, std),
        (block.attention.out.weight, std / 8**0.5),
        (block.feed_forward.down.weight, std / 8**0.5),
    ):
        assert weight.std().item() == pytest.approx(expected * cut, rel=0.05)
        assert weight.abs().max() <= 2 * expected
    for weight in (block.attention.gate.weight, block.attention.value_mix, block.input_mix, model.head.output.bias):
        assert weight.abs().max() == 0
    zero = BabyLMForCausalLM(config(initializer="zero"))
    assert zero.model.blocks[0].attention.out.weight.abs().max() == 0


def test_same_seed_same_weights():
    torch.manual_seed(5)
    one = BabyLMForCausalLM(config()).state_dict()
    torch.manual_seed(5)
    two = BabyLMForCausalLM(config()).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": "batch"}, "model.norm: unknown value 'batch'"),
        ({"hidden_size": 33}, "model.hidden_size.*model.num_attention_heads"),
        (
            {"hidden_size": 36, "num_attention_heads": 6},
            r"partial_rotary_factor \(0.5\) of heads of 6 .* is 3; ",
        ),
        ({"partial_rotary_factor": 0.3}, r"is 4.8; it must be an even whole number"),
        ({"partial_rotary_factor": 1.5}, "must be an even whole number"),
        (
            {"depth": "unet", "reading": "mlm"},
            r"depth, reading\): python -m babylm.convert FOLDER brings it over",
        ),
    ],
)
def test_configuration_is_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_configuration_has_every_setting_of_the_model_section():
    from dataclasses import asdict

    from babylm.config.schema import ModelConfig

    fields = asdict(ModelConfig())
    fields.pop("preset")
    made = BabyLMConfig()
    assert {name: getattr(made, name) for name in fields} == fields
    again = BabyLMConfig.from_dict(config(layer_connections="unet", logit_softcap=3.0).to_dict())
    assert (again.layer_connections, again.logit_softcap, again.hidden_size) == ("unet", 3.0, 32)


def test_unknown_backend():
    with pytest.raises(ValueError, match="one of: eager, sdpa"):
        network().set_attention("fast")
