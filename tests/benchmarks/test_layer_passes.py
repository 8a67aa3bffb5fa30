"""The count of a compiled layer's passes over its activations, beside a count by hand."""

from __future__ import annotations

import shutil
import sys

import pytest

from babylm.models.configuration_babylm import BabyLMConfig
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import layer_passes


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler: a layer is compiled")
def test_passes_are_those_of_a_count_by_hand():
    ids = {"bos_token_id": 0, "pad_token_id": 1, "mask_token_id": 2, "eos_token_id": 3}
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    counted = layer_passes.count(BabyLMConfig(vocab_size=20, dropout=0.0, **shape, **ids), rows=32, length=32)
    geglu = next(kernel for kernel in counted["forward"] if "erf" in kernel.computes)
    # It reads gate and up and writes their product, 128 numbers a token each; a pass is 64 read and 64 written.
    assert geglu.passes == pytest.approx(3 * 128 / (64 + 64), rel=0.01)
    assert not geglu.library
    gradient = next(kernel for kernel in counted["backward"] if "erf" in kernel.computes and not kernel.library)
    assert gradient.passes == pytest.approx(5 * 128 / (64 + 64), rel=0.01), "three read, two written"
    assert any(kernel.library and "attention" in kernel.computes for kernel in counted["forward"])
