"""How a step is cut into batches and ranks does not change it; observers change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from babylm import train
from tests.training import runs

PLAIN = ("model.dropout=0.0", "averaging.name=none")
"""Dropout is drawn by batch; everything else of a step is drawn for the whole step."""
SMOOTH = (*PLAIN, "optimizer.name=adamw", "optimizer.eps=1.0", "optimizer.lr=0.5")
"""With this eps the update is all but linear in the gradient: rounding stays rounding, and a wrong gradient shows."""


def weights(folder):
    return runs.state(folder)["network"]


def close(one, other, tolerance):
    for name, value in one.items():
        torch.testing.assert_close(
            other[name], value, rtol=tolerance, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.fixture(scope="module")
def one_batch(tmp_path_factory):
    return runs.run(tmp_path_factory.mktemp("one"), *SMOOTH, "training.accumulate_grad_batches=1")


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulation_equals_the_big_batch(tmp_path, one_batch, accumulate):
    folder = runs.run(tmp_path, *SMOOTH, f"training.accumulate_grad_batches={accumulate}")
    close(weights(one_batch), weights(folder), 1e-5)
    losses = [
        [json.loads(line)["loss"] for line in (f / "metrics.jsonl").read_text().splitlines()]
        for f in (one_batch, folder)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert losses[0][0] - losses[0][-1] > 0.1, "the run learns, so equality says something"


def test_two_ranks_equal_one(tmp_path, one_batch, root):
    made = runs.make(tmp_path, *SMOOTH)
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "MASTER_PORT": str(20000 + os.getpid() % 20000),
    }
    words = [
        f"corpus.path={made.corpus.path}",
        f"corpus.prepared={made.corpus.prepared}",
        f"checkpoints={made.checkpoints}",
        *SMOOTH,
        "training.accumulate_grad_batches=1",
        "training.devices=2",
        "training.accelerator=cpu",
        "training.threads=1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "babylm.train", tmp_path / "run.yaml", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "checkpoints" / "run"
    close(weights(one_batch), weights(folder), 1e-5)
    assert done.stdout.count("saved main") == 1
    lines = [[json.loads(line) for line in (f / "metrics.jsonl").read_text().splitlines()] for f in (one_batch, folder)]
    assert [line["words"] for line in lines[0]] == [line["words"] for line in lines[1]]
    for name in ("loss", "causal", "masked"):
        assert [line[name] for line in lines[0]] == pytest.approx([line[name] for line in lines[1]], abs=1e-4)


@pytest.mark.parametrize("ratio", [0, 1])
def test_hybrid_at_its_ends_is_pure(tmp_path, ratio):
    """A whole run: the same weights to the bit."""
    pure = {0: "masked", 1: "causal"}[ratio]
    folders = [
        runs.run(tmp_path / "hybrid", *PLAIN, f"objective.causal_ratio={ratio}", "objective.masked_prediction=mntp"),
        runs.run(tmp_path / pure, *PLAIN, f"objective.name={pure}"),
    ]
    assert runs.digest(weights(folders[0])) == runs.digest(weights(folders[1]))


def test_observers_change_nothing(tmp_path, tmp_path_factory):
    """Revisions, meters, held-out loss, task scores and saved states: the same weights with and without."""
    bare = runs.run(tmp_path / "bare", "training.revisions=none", "training.log_every=1000")
    (tmp_path / "dev.txt").write_text(runs.sentences(40))
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    (pairs / "agreement.jsonl").write_text(
        '{"sentence_good": "the dog sees it .", "sentence_bad": "the dog see it ."}\n' * 3
    )
    watched = runs.run(
        tmp_path / "watched",
        "training.log_every=1",
        "training.checkpoint_minutes=0.000001",
        f"corpus.dev={tmp_path}/dev.txt",
        f"corpus.test={tmp_path}/dev.txt",
        "evaluation.held_out_loss_when=milestones",
        "evaluation.when=milestones",
        f"evaluation.tasks=[{pairs}]",
        "logging.tensorboard=true",
    )
    assert runs.digest(runs.state(bare)) == runs.digest(runs.state(watched))
    keys = {key for line in (watched / "metrics.jsonl").read_text().splitlines() for key in json.loads(line)}
    assert {"dev/causal", "dev/masked", "loss", "tokens_per_second", "flops"} <= keys
    assert any(key.startswith("task/") for key in keys)
    assert json.loads((watched / "evaluation" / "test_loss.json").read_text())["all"]["causal"] > 0
    assert list((watched / "tensorboard").iterdir())


def test_the_plan_alone_writes_nothing(tmp_path, capsys):
    assert train.main(runs.make(tmp_path, "training.dry_run=true")) == 0
    printed = capsys.readouterr().out
    assert "chck_900" in printed
    assert "the run takes about" in printed
    assert not (tmp_path / "checkpoints").exists()
