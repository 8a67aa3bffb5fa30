"""A seeded run of 20 steps gives the losses, rates, gradient norms and word counts recorded before any refactoring.

Recorded in fp32 on a CPU. The same CPU gives the same digits; another one adds in another order, for which the
tolerance of two hundredths of a per cent leaves room.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training import runs

RECORDED = json.loads(Path(__file__).with_name("golden_run.json").read_text(encoding="utf-8"))
"""Optimizer -> step, words, loss, loss of causal and of masked targets, learning rate, gradient norm of each step."""


@pytest.mark.parametrize("optimizer", RECORDED)
def test_twenty_steps_are_as_recorded(tmp_path, optimizer):
    folder = runs.run(tmp_path, "budget={epochs: 3}", "training.log_every=1", f"optimizer.name={optimizer}")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()][:20]
    assert len(lines) == 20
    for line, (step, words, *values) in zip(lines, RECORDED[optimizer], strict=True):
        assert (line["step"], line["words"]) == (step, words)
        assert [line[key] for key in ("loss", "causal", "masked", "lr", "grad_norm")] == pytest.approx(values, rel=2e-4)
