"""The job scripts with a stand-in for SLURM: a saved run is requeued by its own identity, others are not."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

TRAINER = """#!/usr/bin/env bash
echo "$@" >> {log}
if [[ "$*" == *wait* ]]; then
    trap 'sleep 0.3; echo saved >> {log}; exit 75' USR1 TERM
    echo ready >> {log}
    while true; do sleep 0.05; done
fi
[[ "$*" == *bad* ]] && exit 2
exit 0
"""


@pytest.fixture
def cluster(tmp_path):
    """Environment and log of a pretended cluster."""
    log = tmp_path / "log"
    for name, text in {
        "scontrol": f"#!/usr/bin/env bash\necho scontrol $@ >> {log}\n",
        "squeue": '#!/usr/bin/env bash\necho "${JOB_END:-}"\n',
        "python": TRAINER.format(log=log),
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHON": str(tmp_path / "python"),
        "SLURM_JOB_ID": "77",
    }
    return environment, log


def test_a_signal_saves_and_requeues_this_task_only(cluster, root):
    environment, log = cluster
    environment |= {"SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3"}
    job = subprocess.Popen(["bash", "slurm/train.sbatch", "configs/smoke.yaml", "wait=1"], cwd=root, env=environment)
    while not log.exists() or "ready" not in log.read_text():
        time.sleep(0.02)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(timeout=20) == 0
    assert log.read_text().splitlines()[-2:] == ["saved", "scontrol requeue 70_3"]


def test_several_tasks_are_started_by_srun_which_gets_usr1_instead_of_term(cluster, root):
    """On TERM srun would kill the tasks before they have saved."""
    environment, log = cluster
    (log.parent / "srun").write_text(f'#!/usr/bin/env bash\necho srun "$@" >> {log}\nexec "${{@:3}}"\n')
    (log.parent / "srun").chmod(0o755)
    environment |= {"SLURM_NTASKS": "2", "SLURM_CPUS_PER_TASK": "4"}
    job = subprocess.Popen(["bash", "slurm/train.sbatch", "configs/smoke.yaml", "wait=1"], cwd=root, env=environment)
    while not log.exists() or "ready" not in log.read_text():
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=20) == 75
    lines = log.read_text().splitlines()
    python = environment["PYTHON"]
    assert lines[0] == (
        f"srun --kill-on-bad-exit=1 --cpus-per-task=4 {python} -m babylm.train configs/smoke.yaml wait=1"
    )
    assert lines[-1] == "saved", "and not requeued: TERM leaves that to SLURM"


def test_an_evaluation_is_one_process_whatever_the_number_of_tasks(cluster, root):
    environment, log = cluster
    environment |= {"SLURM_NTASKS": "2"}
    subprocess.run(["bash", "slurm/evaluate.sbatch", "checkpoints/s1"], cwd=root, env=environment, check=True)
    assert log.read_text() == "-m babylm.evaluate checkpoints/s1\n"


@pytest.mark.parametrize(("word", "code"), [("bad=1", 2), ("fine=1", 0)])
def test_finished_and_wrong_runs_are_not_requeued(cluster, root, word, code):
    environment, log = cluster
    done = subprocess.run(
        ["bash", "slurm/train.sbatch", "configs/smoke.yaml", word], cwd=root, env=environment, check=False
    )
    assert done.returncode == code
    assert "scontrol" not in log.read_text()


def test_array_tasks_take_their_own_line_and_never_share_a_name(cluster, root, tmp_path):
    environment, log = cluster
    (tmp_path / "s.txt").write_text("# a comment\n\nseed=1\nname=mine seed=2\n")
    for task in ("0", "1"):
        subprocess.run(
            ["bash", "slurm/sweep.sbatch", "configs/smoke.yaml", tmp_path / "s.txt"],
            cwd=root,
            env={**environment, "SLURM_ARRAY_TASK_ID": task},
            check=True,
        )
    assert log.read_text().splitlines() == [
        "-m babylm.train configs/smoke.yaml seed=1 name=s-0",
        "-m babylm.train configs/smoke.yaml name=mine seed=2",
    ]
    log.unlink()
    words = ["configs/smoke.yaml", tmp_path / "s.txt", "model.dropout=0", "seed=5"]
    subprocess.run(
        ["bash", "slurm/sweep.sbatch", *words], cwd=root, env={**environment, "SLURM_ARRAY_TASK_ID": "0"}, check=True
    )
    assert log.read_text() == "-m babylm.train configs/smoke.yaml model.dropout=0 seed=5 seed=1 name=s-0\n", (
        "what holds for all runs comes before what the line says"
    )
    over = subprocess.run(
        ["bash", "slurm/sweep.sbatch", "configs/smoke.yaml", tmp_path / "s.txt"],
        cwd=root,
        env={**environment, "SLURM_ARRAY_TASK_ID": "2"},
        check=False,
    )
    assert over.returncode == 2


def test_an_array_shares_out_the_revisions(cluster, root):
    environment, log = cluster
    command = ["bash", "slurm/evaluate.sbatch", "checkpoints/s1", "suite=fast"]
    array = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "4"}
    for own in ({**array, "SLURM_ARRAY_TASK_ID": "1"}, {**array, "SLURM_ARRAY_TASK_ID": "4"}, {}):
        subprocess.run(command, cwd=root, env={**environment, **own}, check=True)
    assert log.read_text().splitlines() == [
        "-m babylm.evaluate checkpoints/s1 suite=fast part=0/4",
        "-m babylm.evaluate checkpoints/s1 suite=fast part=3/4",
        "-m babylm.evaluate checkpoints/s1 suite=fast",
    ]


def test_an_evaluation_that_is_stopped_is_requeued(cluster, root):
    """It does not listen to the signal: what is finished is stored already."""
    environment, log = cluster
    (log.parent / "python").write_text(f"#!/usr/bin/env bash\necho ready >> {log}\nexec sleep 20\n")
    job = subprocess.Popen(["bash", "slurm/evaluate.sbatch", "checkpoints/s1"], cwd=root, env=environment)
    while not log.exists():
        time.sleep(0.02)
    time.sleep(0.2)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(timeout=10) == 0
    assert log.read_text().splitlines() == ["ready", "scontrol requeue 77"]


def test_every_line_of_the_shipped_sweep_is_a_valid_run(root):
    from babylm import config

    lines = [
        line.split()
        for line in (root / "slurm" / "sweep.txt").read_text().splitlines()
        if line.strip() and line[0] != "#"
    ]
    names = {config.load(root / "configs" / "strict_small.yaml", overrides).name for overrides in lines}
    assert len(names) == len(lines) >= 8


@pytest.mark.parametrize(("code", "requeued"), [(75, True), (0, False), (2, False)])
def test_a_study_is_requeued_while_work_is_left(cluster, root, code, requeued):
    environment, log = cluster
    trainer = log.parent / "python"
    trainer.write_text(f'#!/usr/bin/env bash\necho "$@" >> {log}\nexit {code}\n')
    command = ["bash", "slurm/study.sbatch", "configs/studies/recipe_search.yaml"]
    done = subprocess.run(command, cwd=root, env={**environment, "STUDY_SECONDS": "3300"}, check=False)
    assert done.returncode == (0 if requeued else code)
    lines = log.read_text().splitlines()
    assert lines[0] == "-m babylm.study configs/studies/recipe_search.yaml time_limit=3300"
    assert lines[1:] == (["scontrol requeue 77"] if requeued else [])


@pytest.mark.parametrize(
    ("minutes", "limit"), [(240, 240 * 60 - 300), (8, 240), (None, 3300)], ids=["long", "short", "unknown"]
)
def test_a_study_has_the_time_of_its_job(cluster, root, minutes, limit):
    """Less five minutes, or half of a short job; a job whose end SLURM does not tell is taken for one of an hour."""
    environment, log = cluster
    end = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 60 * minutes)) if minutes else "N/A"
    subprocess.run(["bash", "slurm/study.sbatch", "S.yaml"], cwd=root, env={**environment, "JOB_END": end}, check=True)
    assert int(log.read_text().partition("time_limit=")[2]) == pytest.approx(limit, abs=5)


def test_a_study_that_is_cancelled_saves_and_is_not_requeued(cluster, root):
    environment, log = cluster
    job = subprocess.Popen(["bash", "slurm/study.sbatch", "S.yaml", "wait=1"], cwd=root, env=environment)
    while not log.exists() or "ready" not in log.read_text():
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=20) == 75
    assert log.read_text().splitlines()[-1] == "saved"


def test_a_study_as_an_array_shares_out_its_pieces(cluster, root):
    environment, log = cluster
    array = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_JOB_ID": "70"}
    environment |= {**array, "SLURM_ARRAY_TASK_ID": "2"}
    environment["STUDY_SECONDS"] = "3300"
    subprocess.run(["bash", "slurm/study.sbatch", "S.yaml"], cwd=root, env=environment, check=True)
    assert log.read_text().splitlines() == ["-m babylm.study S.yaml time_limit=3300 part=1/4"]
