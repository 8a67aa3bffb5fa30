"""Several ranks make the run that one device makes, whichever strategy shares it; a state goes from one to the other.

Two and four processes with gloo on this machine, forked by `tests.training.ranks`. The tolerance is for sums that are
added up in another order.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from babylm import revisions, run_folder
from babylm.training import checkpoint
from tests.training import runs
from tests.training.ranks import free_port

TOLERANCE = 1e-5
"""Largest difference of a weight (of size 0.1 or so) after all steps; what came out is in docs/results.md."""
PLAIN = ("model.dropout=0.0", "training.accumulate_grad_batches=1", "training.accelerator=cpu", "training.threads=1")
"""Dropout is drawn by batch: the masks of a step depend on how it is cut. All else is drawn for the whole step."""
OPTIMIZERS = {
    "muon": (),
    "lamb": ("optimizer.name=lamb",),
    "adamw": ("optimizer.name=adamw", "averaging.name=tail"),
    "denseformer": ("model.layer_connections=denseformer",),
    "self": ("objective.name=self_distillation", "model.tie_embeddings=false"),
}
"""Runs by name: what each sets."""
STOP = 12
"""Steps of the runs that are stopped, of 17; a line of the log ends there."""

DEATHS = {
    "killed": ({"kill": 10, "nodes": 2}, [1, -9], "rank 1 of 2 .*has died"),
    "raised": ({"fail": 10}, [1, 1], "rank 1 of 2 .*KeyError: 'planted'"),
    "first": ({"kill": 10, "rank": 0}, [-9, 1], "rank 0 of 2: has died"),
    "nan": ({"nan": 10}, [3, 3], "step 10: the gradient is not finite"),
}
"""Runs of which a rank dies before a step: how, the exit codes, what is said."""


class Runs:
    """Runs in one folder."""

    def __init__(self, folder, root):
        self.folder, self.root = folder, root
        runs.make(folder)

    def words(self, name, *overrides):
        places = (f"corpus.path={self.folder}/text", f"corpus.prepared={self.folder}/prepared")
        return [*places, f"checkpoints={self.folder}/checkpoints", f"name={name}", *PLAIN, *overrides]

    def one(self, name, *overrides, code=0):
        """A run of one device, in this process."""
        from babylm import config, train

        assert train.main(config.load(self.folder / "run.yaml", self.words(name, *overrides))) == code

    def job(self, name, *overrides, **events):
        return {"words": [str(self.folder / "run.yaml"), *self.words(name, *overrides)], **events}

    def ranks(self, world, *groups, timeout=250):
        """Jobs of several ranks; the exit codes of each group, and what was printed."""
        (self.folder / "jobs.json").write_text(json.dumps(groups))
        environment = {**os.environ, "PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.training.ranks", str(world), self.folder / "jobs.json"]
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=timeout, check=True
        )
        return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr

    def path(self, name):
        return self.folder / "checkpoints" / name

    def log_lines(self, name):
        return [json.loads(line) for line in (self.path(name) / "metrics.jsonl").read_text().splitlines()]

    def copy(self, name, other):
        shutil.copytree(self.path(name), self.path(other), ignore=shutil.ignore_patterns(".lock*"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every run of this module, by one, two and four ranks."""
    from tests.conftest import ROOT

    torch.set_num_threads(1)
    made = Runs(tmp_path_factory.mktemp("devices"), ROOT)
    for name, settings in OPTIMIZERS.items():
        made.one(f"one-{name}", *settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("babylm.training.callbacks.checkpointing.Checkpointing.after_step", stop_after(STOP))
        made.one("one-stopped", code=75)
    made.copy("one-stopped", "one-two")
    two = [
        *(made.job(f"fsdp-{name}", "training.strategy=fsdp", *settings) for name, settings in OPTIMIZERS.items()),
        made.job("two-stopped", "training.strategy=fsdp", stop=STOP),
        made.job("one-two", "training.strategy=fsdp"),
    ]
    dying = [[made.job(name, "training.strategy=fsdp", **event)] for name, (event, _, _) in DEATHS.items()]
    nodes = [made.job("ddp-muon", "training.strategy=ddp", nodes=2)]
    (*codes, killed, raised, first, nan), made.printed = made.ranks(2, two, nodes, *dying)
    made.codes = dict(zip(DEATHS, (killed, raised, first, nan), strict=True))
    assert codes == [[0, 0], [0, 0]], made.printed
    made.copy("two-stopped", "two-one")
    made.copy("two-stopped", "two-four")
    made.one("two-one", "training.strategy=fsdp")
    codes, printed = made.ranks(4, [made.job("two-four", "training.strategy=fsdp")])
    assert codes == [[0, 0, 0, 0]], printed
    return made


def stop_after(steps):
    """`Checkpointing.after_step` with a signal after so many steps."""
    from babylm.training.callbacks.checkpointing import Checkpointing

    plain = Checkpointing.after_step

    def after_step(self, trainer, module, step):
        if step == steps:
            self._on_signal(10, None)
        plain(self, trainer, module, step)

    return after_step


def largest_difference(one, other, path=""):
    """Of all tensors of two states, which must have the same names, shapes and plain data in the same order."""
    if isinstance(one, torch.Tensor):
        assert (one.shape, one.dtype) == (other.shape, other.dtype), path
        return float((one.double() - other.double()).abs().max()) if one.numel() else 0.0
    if isinstance(one, dict):
        assert list(one) == list(other), path
        return max((largest_difference(value, other[key], f"{path}/{key}") for key, value in one.items()), default=0.0)
    if isinstance(one, list | tuple):
        assert len(one) == len(other), path
        return max((largest_difference(a, b, path) for a, b in zip(one, other, strict=True)), default=0.0)
    assert one == other, path
    return 0.0


PAIRS = [
    ("one-muon", "ddp-muon"),
    *((f"one-{name}", f"fsdp-{name}") for name in OPTIMIZERS),
    ("one-muon", "one-two"),
    ("one-muon", "two-one"),
    ("one-muon", "two-four"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=[other for _, other in PAIRS])
def test_ranks_make_the_run_of_one_device(made, one, other):
    """The whole state: weights, optimizer, average, step. And the log: words exactly, losses within the tolerance."""
    difference = largest_difference(runs.state(made.path(one)), runs.state(made.path(other)))
    print(f"{other} against {one}: {difference:.1e}")
    assert difference < TOLERANCE
    logs = [
        [json.loads(line) for line in (made.path(n) / "metrics.jsonl").read_text().splitlines()] for n in (one, other)
    ]
    assert [line["words"] for line in logs[0]] == [line["words"] for line in logs[1]]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]]
    for name in ("loss", "causal", "masked", "grad_norm"):
        assert [line[name] for line in logs[0]] == pytest.approx([line[name] for line in logs[1]], abs=1e-4)
    assert logs[0][0]["loss"] - logs[0][-1]["loss"] > 0.3, "the run learns, so equality says something"


