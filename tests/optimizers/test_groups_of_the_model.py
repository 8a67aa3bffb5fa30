"""The model's own parameters: linear maps of the body to Muon, all else to Adam, nothing twice, nothing forgotten."""

import pytest
import torch

from babylm import optimizers
from babylm.config.presets import PRESETS
from babylm.config.schema import OptimizerConfig
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM


def network(**settings):
    with torch.device("meta"):
        return BabyLMForCausalLM(BabyLMConfig(vocab_size=2048, **settings))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset(preset):
    check(network(**PRESETS[preset]))


@pytest.mark.parametrize("connections", ["unet", "denseformer"])
@pytest.mark.parametrize("tie", [True, False])
def test_variants(connections, tie):
    shape = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 96}
    shape |= {"layer_connections": connections, "position": "relative"}
    check(network(**shape, tie_embeddings=tie, head_transform=True, norm_affine=True))


def check(model):
    config = OptimizerConfig(weight_decay=0.1, adam_weight_decay=0.05)
    groups = optimizers.build(config, model.named_parameters()).param_groups
    where = {id(p): group for group in groups for p in group["params"]}
    assert len(where) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        group = where[id(parameter)]
        # In the blocks, all matrices but a gate a head are linear maps between wide spaces.
        body = ".blocks." in name and parameter.ndim == 2 and min(parameter.shape) >= 32
        assert ("momentum" in group) == body, name
        assert group["base_lr"] == (config.lr if body else config.adam_lr)
        assert group["weight_decay"] == (0.1 if body else 0.0 if parameter.ndim < 2 else 0.05), name
