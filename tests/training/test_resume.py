"""An interrupted run gives the same model, to the bit on a CPU, whenever and however it was interrupted."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch

from babylm import revisions, train
from babylm.training import checkpoint
from babylm.training.module import Pretraining

from . import runs


def stop_at(monkeypatch, step: int, number: int) -> None:
    """Send this process a signal in the middle of step ``step``."""
    original = Pretraining.training_step

    def training_step(self, batch, batch_idx=0):
        if self.completed == step and not getattr(self, "_sent", False):
            self._sent = True
            os.kill(os.getpid(), number)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Pretraining, "training_step", training_step)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: dropout, masking, two phases, accumulation, an average of the weights."""
    return runs.run(tmp_path_factory.mktemp("whole"))


def same_run(one, other) -> None:
    assert runs.digest(runs.state(one)) == runs.digest(runs.state(other))
    for name in ("chck_400", "chck_900", "main"):
        hashes = [json.loads((folder / name / "babylm.json").read_text())["weights_sha256"] for folder in (one, other)]
        assert hashes[0] == hashes[1], name
    lines = [
        [
            {k: v for k, v in json.loads(line).items() if "second" not in k and k != "memory_gb"}
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        for folder in (one, other)
    ]
    assert [line["step"] for line in lines[0]] == [line["step"] for line in lines[1]]
    assert lines[0][-1]["grad_norm"] == lines[1][-1]["grad_norm"]


@pytest.mark.parametrize(
    ("step", "number", "workers"),
    [
        (5, signal.SIGTERM, 0),
        (13, signal.SIGUSR1, 0),
        (13, signal.SIGUSR1, 2),
        (16, signal.SIGINT, 0),
        (5, signal.SIGHUP, 0),
    ],
)
def test_resume_is_bit_exact(tmp_path, monkeypatch, whole, step, number, workers):
    made = runs.make(tmp_path, f"training.workers={workers}")
    # Where the tests themselves were started by nohup, SIGHUP is ignored, and a run would leave it so.
    before = signal.signal(number, signal.SIG_DFL)
    with monkeypatch.context() as patch:
        stop_at(patch, step, number)
        assert train.main(made) == train.EXIT_STOPPED
    signal.signal(number, before)
    folder = tmp_path / "checkpoints" / "run"
    assert runs.state(folder)["step"] == step + 1, "the step in which the signal came is finished, no other is begun"
    assert not (folder / "main").exists()
    assert train.main(made) == 0
    same_run(folder, whole)


def test_further_signals_change_nothing(tmp_path, root):
    """They come every few milliseconds from the first one to the end of the process: while it saves, and after that."""
    folder = tmp_path / "checkpoints" / "run"
    runs.make(tmp_path)
    places = ["corpus.path=text", "corpus.prepared=prepared", "checkpoints=checkpoints"]
    long = ["budget.epochs=200", "schedule.name=constant", "training.log_every=1"]
    command = [sys.executable, "-m", "babylm.train", "run.yaml", *places, *long]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        end = time.monotonic() + 120
        while not (folder / "metrics.jsonl").exists() or (folder / "metrics.jsonl").read_text().count("\n") < 5:
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)
        numbers = [signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP]
        while running.poll() is None:
            running.send_signal(numbers[0])
            numbers.append(numbers.pop(0))
            assert time.monotonic() < end
            time.sleep(0.005)
    finally:
        running.kill()
    printed, _ = running.communicate()
    assert running.returncode == train.EXIT_STOPPED, printed
    assert "state saved: repeat the command to continue" in printed
    assert runs.state(folder)["step"] >= 5


def test_the_same_config_gives_the_same_model(tmp_path, whole):
    same_run(runs.run(tmp_path), whole)


def test_a_finished_run_is_left_alone(whole, capsys):
    before = {p: p.stat().st_mtime_ns for p in whole.rglob("*") if p.is_file() and p.name != "log.txt"}
    assert train.main(runs.make(whole.parent.parent)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in whole.rglob("*") if p.is_file() and p.name != "log.txt"}


