"""The job scripts on a real SLURM of one node, which slurm/testing/up.sh starts on loopback.

Needs Debian's slurm-wlm and munge, and root. A requeued job waits two minutes by itself, so the test releases it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from babylm.training import checkpoint
from tests.conftest import ROOT
from tests.training import runs
from tests.training.test_devices import TOLERANCE, largest_difference

pytestmark = [
    pytest.mark.skipif(
        not all(shutil.which(name) for name in ("slurmctld", "slurmd", "munged", "sbatch")),
        reason="no SLURM: apt-get install slurm-wlm munge",
    ),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="starting a SLURM needs root"),
]
RUN = """
name: r
track: free
milestones: [4_000, 8_000]
corpus: {source: toy, toy: {words: 4_000}}
tokenizer: {vocab_size: 400}
model: {preset: smoke, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48}
phases: [{sequence_length: 32, tokens_per_step: 64}]
budget: {epochs: 3}
training: {precision: fp32, attention: sdpa, compile: false, log_every: 1, threads: 1}
evaluation: {tasks: []}
"""

SMOOTH = ("model.dropout=0.0", "optimizer.name=adamw", "optimizer.eps=1.0", "optimizer.lr=0.05")
"""With this eps the update is all but linear in the gradient: rounding stays rounding, for 600 steps of two rows."""


class Cluster:
    """A node, and the repository's root as its jobs see it: a folder of links, so that nothing is written elsewhere."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment

    def call(self, *words):
        return subprocess.run(
            words, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=True
        ).stdout

    def submit(self, *words):
        """The number of a new job; the node of the test has room for what the scripts ask for by themselves."""
        return self.call("sbatch", "--parsable", *map(str, words)).strip().partition(";")[0]

    def fact(self, job, key):
        """What SLURM says of a job or task; it forgets an ended one after a while."""
        shown = self.call("scontrol", "show", "job", "--oneliner", job)
        return next(word.partition("=")[2] for word in shown.split() if word.startswith(f"{key}="))

    def state(self, job):
        """State of a job or task."""
        return self.fact(job, "JobState")

    def wait(self, job, *states, seconds=240):
        """Until a job has one of the states; a requeued one is released."""
        end = time.monotonic() + seconds
        while (state := self.state(job)) not in states:
            if state == "PENDING":
                subprocess.run(
                    ["scontrol", "update", f"jobid={job}", "starttime=now"],
                    env=self.environment,
                    capture_output=True,
                    check=False,
                )
            assert time.monotonic() < end, f"{job} is {state}, not {states}: {self.logs()}"
            time.sleep(0.3)
            if state in ("FAILED", "NODE_FAIL"):  # also for a moment, before a job is requeued
                time.sleep(3)
                assert self.state(job) not in ("FAILED", "NODE_FAIL") or state in states, self.logs()

    def run_until(self, name, steps):
        """Wait until a run has logged so many steps."""
        end = time.monotonic() + 120
        while self.steps(name) < steps:
            assert time.monotonic() < end, self.logs()
            time.sleep(0.1)

    def processes(self, job):
        """Process id -> environment, of the job's own processes (not SLURM's)."""
        result = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                entries = (folder / "environ").read_text(errors="replace").split("\0")
                values = dict(entry.partition("=")[::2] for entry in entries)
                if (values.get("SLURM_CONF"), values.get("SLURM_JOB_ID")) == (self.environment["SLURM_CONF"], job):
                    result[int(folder.name)] = values
        return result

    def logs(self):
        files = [*(self.folder / "checkpoints").glob("*.log"), self.state_folder / "slurmctld.log"]
        return "\n".join(file.read_text()[-2000:] for file in files)

    @property
    def state_folder(self):
        return Path(self.environment["SLURM_CONF"]).parent

    def steps(self, name):
        """Steps that a run has logged."""
        file = self.folder / "checkpoints" / name / "metrics.jsonl"
        return file.read_text().count("\n") if file.is_file() else 0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    state = tmp_path_factory.mktemp("slurm")
    environment = {
        **os.environ,
        "SLURM_TEST_PORT": str(17_000 + os.getpid() % 1_000 * 2),
        "PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
    }
    up = subprocess.run(
        [ROOT / "slurm/testing/up.sh", state], env=environment, capture_output=True, text=True, check=False
    )
    if up.returncode:
        pytest.skip(f"SLURM did not start here: {up.stderr.strip()[-300:]}")
    folder = tmp_path_factory.mktemp("root")
    for name in ("slurm", "configs", "babylm"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "checkpoints").mkdir()
    (folder / "run.yaml").write_text(RUN)
    try:
        yield Cluster(folder, {**environment, "SLURM_CONF": f"{state}/slurm.conf", "PYTHONPATH": str(ROOT)})
    finally:
        subprocess.run([ROOT / "slurm/testing/down.sh", state], env=environment, capture_output=True, check=False)


