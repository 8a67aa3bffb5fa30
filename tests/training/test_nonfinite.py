"""What is wrong stops: non-finite gradients before the step, full disks and read-only folders with the state intact."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
import torch

from babylm import train
from babylm.randomness import Purpose, derive_seed
from babylm.training import checkpoint
from babylm.training.module import Pretraining

from . import runs


def poison(monkeypatch, step, value):
    """The loss of one step becomes ``value``; the weights before that step are kept."""
    original, kept = Pretraining.training_step, {}

    def training_step(self, batch, batch_idx=0):
        loss = original(self, batch, batch_idx)
        if batch.step == step:
            kept.update({k: v.cpu().clone() for k, v in self.network.state_dict().items()})
            kept["module"] = self
            return loss * value
        return loss

    monkeypatch.setattr(Pretraining, "training_step", training_step)
    return kept


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path, monkeypatch, capsys, value):
    with monkeypatch.context() as patch:
        kept = poison(patch, 6, value)
        made = runs.make(tmp_path)
        assert train.main(made) == train.EXIT_NOT_FINITE
    printed = capsys.readouterr().out
    assert "step 6: the gradient is not finite (documents " in printed
    module = kept.pop("module")
    for name, tensor in module.network.state_dict().items():
        assert torch.equal(tensor.cpu(), kept[name]), name
    folder = tmp_path / "checkpoints" / "run"
    assert runs.state(folder)["step"] == 4, "the state of the last milestone is intact"
    assert train.main(made) == 0, "and the run goes on from it"


def test_the_message_names_the_documents_of_the_step(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        kept = poison(patch, 2, float("nan"))
        train.main(runs.make(tmp_path))
    named = kept["module"].feed.describe_step(2)
    assert named.startswith("documents ")
    assert f"({named})" in capsys.readouterr().out


def test_a_full_disk_keeps_the_last_state(tmp_path, monkeypatch):
    made = runs.make(tmp_path)
    runs_state = runs.run(tmp_path)
    before = runs.digest(runs.state(runs_state))
    program = (
        "import resource, sys, pathlib; from babylm.training import checkpoint\n"
        "saved = checkpoint.load(pathlib.Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: checkpoint.save(pathlib.Path(sys.argv[1]), {k: v for k, v in saved.items() if k != 'format'})\n"
        "except OSError as error: print('refused', error.filename)"
    )
    done = subprocess.run([sys.executable, "-c", program, runs_state], capture_output=True, text=True, check=True)
    assert done.stdout == f"refused {runs_state / 'last.ckpt'}\n"  # the file's own error, not torch's of its archive
    assert runs.digest(checkpoint.load(runs_state)) == before
    assert not [name for name in os.listdir(runs_state) if name.endswith(".partial")]
    assert made.name == "run"


@pytest.mark.parametrize("room", [0, 100, 5_000, 20_000])
def test_a_disk_that_is_full_of_a_revision_or_a_state_is_an_error_of_the_file(tmp_path, room):
    """Neither torch's nor safetensors' own errors, which would be a traceback."""
    program = (
        "import pathlib, resource, sys, torch\n"
        "from babylm import revisions\n"
        "from babylm.training import checkpoint\n"
        "room, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))\n"
        "weights = {'a': torch.zeros(50_000)}\n"
        "writes = [lambda: checkpoint.save(folder, weights), lambda: revisions._write_weights(weights, folder / 'w')]\n"
        "for write in writes:\n"
        "    try: write()\n"
        "    except OSError as error: print(error.strerror, pathlib.Path(error.filename).name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(room), tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "File too large last.ckpt\nFile too large w\n"


def test_too_little_disk_is_refused_before_the_first_step(tmp_path, monkeypatch):
    from babylm import folders

    monkeypatch.setattr(folders, "free_bytes", lambda path: 1000)
    with pytest.raises(ValueError, match=r"needs .* of disk, 1\.0 kB are free"):
        train.main(runs.make(tmp_path))
    assert not (tmp_path / "checkpoints").exists()


def test_a_read_only_folder_says_so(tmp_path, root):
    """As an ordinary user: root writes anywhere."""
    runs.make(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints").chmod(
        stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH | stat.S_IRGRP | stat.S_IXGRP
    )
    program = (
        "import os, sys, pathlib; from babylm import run_folder\n"
        "os.geteuid() == 0 and os.setuid(65534)\n"
        "run_folder.RunFolder(pathlib.Path(sys.argv[1])).open('', {})"
    )
    (tmp_path).chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "checkpoints" / "run"], capture_output=True, text=True, cwd=root
    )
    assert done.returncode != 0
    assert "Permission denied" in done.stderr or "Read-only" in done.stderr


def test_a_truncated_or_flipped_shard_is_refused_with_the_way_out(tmp_path):
    from babylm.corpora.packed_corpus import PackedCorpus

    runs.run(tmp_path)
    folder = next((tmp_path / "prepared").glob("[!.]*"))
    shard = max(folder.glob("*.bin"), key=lambda path: path.stat().st_size)
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-2])
    with pytest.raises(ValueError, match=f"{shard.name}.*babylm.prepare"):
        PackedCorpus.open(folder)
    shard.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(ValueError, match=f"{shard.name}.*babylm.prepare"):
        PackedCorpus.open(folder)


def test_seeds_differ_in_every_part():
    seeds = {derive_seed(a, b, c) for a in range(20) for b in Purpose for c in range(50)}
    assert len(seeds) == 20 * len(Purpose) * 50
    assert all(0 <= s < 2**63 for s in seeds)
