"""Revisions written beside the loop: whole or absent, never behind a saved state, and their errors heard."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
import torch

from babylm import revisions, train
from babylm.training import checkpoint
from babylm.training.background_writer import BackgroundWriter
from babylm.training.setup import TrainingSetup

from . import runs
from .test_resume import child, stop_at  # noqa: F401 (a fixture)


def test_one_job_at_a_time_and_errors_come_back():
    done: list[int] = []
    writer, gate = BackgroundWriter(), threading.Event()

    def first():
        gate.wait(5)
        done.append(1)

    writer.start(first, lambda: done.append(10))
    writer.collect()
    assert done == []
    gate.set()
    writer.start(lambda: done.append(2), lambda: done.append(20))
    assert done[:2] == [1, 10], "the second waited for the first"
    writer.close()
    assert done == [1, 10, 2, 20]

    def fail():
        raise OSError("full")

    writer.start(fail, lambda: None)
    with pytest.raises(OSError, match="full"):
        writer.collect(wait=True)
    writer.close()


@pytest.fixture
def slow(monkeypatch):
    """A writer slower than training, in another thread than the loop's."""
    original, threads = TrainingSetup.save_revision, []

    def save(self, folder, weights, facts):
        threads.append(threading.current_thread().name)
        if folder.name != "main":
            time.sleep(0.4)
        original(self, folder, weights, facts)

    monkeypatch.setattr(TrainingSetup, "save_revision", save)
    return threads


def test_a_slow_writer_changes_nothing(tmp_path, slow, monkeypatch):
    folder = runs.run(tmp_path / "slow")
    assert slow[0].startswith("babylm-save")
    assert slow[-1] == "MainThread"
    monkeypatch.undo()
    plain = runs.run(tmp_path / "plain")
    assert runs.digest(runs.state(folder)) == runs.digest(runs.state(plain))
    for name in ("chck_400", "chck_900", "main"):
        assert revisions.verify(folder / name) == []
        assert revisions.facts(folder / name)["weights_sha256"] == revisions.facts(plain / name)["weights_sha256"]
    assert "saved chck_400: " in (folder / "log.txt").read_text()


def test_a_failing_writer_stops_the_run(tmp_path, monkeypatch):
    original = TrainingSetup.save_revision

    def save(self, folder, weights, facts):
        if folder.name == "chck_400":
            raise OSError("no space left")
        original(self, folder, weights, facts)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingSetup, "save_revision", save)
        with pytest.raises(OSError, match="no space left"):
            train.main(runs.make(tmp_path))
    folder = tmp_path / "checkpoints" / "run"
    assert runs.state(folder)["step"] == 4, "no state past the revision that is missing"
    assert train.main(runs.make(tmp_path)) == 0
    assert revisions.verify(folder / "chck_400") == []


def test_a_stop_waits_for_the_writer(tmp_path, slow, monkeypatch):
    stop_at(monkeypatch, 4, signal.SIGTERM)
    assert train.main(runs.make(tmp_path)) == train.EXIT_STOPPED
    folder = tmp_path / "checkpoints" / "run"
    assert revisions.verify(folder / "chck_400") == []
    assert runs.state(folder)["step"] == 5


@pytest.mark.usefixtures("slow")
def test_a_kill_while_the_writer_works_leaves_no_gap(tmp_path, child):  # noqa: F811
    """SIGKILL with the revision of step 4 half written and states saved at every step."""
    made = runs.make(tmp_path, "training.checkpoint_minutes=0.000001")
    folder = tmp_path / "checkpoints" / "run"
    process = child(lambda: train.main(made))
    begin = time.monotonic()
    while not list(folder.glob(".chck_400*")) and not (folder / "chck_400").exists():
        loaded = checkpoint.load(folder) if (folder / "last.ckpt").exists() else None
        if loaded is not None and loaded["step"] == 4:
            time.sleep(0.1)
            break
        assert time.monotonic() - begin < 120
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    if not (folder / "chck_400").exists():
        assert runs.state(folder)["step"] == 4
    assert train.main(made) == 0
    assert revisions.verify(folder / "chck_400") == []


def test_building_the_skeleton_draws_no_random_numbers(tmp_path):
    from babylm.corpora.build import prepare
    from babylm.training import setup

    made = runs.make(tmp_path)
    opened = setup.open_run(made, prepare(made.corpus, made.tokenizer, print), setup.console.Log(quiet=True))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert next(opened.skeleton.parameters()).device.type == "meta"
    assert torch.equal(before, torch.get_rng_state())
