"""What is compiled is compiled once: in the dry run, for every phase, and never again."""

from __future__ import annotations

import pytest
import torch

from babylm.training import trainer

from . import runs


@pytest.fixture
def graphs(monkeypatch):
    """Graphs that were handed to a compiler so far; the compiler itself does nothing."""
    torch._dynamo.reset()
    found = []

    def backend(graph, example):
        found.append(graph)
        return graph.forward

    compiling = torch.compile
    monkeypatch.setattr(torch, "compile", lambda part, **options: compiling(part, backend=backend, **options))
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        yield found
    torch._dynamo.reset()


SHAPES = ("{until: 0.4, sequence_length: 16", "{until: 0.7, sequence_length: 32", "{until: 1.0, sequence_length: 64")
PHASES = f"phases=[{', '.join(f'{shape}, tokens_per_step: 256}}' for shape in SHAPES)}]"


@pytest.mark.parametrize(
    "more", [[], ["model.layer_connections=unet", "model.num_hidden_layers=4"], ["training.deterministic=true"]]
)
def test_the_dry_run_compiles_all_that_training_needs(tmp_path, monkeypatch, graphs, more):
    """Three lengths in bf16: each kind of block once a length, and nothing eager or compiled anew in the run."""
    counts = []
    dry = trainer.dry_run

    def counted(*args):
        seconds = dry(*args)
        counts.append(len(graphs))
        return seconds

    monkeypatch.setattr(trainer, "dry_run", counted)
    runs.run(tmp_path, PHASES, "training.compile=true", "training.precision=bf16", *more)
    assert counts[0] >= 3 * 2, "each length has its graphs"
    assert len(graphs) == counts[0], "compiled again after the dry run"
