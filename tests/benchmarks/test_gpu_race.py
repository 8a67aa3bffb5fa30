"""The race of steps on a GPU: its plumbing, at toy size on a CPU."""

from __future__ import annotations

import json
import sys

import pytest

from tests.conftest import ROOT
from tests.training import runs

sys.path.insert(0, str(ROOT / "benchmarks"))
import gpu_race


def test_a_toy_race_runs_keeps_its_cells_and_says_what_failed(tmp_path, monkeypatch, capsys):
    runs.make(tmp_path)
    monkeypatch.setitem(gpu_race.RACES, "toy", lambda: {k: v for k, v in gpu_race._toy().items() if k != "32: eager"})
    places = [
        f"corpus.path={tmp_path}/text",
        f"corpus.prepared={tmp_path}/prepared",
        f"checkpoints={tmp_path}/checkpoints",
    ]
    words = [
        str(tmp_path / "run.yaml"),
        *places,
        "training.accumulate_grad_batches=1",
        "training.threads=1",
        "--race",
        "toy",
    ]
    out = tmp_path / "race.json"
    words += ["--out", str(out)]
    assert gpu_race.main([*words, "--minutes", "0"]) == 75
    assert "32: sdpa: no time left" in capsys.readouterr().out
    assert not out.exists()
    assert gpu_race.main([*words, "--minutes", "3"]) == 0
    table = capsys.readouterr().out
    cells = json.loads(out.read_text())["cells"]
    assert cells["32: sdpa"]["tokens_per_second"] > 0
    assert cells["32: sdpa, reference kernels"]["step_ms"] > 0
    assert "steps cannot be replayed here: no CUDA" in cells["32: graphs"]["failed"]
    assert "failed: error: training.cuda_graphs=true" in table
    monkeypatch.setattr(gpu_race, "measure", lambda *arguments: pytest.fail("run again"))
    assert gpu_race.main([*words, "--minutes", "3"]) == 0
    assert gpu_race.main([*words, "seed=2"]) == 2
    assert "holds another race" in capsys.readouterr().err


def test_time_is_kept_and_what_is_cut_is_not_counted(tmp_path, monkeypatch):
    now, limits = [0.0], []

    def measure(cell, config, overrides, limit):
        limits.append(limit)
        now[0] += min(limit, 80.0)
        return {"tokens_per_second": 1000.0 * len(limits)} if limit >= 80 else None

    monkeypatch.setattr(gpu_race, "measure", measure)
    race = gpu_race.Race(gpu_race._gpu(), "c.yaml", (), tmp_path / "race.json")
    race.run(300, clock=lambda: now[0])
    assert now[0] <= 300
    assert len(race.results) == 3
    assert limits == [100.0, 100.0, 100.0, 60.0]
    assert "not run" in race.table()
    again = gpu_race.Race(gpu_race._gpu(), "c.yaml", (), tmp_path / "race.json")
    again.load()
    assert again.results == race.results


def test_every_cell_of_the_gpu_race_is_a_valid_configuration():
    from babylm import config

    for name, cell in gpu_race._gpu().items():
        config.load(ROOT / "configs" / "strict_small.yaml", list(cell.overrides))
        assert cell.trainer == (name == gpu_race.TRAINER)
    found = gpu_race.trainer_speeds(
        "round 1 ours-best  9 tokens/s\nours-best  700,000 tokens/s x\ngpt2-best 350,000 tokens/s"
    )
    assert found == {"tokens_per_second": 350_000.0, "others": {"ours-best": 700_000.0}}
    assert "failed" in gpu_race.trainer_speeds("nothing")
