"""Pictures as input and the pointer over items: off by default, the same in every way the model is called."""

from __future__ import annotations

import pytest
import torch

from babylm import revisions
from babylm.models.arguments import CACHE
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.flops import parameter_count
from babylm.models.modeling_babylm import BabyLMForCausalLM, BabyLMForMaskedLM
from tests.models.variants import SMALL

IMAGE, LABELS = 60, torch.tensor([[5, 6, 7], [5, 6, -1]])
IDS = torch.tensor([[0, 5, IMAGE, 6, IMAGE, 7, IMAGE, 9, 8], [0, 5, IMAGE, 6, IMAGE, 9, 9, 8, 4]])
POSITIONS = torch.tensor([[2, 4, 6], [2, 4, -1]])


def model(**settings):
    torch.manual_seed(1)
    config = BabyLMConfig(**SMALL, **{"image_size": 16, "item_pointer": True, "image_token_id": IMAGE, **settings})
    network = BabyLMForCausalLM(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def inputs():
    generator = torch.Generator().manual_seed(2)
    pictures = torch.rand(2, 3, 3, 16, 16, generator=generator)
    return {"pixel_values": pictures, "item_positions": POSITIONS, "item_labels": LABELS}


def test_without_the_settings_nothing_is_added():
    names = BabyLMForCausalLM(BabyLMConfig(**SMALL)).state_dict()
    assert not [name for name in names if "pointer" in name or "image" in name]


@pytest.mark.parametrize("position", ["rotary", "relative"])
def test_parameters_are_counted(position):
    network = model(position=position)
    assert parameter_count(network.config) == sum(p.numel() for p in network.parameters())


def test_a_picture_takes_the_place_of_its_token():
    network, given = model(), inputs()
    logits = network(IDS, **given).logits
    other = given["pixel_values"].clone()
    other[0, 1] += 1.0  # the second picture of row 0, at position 4
    changed = (network(IDS, **{**given, "pixel_values": other}).logits - logits).abs().amax(-1)
    assert (changed[0, 4:] > 0).all()
    assert changed[0, :4].max() == 0
    assert changed[1].max() == 0
    other = given["pixel_values"].clone()
    other[1, 2] += 1.0  # row 1 has two image tokens alone
    assert torch.equal(network(IDS, **{**given, "pixel_values": other}).logits, logits)


def test_the_pointer_adds_to_the_labels_alone():
    network, given = model(), inputs()
    with_items = network(IDS, **given)
    plain = network(IDS, pixel_values=given["pixel_values"]).logits
    hidden = network.model(IDS, pixel_values=given["pixel_values"], causal=True).last_hidden_state
    added = with_items.logits - plain
    for row, item, label in [(0, 0, 5), (0, 2, 7), (1, 1, 6)]:
        place, pointer = int(POSITIONS[row, item]), network.head.pointer
        expected = pointer.query(hidden[row]) @ pointer.key(hidden[row, place])
        torch.testing.assert_close(added[row, place:, label], expected[place:], atol=1e-4, rtol=1e-4)
        assert added[row, :place, label].abs().max() == 0  # no item is known before it is read
    others = [token for token in range(61) if token not in (5, 6, 7)]
    assert added[:, :, others].abs().max() == 0
    assert added[1, :, 7].abs().max() == 0


def test_losses_of_training_are_those_of_the_forward():
    network, given = model(), inputs()
    logits = network(IDS, **given).logits[:, :-1]
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), IDS[:, 1:].flatten(), reduction="none")
    positions = torch.cat([torch.arange(8), torch.arange(9, 17)])
    causal, documents = torch.zeros(2, dtype=torch.bool), torch.zeros_like(IDS)
    losses = network.token_losses(IDS, documents, causal, positions, IDS[:, 1:].flatten(), **given)
    torch.testing.assert_close(losses.nll, expected, atol=1e-4, rtol=1e-4)
    losses.nll.sum().backward()
    assert network.head.pointer.key.weight.grad.abs().max() > 0
    assert network.model.image_encoder.patch.weight.grad.abs().max() > 0


def test_a_cache_and_generate_see_the_same_items():
    network, given = model(), inputs()
    whole = network(IDS, **given).logits
    first = network(IDS[:, :7], **given, use_cache=True)
    rest = network(
        IDS[:, 7:], item_keys=first.item_keys, item_labels=LABELS, **{CACHE: getattr(first, CACHE)}, use_cache=True
    )
    torch.testing.assert_close(torch.cat([first.logits, rest.logits], 1), whole, atol=1e-4, rtol=1e-4)
    settings = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 2, "eos_token_id": 1}
    made = network.generate(IDS, **given, **settings)
    by_hand = IDS
    for _ in range(made.shape[1] - 9):
        by_hand = torch.cat([by_hand, network(by_hand, **given).logits[:, -1].argmax(-1, keepdim=True)], 1)
    assert torch.equal(made, by_hand)
    pads = torch.full((2, 3), 2)  # padded on the left, items move along
    moved = {**given, "item_positions": torch.where(POSITIONS >= 0, POSITIONS + 3, -1)}
    mask = torch.cat([torch.zeros_like(pads), torch.ones_like(IDS)], 1)
    padded = network.generate(torch.cat([pads, IDS], 1), attention_mask=mask, **moved, **settings)
    assert torch.equal(padded[:, 3:], made)


def test_export_and_reload(tmp_path):
    network, given = model(), inputs()
    (tmp_path / "tokenizer").mkdir()
    revisions.save(tmp_path / "main", network, tmp_path / "tokenizer", {})
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "main", trust_remote_code=True).eval()
    assert type(loaded) is not type(network)
    torch.testing.assert_close(loaded(IDS, **given).logits, network(IDS, **given).logits, atol=1e-5, rtol=1e-5)
    assert BabyLMForMaskedLM.from_pretrained(tmp_path / "main").head.pointer is not None


def test_what_is_wrong_is_refused():
    network, given = model(), inputs()
    with pytest.raises(ValueError, match="3 image tokens and 2 pictures"):
        network(IDS, **{**given, "pixel_values": given["pixel_values"][:, :2]})
    with pytest.raises(ValueError, match="not \\(2, 3, 3, 8, 8\\)"):
        network(IDS, pixel_values=given["pixel_values"][..., :8, :8])
    with pytest.raises(ValueError, match="belong together"):
        network(IDS, item_labels=LABELS)
    with pytest.raises(ValueError, match="image_size=0"):
        model(image_size=0)(IDS, pixel_values=given["pixel_values"])
    with pytest.raises(ValueError, match="item_pointer"):
        model(item_pointer=False)(IDS, **given)
    with pytest.raises(ValueError, match="multiple of 8"):
        BabyLMConfig(image_size=12)
