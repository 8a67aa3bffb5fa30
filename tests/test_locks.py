"""A lock knows its owner: a fresh record of another host counts where flock cannot be trusted, never a dead one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time

import pytest

from babylm import locks

pytest.importorskip("fcntl")
OTHER = {"host": "node7", "process": 4242, "job": "70_3"}


@pytest.fixture
def lock(tmp_path):
    """A lock file with the record of another host."""
    file = tmp_path / ".lock"
    file.write_text(json.dumps(OTHER))
    return file


@pytest.fixture
def shared(monkeypatch):
    """As if the disk were a network file system."""
    monkeypatch.setattr(locks, "_is_shared", lambda file: True)


def in_another_process(file, code="", environment=None):
    """Keep the lock in a process of its own; returns what it printed."""
    program = textwrap.dedent(f"""
        import os, pathlib, sys
        from babylm import locks
        locks._is_shared = lambda file: True
        file = pathlib.Path({str(file)!r})
        try:
            locks.keep(file)
            print("kept")
        except locks.Locked as error:
            print("refused:", error)
        sys.stdout.flush()
        {code}
    """)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return done.stdout


def test_a_fresh_record_of_another_host_refuses_and_says_what_to_do(lock, shared):
    with pytest.raises(
        locks.Locked, match=r"process 4242 on node7 \(SLURM job 70_3: squeue -j 70_3\).*if it is dead, remove"
    ):
        locks.keep(lock)
    assert locks.is_held(lock)
    assert json.loads(lock.read_text()) == OTHER, "nothing is changed"


def test_an_old_record_is_that_of_a_dead_process(lock, shared):
    before = time.time() - locks.FRESH_SECONDS - 5
    os.utime(lock, (before, before))
    assert not locks.is_held(lock)
    assert in_another_process(lock) == "kept\n"


def test_on_a_disk_of_this_machine_flock_decides(lock):
    assert not locks.is_held(lock)
    locks.keep(lock)
    assert json.loads(lock.read_text())["process"] == os.getpid()


def test_a_requeued_job_takes_its_own_record_over(lock):
    ids = {"SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_ID": "73"}
    assert in_another_process(lock, environment=ids) == "kept\n"
    lock.write_text(json.dumps(OTHER))
    assert in_another_process(lock, environment=ids | {"SLURM_ARRAY_TASK_ID": "4"}).startswith("refused")


def test_the_record_ends_with_its_process(tmp_path):
    file = tmp_path / ".lock"
    assert in_another_process(file) == "kept\n"
    assert json.loads(file.read_text()) == {}, "given back"
    assert in_another_process(file, code="os.kill(os.getpid(), 9)") == "kept\n"
    assert json.loads(file.read_text())["host"], "a kill leaves it"
    assert in_another_process(file) == "kept\n", "a dead process of this host has no lock"


def test_without_flock_a_living_process_of_this_host_counts(tmp_path, shared, monkeypatch):
    file = tmp_path / ".lock"
    monkeypatch.setattr(locks, "_flock", lambda descriptor, wait: False)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        file.write_text(json.dumps(locks.this_owner() | {"process": sleeper.pid, "job": ""}))
        with pytest.raises(locks.Locked, match=f"process {sleeper.pid} on"):
            locks.keep(file)
    finally:
        sleeper.kill()
        sleeper.wait()
    locks.keep(file)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00\xff"])
def test_a_record_that_cannot_be_read_is_none(tmp_path, shared, text):
    file = tmp_path / ".lock"
    file.write_bytes(text.encode("latin-1"))
    assert not locks.is_held(file)
    assert in_another_process(file) == "kept\n"