def weights(cluster, name):
    return json.loads((cluster.folder / "checkpoints" / name / "main" / "babylm.json").read_text())["weights_sha256"]


@pytest.fixture(scope="module")
def alone(cluster):
    """The run that one process makes without SLURM, which the tests below repeat."""
    environment = {name: value for name, value in cluster.environment.items() if not name.startswith("SLURM_")}
    command = [sys.executable, "-m", "babylm.train", "run.yaml", "name=alone", *SMOOTH]
    subprocess.run(command, env=environment, cwd=cluster.folder, check=True, capture_output=True)
    return "alone"


def test_runs_of_an_array_that_are_preempted_twice_equal_their_twins(cluster):
    """Four tasks: two seeds, each once alone and once preempted twice."""
    lines = [f"name={name}{seed} seed={seed}" for name in ("twin", "stopped") for seed in (1, 2)]
    (cluster.folder / "four.txt").write_text("\n".join(lines))
    array = cluster.submit("--array=0-3", "slurm/sweep.sbatch", "run.yaml", "four.txt")
    for steps in (5, 60):
        for task, name in ((2, "stopped1"), (3, "stopped2")):
            job = f"{array}_{task}"
            cluster.wait(job, "RUNNING")
            cluster.run_until(name, steps)
            cluster.call("scancel", "--batch", "--signal=USR1", job)
            cluster.wait(job, "PENDING")
    restarts = {}
    for task in range(4):
        cluster.wait(f"{array}_{task}", "COMPLETED")
        restarts[task] = cluster.fact(f"{array}_{task}", "Restarts")
    for seed in (1, 2):
        assert weights(cluster, f"stopped{seed}") == weights(cluster, f"twin{seed}")
        log = (cluster.folder / "checkpoints" / f"stopped{seed}" / "log.txt").read_text()
        assert "stopped by SIGUSR1" in log
        assert "continuing after step" in log
    assert [restarts[task] for task in range(4)] == ["0", "0", "2", "2"]
    assert weights(cluster, "twin1") != weights(cluster, "twin2")


def test_scancel_saves_and_does_not_requeue(cluster):
    job = cluster.submit("slurm/train.sbatch", "run.yaml", "name=cancelled", "budget.epochs=50")
    cluster.run_until("cancelled", 5)
    second = cluster.submit("slurm/train.sbatch", "run.yaml", "name=cancelled", "budget.epochs=50")
    cluster.wait(second, "FAILED")
    assert f"SLURM job {job}: squeue -j {job}" in cluster.logs(), "two tasks never share a run"
    cluster.call("scancel", job)
    cluster.wait(job, "CANCELLED")
    folder = cluster.folder / "checkpoints" / "cancelled"
    end = time.monotonic() + 30
    while "stopped by SIGTERM" not in (folder / "log.txt").read_text():
        assert time.monotonic() < end, cluster.logs()
        time.sleep(0.2)
    assert (folder / "last.ckpt").is_file()
    assert cluster.state(job) == "CANCELLED", "it is not requeued"


def test_an_evaluation_is_shared_out_and_a_study_runs(cluster):
    run = cluster.folder / "checkpoints" / "scored"
    cluster.wait(cluster.submit("slurm/train.sbatch", "run.yaml", "name=scored"), "COMPLETED")
    array = cluster.submit("--array=0-1", "slurm/evaluate.sbatch", run, "tasks=toy_pairs", "limit=5")
    study = cluster.submit(
        "slurm/study.sbatch", "configs/studies/developmental_order.yaml", f"runs=[{run}]", "task=toy_pairs", "seeds=[1]"
    )
    for job in (f"{array}_0", f"{array}_1", study):
        cluster.wait(job, "COMPLETED")
    stored = sorted(file.parent.name for file in (run / "evaluation").glob("*/toy_pairs.fast.*.json"))
    assert stored == ["chck_4K", "chck_8K", "main"]
    assert (cluster.folder / "checkpoints/studies/developmental_order/summary.json").is_file()


def test_the_campaign_and_an_interaction(cluster):
    """The recipe search, shared out over an array, then once more without one for the rest and its table."""
    study = "configs/studies/recipe_search.yaml"
    search = ("slurm/study.sbatch", study, "scale=smoke", "seeds=[1]", "stages=[compare]")
    small = ("configs/interaction.yaml", "corpus.toy.words=3_000", "interaction.rounds=1", "interaction.prompts=8")
    base = ("slurm/train.sbatch", *small, "name=base", "objective.name=hybrid", "budget.epochs=1")
    array, base = cluster.submit("--array=0-1", *search), cluster.submit(*base)
    wait_for_base = f"--dependency=afterok:{base}"
    interaction = cluster.submit(wait_for_base, "slurm/interact.sbatch", *small, "init_from=checkpoints/base")
    for task in range(2):
        cluster.wait(f"{array}_{task}", "COMPLETED")
    folder = cluster.folder / "checkpoints/studies/recipe_search"
    assert len(list((folder / "pieces").glob("*.json"))) >= 2, "the pieces of the first question"
    assert not (folder / "summary.json").exists()
    cluster.wait(cluster.submit(*search), "COMPLETED")
    summary = (folder / "summary.md").read_text()
    assert "weight decay" in summary
    assert "chosen" in summary
    assert len(json.loads((folder / "summary.json").read_text())["conditions"]) >= 4
    cluster.wait(interaction, "COMPLETED")
    assert weights(cluster, "interaction") != weights(cluster, "base")