def test_another_config_is_refused(whole):
    with pytest.raises(ValueError, match=r"optimizer\.lr was 0\.01, now 0\.02.*name="):
        train.main(runs.make(whole.parent.parent, "optimizer.lr=0.02"))


def test_other_data_is_refused(tmp_path):
    folder = runs.run(tmp_path)
    with pytest.raises(ValueError, match="corpus fingerprint was"):
        train.main(runs.make(tmp_path, text=runs.sentences(149)))
    assert (folder / "main").exists()


def test_what_does_not_change_learning_may_change(whole):
    assert train.main(runs.make(whole.parent.parent, "training.log_every=3", "training.workers=1")) == 0


@pytest.fixture
def child(monkeypatch, tmp_path):
    """Run a function in a forked process (imports are paid once), its words in a file; returns its process id."""
    log = tmp_path / "child.txt"

    def start(function) -> int:
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            code = 1
            try:
                said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(said, 1)
                os.dup2(said, 2)
                code = function()
            except BaseException:
                os.write(said, traceback.format_exc().encode())
            finally:
                os._exit(code)
        return process

    return start


def test_kill_at_20_random_moments_ends_at_the_same_model(tmp_path, whole, child):
    """SIGKILL while training, while saving the state, while writing revisions: always a state to go on from."""
    made = runs.make(
        tmp_path, "training.checkpoint_minutes=0.000001"
    )  # a state after every step: most kills fall into a save
    folder = tmp_path / "checkpoints" / "run"
    generator = random.Random(0)
    begin = time.monotonic()
    process = child(lambda: train.main(made))
    os.waitpid(process, 0)
    seconds = time.monotonic() - begin
    for path in (folder, tmp_path / "prepared"):
        shutil.rmtree(path)
    kills = 0
    for attempt in range(400):
        process = child(lambda: train.main(made))
        time.sleep(generator.uniform(0, seconds * (1.0 if attempt % 4 else 0.4)))
        done, status = os.waitpid(process, os.WNOHANG)
        if done == 0:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            kills += 1
            loaded = checkpoint.load(folder) if folder.exists() else None
            assert loaded is None or 0 < loaded["step"] <= 100
            for path in folder.glob("chck_*"):
                assert revisions.verify(path) == []
        else:
            assert os.waitstatus_to_exitcode(status) == 0, (tmp_path / "child.txt").read_text()[-4000:]
            if kills >= 20:
                break
            shutil.rmtree(folder)  # finished too early: again from the start
    assert kills >= 20
    assert train.main(made) == 0
    same_run(folder, whole)


def test_a_second_interrupt_does_not_wait(tmp_path, monkeypatch, capsys):
    made = runs.make(tmp_path)
    original = Pretraining.training_step

    def training_step(self, batch, batch_idx=0):
        if self.completed == 5:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "training_step", training_step)
        assert train.main(made) == 130
    assert "interrupted; the last saved state is in " in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert train.main(made) == 0


def test_a_truncated_state_falls_back_to_its_predecessor(tmp_path, monkeypatch, whole, capsys):
    made = runs.make(tmp_path)
    with monkeypatch.context() as patch:
        stop_at(patch, 16, signal.SIGTERM)
        train.main(made)
    last = tmp_path / "checkpoints" / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    assert train.main(made) == 0
    assert "is passed over" in capsys.readouterr().out
    same_run(last.parent, whole)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", [checkpoint.LAST, checkpoint.PREVIOUS])
