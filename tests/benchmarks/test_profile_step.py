"""A step's profile: speed, and operations sorted by kind."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import ROOT
from tests.training import runs

sys.path.insert(0, str(ROOT / "benchmarks"))
import profile_step


def test_a_step_is_measured_and_its_work_sorted(tmp_path):
    made = runs.make(tmp_path, "training.accumulate_grad_batches=1")
    found = profile_step.measure(made, steps=3, warm_up=2, profiled=2)
    assert found["tokens_per_second"] > 0
    # Operations of torch alone: the marked ranges hold Python's own time, which grows with the load of the machine.
    kinds = {
        kind: sum(spent for name, spent in names.items() if name.startswith("aten::"))
        for kind, _, names in found["table"]
    }
    assert {"matmul", "attention", "optimizer", "loss", "norm, elementwise"} <= set(kinds)
    assert kinds.get("other", 0) < 0.1 * sum(kinds.values())
    assert not (tmp_path / "checkpoints").exists(), "no run is left behind"
    with pytest.raises(ValueError, match="steps"):
        profile_step.measure(runs.make(tmp_path), steps=1000, warm_up=1, profiled=0)