@pytest.mark.parametrize("revision", ["chck_400", "chck_900", "main"])
def test_revisions_written_under_fsdp_load_like_any_other(made, revision):
    tensors = []
    for name in ("one-muon", "fsdp-muon"):
        folder = made.path(name) / revision
        assert revisions.verify(folder) == []
        tensors.append(revisions.load(folder)[0].state_dict())
    assert largest_difference(*tensors) < TOLERANCE
    facts = [revisions.facts(made.path(name) / revision) for name in ("one-muon", "fsdp-muon")]
    assert all(facts[0][key] == facts[1][key] for key in ("words", "step", "milestone"))


def test_a_signal_to_one_rank_stops_all_with_the_state_saved(made):
    assert runs.state(made.path("two-stopped"))["step"] == STOP
    assert "stopped by a signal after step 12, state saved" in (made.path("two-stopped") / "log.txt").read_text()
    assert "continuing after step 12" in (made.path("two-four") / "log.txt").read_text()


@pytest.mark.parametrize("name", list(DEATHS))
def test_a_dead_rank_ends_all_and_is_named(made, name):
    """With the state of before; the whole fixture takes less than the minute in which this has to happen."""
    _, codes, reason = DEATHS[name]
    assert made.codes[name] == codes, made.printed
    assert re.search(reason, made.printed), made.printed
    log = made.path(name) / "log.txt"
    if codes[0] > 0:
        assert re.search(f"error: {reason}", log.read_text())
        assert re.search(reason, run_folder.last_words(log))
    state = checkpoint.load(made.path(name), pytest.fail)
    assert state["step"] == 8, "the state of the milestone before"


def rank_of(process, number):
    """The process id of a local rank that ``process`` has started."""
    for child in map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()):
        if f"LOCAL_RANK={number}\0" in Path(f"/proc/{child}/environ").read_text():
            return child
    raise AssertionError(f"process {process} has no rank {number}")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the ranks in /proc")
@pytest.mark.parametrize("launcher", ["itself", "torchrun"])
def test_a_killed_rank_ends_a_run_however_it_was_started(made, launcher, root):
    words = ["babylm.train", str(made.folder / "run.yaml"), *made.words(launcher, "budget.epochs=900")]
    words += ["training.strategy=fsdp", "training.checkpoint_minutes=0.01", "schedule.name=constant"]
    if launcher == "torchrun":
        start = ["torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}", "-m"]
    else:
        start, words = [], [*words, "training.devices=2"]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, "-m", *start, *words]
    running = subprocess.Popen(
        command, cwd=made.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        end = time.monotonic() + 120
        while not (made.path(launcher) / "previous.ckpt").exists():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)
        os.kill(rank_of(running.pid, 1), 9)
        printed, _ = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 1, printed
    log = (made.path(launcher) / "log.txt").read_text()
    assert re.search("error: rank 1 of 2 .*has died .*; the last saved state is kept", log), printed
    assert checkpoint.load(made.path(launcher), pytest.fail)["step"] > 1