def parent(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_dead_node_costs_no_more_than_the_time_between_two_states(cluster, alone):
    """The node's slurmd, the job's slurmstepd and its processes are killed at once; then the node comes back."""
    minutes = 0.05
    words = ("name=dies", *SMOOTH, f"training.checkpoint_minutes={minutes}")
    job = cluster.submit("slurm/train.sbatch", "run.yaml", *words)
    folder = cluster.folder / "checkpoints" / "dies"
    end = time.monotonic() + 120
    while not (folder / "last.ckpt").is_file() or cluster.steps("dies") < 20:
        assert time.monotonic() < end, cluster.logs()
        time.sleep(0.05)
    own = list(cluster.processes(job))
    step_daemons = {parent(process) for process in own} - set(own)
    for process in (int((cluster.state_folder / "slurmd.pid").read_text()), *step_daemons, *own):
        with suppress(ProcessLookupError):  # one that ended with another, or a short command of the job's script
            os.kill(process, signal.SIGKILL)
    lost_seconds = time.time() - (folder / "last.ckpt").stat().st_mtime
    steps = [cluster.steps("dies"), runs.state(folder)["step"]]
    end = time.monotonic() + 60
    # Down, not only silent: a daemon that comes back before that says that the job is gone, which then has failed.
    while not cluster.call("sinfo", "-h", "-o", "%T").strip().startswith("down"):
        assert time.monotonic() < end
        time.sleep(0.3)
    ended = "_rpc_terminate_job: uid = 0 JobId="
    daemon_log = cluster.state_folder / "slurmd.log"
    before = daemon_log.read_text().count(ended)
    cluster.call("slurmd", "-vv", "-f", cluster.environment["SLURM_CONF"])
    # The order to end the dead job reaches the node now. `wait` starts the job at once, where SLURM lets two minutes
    # pass: the order would end the new one.
    while daemon_log.read_text().count(ended) == before:
        assert time.monotonic() < end + 60
        time.sleep(0.3)
    cluster.wait(job, "COMPLETED")
    print(f"steps made and steps saved: {steps}; the state was {lost_seconds:.1f} s old")
    assert lost_seconds < 60 * minutes + 3, "the time between two states, a step, and the writing"
    assert cluster.fact(job, "Restarts") == "1"
    assert f"continuing after step {steps[1]:,}" in (folder / "log.txt").read_text()
    assert weights(cluster, "dies") == weights(cluster, alone)


def test_two_tasks_make_the_run_of_one_and_are_requeued(cluster, alone):
    words = ("name=two", *SMOOTH, "training.strategy=fsdp")
    job = cluster.submit("--ntasks=2", "slurm/train.sbatch", "run.yaml", *words)
    cluster.run_until("two", 20)
    cluster.call("scancel", "--batch", "--signal=USR1", job)
    cluster.wait(job, "PENDING")
    cluster.wait(job, "COMPLETED")
    assert cluster.fact(job, "Restarts") == "1"
    states = [runs.state(cluster.folder / "checkpoints" / name) for name in (alone, "two")]
    difference = largest_difference(*states)
    print(f"two tasks against one process: {difference:.1e}")
    assert difference < TOLERANCE
    log = (cluster.folder / "checkpoints" / "two" / "log.txt").read_text()
    assert "stopped by SIGUSR1" in log
    assert log.count("saved main") == 1


def test_a_task_that_dies_ends_the_job_and_is_named(cluster):
    words = ("name=fails", "training.strategy=fsdp", "budget.epochs=50", "training.checkpoint_minutes=0.01")
    job = cluster.submit("--ntasks=2", "slurm/train.sbatch", "run.yaml", *words)
    cluster.run_until("fails", 20)
    rank = next(p for p, values in cluster.processes(job).items() if values.get("SLURM_PROCID") == "1")
    os.kill(rank, signal.SIGKILL)
    cluster.wait(job, "FAILED", seconds=60)
    folder = cluster.folder / "checkpoints" / "fails"
    assert f"error: rank 1 of 2 (process {rank} on " in (folder / "log.txt").read_text(), cluster.logs()
    assert checkpoint.load(folder, pytest.fail)["step"] > 0
