"""Formulas against counting."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from babylm.config.presets import PRESETS
from babylm.models import flops
from babylm.models.modeling_babylm import BabyLMForCausalLM

from .variants import VARIANTS, config, tokens


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameter_count(variant):
    shape = config(**VARIANTS[variant])
    assert flops.parameter_count(shape) == sum(p.numel() for p in BabyLMForCausalLM(shape).parameters())


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_the_sizes_they_claim(preset):
    from babylm.models.configuration_babylm import BabyLMConfig

    with torch.device("meta"):
        model = BabyLMForCausalLM(BabyLMConfig(**PRESETS[preset]))
    count = flops.parameter_count(model.config)
    assert count == sum(p.numel() for p in model.parameters())
    low, high = {"smoke": (0.8, 3.2), "tiny": (8, 10), "small": (26, 30), "medium": (44, 50), "base": (95, 105)}.get(
        preset, (28, 125)
    )
    assert low <= count / 1e6 <= high


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("fraction", [1.0, 0.25])
def test_training_flops_within_two_percent(variant, fraction, monkeypatch):
    # Rotary positions as they are defined: a CPU's products with a permutation are no arithmetic of the model.
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    shape = config(**{**VARIANTS[variant], "hidden_size": 64, "intermediate_size": 128, "vocab_size": 512})
    model = BabyLMForCausalLM(shape)
    model.set_attention("eager")
    length, rows = 64, 8
    batch = tokens(rows, length)
    positions = torch.arange(int(rows * length * fraction))
    with FlopCounterMode(display=False) as counter:
        both_ways = torch.ones(rows, dtype=torch.bool)
        losses = model.token_losses(batch, batch * 0, both_ways, positions, batch.flatten()[positions])
        losses.nll.sum().backward()
    expected = flops.training_flops_per_token(shape, length, fraction)
    assert counter.get_total_flops() / batch.numel() == pytest.approx(expected, rel=0.02)
