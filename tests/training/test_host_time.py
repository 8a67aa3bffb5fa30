"""What a step costs the host beside its work: states that nobody needs, generators, walks through the modules."""

from __future__ import annotations

import pytest
import torch

from babylm import randomness
from babylm.objectives import SpecialTokens, build
from babylm.training import checkpoint
from babylm.training.module import Pretraining
from tests import small

from . import runs


def test_a_run_without_revisions_writes_no_state_at_milestones(tmp_path, monkeypatch):
    written, save = [], checkpoint.save

    def counted(folder, state):
        written.append(state["step"])
        save(folder, state)

    monkeypatch.setattr(checkpoint, "save", counted)
    bare = runs.run(tmp_path / "bare", "training.revisions=none")
    last = written.pop()
    assert written == [], "only the state at the end"
    written.clear()
    full = runs.run(tmp_path / "full")
    assert len(written) == 3
    assert written[-1] == last
    assert not (bare / "chck_400").exists()
    assert runs.digest(runs.state(bare)) == runs.digest(runs.state(full))


def test_generators_seeded_directly_give_torchs_numbers():
    torch.manual_seed(7)
    expected = torch.rand(5), torch.randint(0, 2**31, (3,)), torch.randn(4)
    torch.rand(9)
    randomness.seed_generators(7, torch.device("cpu"))
    for one, other in zip(expected, (torch.rand(5), torch.randint(0, 2**31, (3,)), torch.randn(4)), strict=True):
        assert torch.equal(one, other)


def test_a_step_neither_asks_all_backends_nor_walks_through_the_modules(tmp_path, monkeypatch):
    walks, original = [], Pretraining.trained_parameters
    monkeypatch.setattr(Pretraining, "trained_parameters", lambda self: walks.append(self.completed) or original(self))
    seeded, manual_seed = [], torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda seed: seeded.append(seed) or manual_seed(seed))
    runs.run(tmp_path, "training.revisions=none")
    assert walks == [0, 0], "the optimizer's and the clipping's"
    assert len(seeded) == 1, "the weights"


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.3, 0.875, 1.0])
def test_rows_of_a_mode_are_those_of_the_pattern_wherever_a_batch_begins(ratio):
    objective = build(small.objective_settings("hybrid", causal_ratio=ratio), SpecialTokens(0, 2, 3, 40, 5))
    device = torch.device("cpu")
    number = torch.arange(2000)
    numerator, denominator = objective.ratio.numerator, objective.ratio.denominator
    causal = (number + 1) * numerator // denominator > number * numerator // denominator
    assert abs(int(causal.sum()) - 2000 * ratio) <= 1
    for first, rows in ((0, 16), (16, 16), (7, 5), (1234, 33)):
        modes = objective.row_modes(first, rows, device)
        assert torch.equal(modes.bidirectional, ~causal[first : first + rows])
        assert torch.equal(modes.causal, causal[first : first + rows].nonzero().squeeze(1))
        assert torch.equal(modes.masked.sort().values, modes.masked)
        assert len(modes.causal) + len(modes.masked) == rows
    assert objective.row_modes(0, 16, device) is objective.row_modes(denominator * 16, 16, device)
