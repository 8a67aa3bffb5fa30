"""A revision holds the averaged weights when asked, a resumable state both."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from . import runs


def test_the_revision_holds_the_average(tmp_path):
    folder = runs.run(tmp_path, "averaging={name: tail, tail: 0.5, every: 1}")
    saved, written = runs.state(folder), load_file(folder / "main" / "model.safetensors")
    assert set(saved["average"]) == {name for name in written if name in saved["average"]}
    for name, value in saved["average"].items():
        assert torch.equal(written[name], value), name
    live = saved["network"]
    assert any((written[name] - live[name]).abs().max() > 1e-4 for name in written)


def test_without_an_average_it_holds_the_weights(tmp_path):
    folder = runs.run(tmp_path, "averaging.name=none")
    saved, written = runs.state(folder), load_file(folder / "main" / "model.safetensors")
    assert saved["average"] is None
    for name, value in written.items():
        assert torch.equal(saved["network"][name], value), name
