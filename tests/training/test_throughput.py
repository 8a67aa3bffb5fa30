"""Numbers shown to people: throughput, FLOPs, precision, units."""

from __future__ import annotations

import json

import pytest
import torch

from babylm import console, hardware, metrics
from babylm.tables import text_table
from babylm.training import jsonl_logger
from babylm.training.callbacks import throughput

from . import runs


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (16384, "16.4K"), (9_949_721, "9.95M"), (999_999, "1M"), (1.64e9, "1.64B"), (0.5, "0.5")],
)
def test_count(number, text):
    assert console.count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.6, "1m00s"), (187, "3m07s"), (3720, "1h02m"), (183_600, "2d03h")]
)
def test_duration(seconds, text):
    assert console.duration(seconds) == text


def test_table_aligns():
    lines = text_table(("name", "n"), [("a", 1), ("long name", 1000)], indent="").split("\n")
    assert lines == ["name          n", "a             1", "long name  1000"]


def test_the_log_counts_every_token_once(tmp_path):
    folder = runs.run(tmp_path)
    records = metrics.read(folder / "metrics.jsonl")
    plan = json.loads((folder / "plan.json").read_text())
    assert records[-1]["step"] == plan["steps"]
    assert records[-1]["words"] == plan["words"]
    assert records[-1]["flops"] == pytest.approx(plan["flops"])
    assert records[-1]["epoch"] == pytest.approx(2)
    assert all(record["tokens_per_second"] > 0 for record in records)
    assert [r["step"] for r in records] == [1, 4, 8, 12, 16, 17]


def test_a_run_of_one_step_without_a_target_ends(tmp_path):
    """One word: nothing is masked, nothing is asked."""
    short = (
        "budget.words=1",
        "budget.epochs=null",
        "milestones=[]",
        "phases=[{sequence_length: 32, tokens_per_step: 512}]",
    )
    folder = runs.run(tmp_path, *short, "seed=1")
    (line,) = metrics.read(folder / "metrics.jsonl")
    assert "loss" not in line
    assert (folder / "main" / "manifest.json").exists()


def test_what_had_no_target_is_a_dash(tmp_path, monkeypatch):
    """Each line in the columns of the header, whichever kinds of target its steps had."""
    original = throughput.ThroughputMonitor._values

    def without(self, trainer, module, step, sums, seconds):
        gone = {4: ("masked",), 17: ("loss", "causal", "masked")}.get(step, ())
        sums = {name: (0.0, 0.0) if name in gone else value for name, value in sums.items()}
        return original(self, trainer, module, step, sums, seconds)

    monkeypatch.setattr(throughput.ThroughputMonitor, "_values", without)
    folder = runs.run(tmp_path)
    lines = (folder / "log.txt").read_text().splitlines()
    (header,) = (line.split() for line in lines if line.split()[:2] == ["step", "words"])
    shown = {line.split("/")[0].strip(): line.split() for line in lines if "/17 " in line}
    assert header[3:6] == ["loss", "causal", "masked"]
    assert shown["17"][3:6] == ["-", "-", "-"]
    assert shown["4"][5] == "-"
    assert float(shown["8"][5]) > 0
    assert all(len(line) == len(header) for line in shown.values())


def test_a_cut_last_line_is_left_out_and_later_steps_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = jsonl_logger.JsonlLogger(path)
    for step in (1, 2, 3):
        lines.log_metrics({"loss": 1.0 / step}, step)
    path.write_text(path.read_text() + '{"step": 4, "lo')
    assert [line["step"] for line in metrics.read(path)] == [1, 2, 3]
    told: list[str] = []
    lines.cut(2, told.append)
    assert [line["step"] for line in metrics.read(path)] == [1, 2]
    assert not told
    path.write_bytes(b'{"step": 1}\n{"st\xffp": 2}\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl: not UTF-8"):
        metrics.read(path)
    lines.cut(3, told.append)
    assert [line["step"] for line in metrics.read(path)] == [1, 3]
    assert told == [f"{path}: line 2 is damaged and left out"]


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40", None),
        ("Some GPU", None),
    ],
)
def test_mfu_uses_dense_peaks_and_never_guesses(monkeypatch, name, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert throughput.peak_flops(torch.device("cuda", 0)) == peak
    assert throughput.peak_flops(torch.device("cpu")) is None


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu amx_bf16 avx512_bf16", "bf16"), ("fpu avx512_bf16", "bf16"), ("fpu avx512f", "fp32")]
)
def test_bf16_on_a_cpu_only_where_it_has_instructions(monkeypatch, flags, expected):
    monkeypatch.setattr(hardware.Path, "read_text", lambda self, **_: f"processor: 0\nflags\t\t: {flags}\n")
    assert hardware.choose_precision("auto", torch.device("cpu"))[0] == expected
    assert hardware.choose_precision("fp32", torch.device("cpu"))[0] == "fp32"
