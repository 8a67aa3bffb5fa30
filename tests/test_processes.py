"""How many processes a run has, by its settings and by what torchrun or srun says in the environment."""

from __future__ import annotations

import pytest

from babylm import processes

TORCHRUN = {
    **{"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"},
    **{"RANK": "5", "LOCAL_RANK": "1"},
}
SRUN = {
    **{"SLURM_STEP_NUM_TASKS": "6", "SLURM_STEP_NUM_NODES": "2", "SLURM_NTASKS": "6"},
    **{"SLURM_PROCID": "4", "SLURM_LOCALID": "1"},
}
BATCH = {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
"""A job script that starts one process without srun."""


@pytest.fixture
def environment(monkeypatch):
    for name in {**TORCHRUN, **SRUN}:
        monkeypatch.delenv(name, raising=False)
    return lambda values: [monkeypatch.setenv(name, value) for name, value in values.items()]


@pytest.mark.parametrize(
    ("values", "given", "layout", "ranks"),
    [
        ({}, (None, None), (1, 1), (0, 0)),
        ({}, (4, 1), (4, 1), (0, 0)),
        ({"LOCAL_RANK": "2"}, (4, None), (4, 1), (2, 2)),
        (TORCHRUN, (None, None), (4, 2), (5, 1)),
        (TORCHRUN, (4, 2), (4, 2), (5, 1)),
        (SRUN, (None, None), (3, 2), (4, 1)),
        (BATCH, (None, None), (1, 1), (0, 0)),
        ({**BATCH, "LOCAL_RANK": "3"}, (4, None), (4, 1), (3, 3)),
        ({**SRUN, "SLURM_STEP_NUM_TASKS": "2", **TORCHRUN}, (None, None), (4, 2), (5, 1)),
    ],
    ids=["alone", "itself", "a child", "torchrun", "as set", "srun", "in a job", "child in a job", "torchrun in srun"],
)
def test_processes_are_those_that_were_started(environment, values, given, layout, ranks):
    environment(values)
    assert processes.layout(*given) == layout
    assert (processes.global_rank(), processes.local_rank()) == ranks


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        ({}, (2, 2), "training.nodes=2: .* started by srun, or by torchrun"),
        (TORCHRUN, (2, None), "training.devices=2: torchrun has started 4 processes per node on 2 nodes"),
        (SRUN, (None, 1), "training.nodes=1: srun has started 3 processes per node on 2 nodes"),
        ({**SRUN, "SLURM_STEP_NUM_TASKS": "5"}, (None, None), "5 processes on 2 nodes: every node must have as many"),
    ],
)
def test_settings_that_say_otherwise_are_refused(environment, values, given, message):
    environment(values)
    with pytest.raises(ValueError, match=message):
        processes.layout(*given)
