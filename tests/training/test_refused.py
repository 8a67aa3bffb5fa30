"""What cannot be is refused before anything is made: the name of the run stays free, and no hour is lost."""

from __future__ import annotations

import json
import random
import signal
import time

import pytest
import torch

from babylm import console, hardware, metrics, train
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.training import attention_backend, host_choices

from . import runs
from .test_resume import stop_at


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["corpus.dev={0}/nope"], "corpus.dev: there is no file or folder .*nope"),
        (["corpus.test={0}/nope"], "corpus.test: there is no file or folder .*nope"),
        (["corpus.dev={0}/blank"], "corpus.dev: .*blank holds no word"),
        (["corpus.test={0}/latin"], "byte 3 is not UTF-8"),
        (["evaluation.tasks=[blimp]", "evaluation.data={0}/nope"], "nope has no fast_eval/blimp_fast"),
        (["training.attention=flash"], "flash does not run here: the package flash-attn is not installed"),
        pytest.param(
            ["evaluation.tasks=[toy_pairs]", "evaluation.device=cuda"],
            "evaluation.device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_what_is_missing_is_told_before_the_folder_is_made(tmp_path, monkeypatch, overrides, said):
    monkeypatch.setattr(attention_backend.kernels, "flash_attn_varlen_func", None)
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "blank").write_bytes(b"\n \n")
    for more in ([], ["training.dry_run=true"]):
        with pytest.raises(ValueError, match=said):
            train.main(runs.make(tmp_path, *[text.format(tmp_path) for text in overrides], *more))
    assert not (tmp_path / "checkpoints").exists()
    assert train.main(runs.make(tmp_path)) == 0, "the corrected command has the name"


def test_tasks_that_are_never_scored_need_no_data(tmp_path):
    runs.run(tmp_path, "evaluation.tasks=[blimp]", "evaluation.when=none", f"evaluation.data={tmp_path}/nope")


def test_a_finished_run_needs_its_texts_no_more(tmp_path, capsys):
    (tmp_path / "held").write_text(runs.sentences(10))
    made = runs.make(tmp_path, f"corpus.test={tmp_path}/held")
    assert train.main(made) == 0
    (tmp_path / "held").unlink()
    assert train.main(made) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_two_fresh_runs_agree_whatever_the_clock_says(tmp_path, monkeypatch):
    """One fresh run under another load: every look at a clock takes another time."""
    automatic = ("training.precision=auto", "training.attention=auto")
    first = runs.run(tmp_path / "a", *automatic)
    real = time.perf_counter
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: real() + random.Random(real()).random())
        second = runs.run(tmp_path / "b", *automatic)
    chosen = [json.loads((folder / "environment.json").read_text()) for folder in (first, second)]
    for key in ("host", "precision", "attention"):
        assert chosen[0][key] == chosen[1][key]
    assert runs.digest(runs.state(first)) == runs.digest(runs.state(second))


def test_a_run_that_goes_on_keeps_its_choices_and_announces_another_host(tmp_path, monkeypatch, capsys):
    made = runs.make(tmp_path, "training.precision=auto", "training.attention=auto")
    folder = tmp_path / "checkpoints" / "run"
    with monkeypatch.context() as patch:
        patch.setattr(hardware, "cpu_bf16_instructions", lambda: "amx_bf16")
        stop_at(patch, 5, signal.SIGTERM)
        train.main(made)
    began = json.loads((folder / "environment.json").read_text())
    assert (began["host"], began["precision"], began["attention"]) == ("cpu, amx_bf16", "bf16", "eager")
    for name in ("last.ckpt", "previous.ckpt"):  # without a state, too
        (folder / name).unlink(missing_ok=True)
    capsys.readouterr()
    monkeypatch.setattr(hardware, "cpu_bf16_instructions", lambda: None)
    assert train.main(made) == 0
    printed = capsys.readouterr().out
    assert "the run began on another kind of host (cpu, amx_bf16; here: cpu, no bf16)" in printed
    assert "precision bf16: as the run began" in printed
    assert "attention eager: as the run began" in printed


def test_a_backend_that_another_host_lacks_is_replaced_and_told(tmp_path, capsys):
    made = runs.make(tmp_path)
    shape = BabyLMConfig(hidden_size=32, num_attention_heads=2, vocab_size=100)
    recorded = {"precision": "fp32", "attention": "varlen", "host": "NVIDIA H200, sm_90"}
    choices = host_choices.keep_recorded_choices(made.training, torch.device("cpu"), shape, 16, recorded, console.Log())
    assert choices.attention == "sdpa"
    printed = capsys.readouterr().out
    assert "attention varlen, with which the run began, does not run here" in printed
    assert "began on another kind of host (NVIDIA H200, sm_90; here: cpu" in printed


def test_a_run_without_a_state_begins_its_metrics_again(tmp_path, capsys):
    folder = runs.run(tmp_path)
    steps = [line["step"] for line in metrics.read(folder / "metrics.jsonl")]
    for name in ("last.ckpt", "previous.ckpt", "main/manifest.json"):
        (folder / name).unlink()
    capsys.readouterr()
    assert train.main(runs.make(tmp_path)) == 0
    assert "no saved state: starting from step 0" in capsys.readouterr().out
    assert [line["step"] for line in metrics.read(folder / "metrics.jsonl")] == steps