def test_what_is_no_file_is_refused_before_training(tmp_path, make, name):
    """A folder would be noticed when the state is saved, hours later; a pipe waits, a device has no end."""
    make(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is (a folder|no regular file): move it elsewhere"):
        checkpoint.load(tmp_path)


def test_one_flipped_byte_anywhere_is_noticed(tmp_path):
    tensors = {"step": 3, "network": {"a": torch.arange(1000.0), "b": torch.ones(3)}}
    for _ in range(2):
        checkpoint.save(tmp_path, tensors)
    content = (tmp_path / "last.ckpt").read_bytes()
    told: list[str] = []
    for place in [*range(0, len(content), 97), len(content) - 1]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        (tmp_path / "last.ckpt").write_bytes(flipped)
        told.clear()
        loaded = checkpoint.load(tmp_path, told.append)
        assert loaded is not None
        assert torch.equal(loaded["network"]["a"], tensors["network"]["a"])
        assert len(told) == 1, place
        assert "last.ckpt cannot be read" in told[0]
    (tmp_path / "previous.ckpt").write_bytes(flipped)
    with pytest.raises(ValueError, match="no readable state"):
        checkpoint.load(tmp_path, told.append)


def test_a_flipped_byte_of_the_state_changes_no_run(tmp_path, monkeypatch, whole, capsys):
    made = runs.make(tmp_path)
    with monkeypatch.context() as patch:
        stop_at(patch, 16, signal.SIGTERM)
        train.main(made)
    last = tmp_path / "checkpoints" / "run" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    assert train.main(made) == 0
    assert "last.ckpt cannot be read" in capsys.readouterr().out
    same_run(last.parent, whole)


def test_a_malicious_state_is_not_executed(tmp_path, whole):
    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    (tmp_path / "last.ckpt").write_bytes(pickle.dumps({"format": checkpoint.FORMAT, "x": Payload()}))
    torch.save({"format": checkpoint.FORMAT, "x": Payload()}, tmp_path / "previous.ckpt")
    for name in ("last.ckpt", "previous.ckpt"):  # anyone can write a right checksum
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content + checkpoint.MARK + hashlib.sha256(content).digest())
    with pytest.raises(ValueError, match="no readable state"):
        checkpoint.load(tmp_path, warn=lambda text: None)
    assert not (tmp_path / "owned").exists()


def test_a_missing_revision_of_the_last_step_is_written(tmp_path, capsys):
    """The state of the last step was saved, its revision was not: the run must not end without it."""
    last = "milestones=[400, 1976]"
    folder = runs.run(tmp_path, last)
    (name,) = [path.parent.name for path in folder.glob("chck_1*/manifest.json")]
    weights = (folder / name / "model.safetensors").read_bytes()
    facts = revisions.facts(folder / name)
    assert facts["step"] == json.loads((folder / "plan.json").read_text())["steps"]
    shutil.rmtree(folder / name)
    shutil.rmtree(folder / "main")
    assert train.main(runs.make(tmp_path, last)) == 0
    assert f"saved {name}: " in capsys.readouterr().out
    assert (folder / name / "model.safetensors").read_bytes() == weights
    assert revisions.facts(folder / name) == facts


def test_a_missing_revision_of_the_resumed_step_is_written(tmp_path, monkeypatch, whole):
    """A kill between the state and the revision of one step."""
    made = runs.make(tmp_path)
    folder = tmp_path / "checkpoints" / "run"
    step = json.loads((whole / "plan.json").read_text())["milestones"][0]["step"]
    with monkeypatch.context() as patch:
        stop_at(patch, step - 1, signal.SIGTERM)
        train.main(made)
    shutil.rmtree(folder / "chck_400")
    assert train.main(made) == 0
    same_run(folder, whole)


def test_other_code_and_lost_revisions_are_told(tmp_path, monkeypatch, capsys):
    made = runs.make(tmp_path)
    folder = tmp_path / "checkpoints" / "run"
    with monkeypatch.context() as patch:
        stop_at(patch, 13, signal.SIGTERM)
        train.main(made)
    shutil.rmtree(folder / "chck_400")
    environment = json.loads((folder / "environment.json").read_text())
    (folder / "environment.json").write_text(json.dumps({**environment, "code": "abc123"}))
    assert train.main(made) == 0
    printed = capsys.readouterr().out
    assert "warning: code was abc123, now " in printed
    assert "are missing and will not be made again: chck_400\n" in printed
