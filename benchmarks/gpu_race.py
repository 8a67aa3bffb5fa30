"""Race the ways to make a training step on one GPU and print a table, in under nine minutes.

    python benchmarks/gpu_race.py configs/strict_small.yaml [key=value ...] --minutes 9 --out race.json
    python benchmarks/gpu_race.py configs/smoke.yaml --race toy --minutes 2 --out toy.json        its plumbing, on a CPU

Attention kinds in the shape of each phase, CUDA graphs on and off, kernels on and off, 16k and 32k tokens per step, two
larger shapes, and transformers' Trainer beside ours. Each cell is a program of its own, stopped when its time is up.
Finished cells are kept in the file and not run again, so the command is repeated until nothing is missing; cells are in
the order of importance. A cell that fails is kept with its reason; ``--again`` runs those once more.

Needs the prepared corpus of the configuration (made if it is not there, which takes longer than the race). The cell of
the Trainer needs accelerate (pip install -e .[bench]). With ``training.compile_cache`` kept, a second race starts
faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CAP = 100.0
"""Seconds that a cell may take."""
USUAL = 30.0
"""Seconds that a cell is expected to take before any has run."""
TRAINER = "Trainer, GPT-2 of the same size; ours"


@dataclass(frozen=True)
class Cell:
    """One measurement: overrides of the configuration, and options of ``profile_step.py``."""

    overrides: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    trainer: bool = False
    """The race against transformers' Trainer instead."""


def _shape(length: int, tokens: int = 16_384) -> tuple[str, str]:
    return f"phases=[{{sequence_length: {length}, tokens_per_step: {tokens}}}]", "training.compile=true"


def _gpu() -> dict[str, Cell]:
    cells = {}
    graphs = "training.cuda_graphs=true"

    def add(name: str, *overrides: str, options: tuple[str, ...] = ()) -> None:
        cells[name] = Cell(overrides, ("--steps", "60", "--warm-up", "10", "--profiled", "0", *options))

    add("128: sdpa", *_shape(128), "training.attention=sdpa")
    add("128: sdpa, graphs", *_shape(128), "training.attention=sdpa", graphs)
    add("128: varlen", *_shape(128), "training.attention=varlen")
    add("128: varlen, graphs", *_shape(128), "training.attention=varlen", graphs)
    cells[TRAINER] = Cell(trainer=True)
    add("512: sdpa", *_shape(512), "training.attention=sdpa")
    add("512: varlen", *_shape(512), "training.attention=varlen")
    add("256: sdpa", *_shape(256), "training.attention=sdpa")
    add("256: varlen", *_shape(256), "training.attention=varlen")
    add("128 x 32k: sdpa, graphs", *_shape(128, 32_768), "training.attention=sdpa", graphs)
    add("128: sdpa, reference kernels", *_shape(128), "training.attention=sdpa", options=("--reference-kernels",))
    add("512: varlen, graphs", *_shape(512), "training.attention=varlen", graphs)
    add("256: varlen, graphs", *_shape(256), "training.attention=varlen", graphs)
    add("128 x 32k: sdpa", *_shape(128, 32_768), "training.attention=sdpa")
    add("12x768, 64k: sdpa, graphs", *_shape(128, 65_536), "training.attention=sdpa", graphs, "model.preset=base")
    add("12x768, 16k: sdpa, graphs", *_shape(128), "training.attention=sdpa", graphs, "model.preset=base")
    add("128: flash", *_shape(128), "training.attention=flash")
    add("512: flash", *_shape(512), "training.attention=flash")
    add("512: flex", *_shape(512), "training.attention=flex")
    return cells


def _toy() -> dict[str, Cell]:
    options = ("--steps", "2", "--warm-up", "1", "--profiled", "0")
    shape = "phases=[{sequence_length: 32, tokens_per_step: 256}]"
    return {
        "32: eager": Cell((shape, "training.attention=eager"), options),
        "32: sdpa": Cell((shape, "training.attention=sdpa"), options),
        "32: sdpa, reference kernels": Cell((shape, "training.attention=sdpa"), (*options, "--reference-kernels")),
        "32: graphs": Cell((shape, "training.cuda_graphs=true"), options),  # which a CPU refuses
    }


RACES: dict[str, Callable[[], dict[str, Cell]]] = {"gpu": _gpu, "toy": _toy}


@dataclass
class Race:
    """Cells, what is known of them, and the file that keeps it."""

    cells: Mapping[str, Cell]
    config: str
    overrides: tuple[str, ...]
    out: Path
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def load(self, again: bool = False) -> None:
        """Read what an earlier call finished.

        Raises:
            ValueError: The file is of another race.
        """
        if not self.out.exists():
            return
        stored = json.loads(self.out.read_text(encoding="utf-8"))
        if stored.get("of") != self._identity():
            raise ValueError(f"{self.out} holds another race ({stored.get('of')}): choose another --out")
        self.results = {k: v for k, v in stored["cells"].items() if not (again and "failed" in v)}

    def _identity(self) -> str:
        return " ".join((self.config, *self.overrides))

    def keep(self, name: str, result: dict[str, Any]) -> None:
        """Add the result of a cell, on the disk too."""
        self.results[name] = result
        partial = self.out.with_name(f".{self.out.name}.partial")
        partial.write_text(json.dumps({"of": self._identity(), "cells": self.results}, indent=1), encoding="utf-8")
        os.replace(partial, self.out)

    def run(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Run the missing cells, in order, as far as ``seconds`` reach."""
        end, took = clock() + seconds, USUAL
        for name, cell in self.cells.items():
            if name in self.results:
                continue
            left = end - clock()
            if left < min(took, USUAL):
                print(f"{name}: no time left", flush=True)
                continue
            begin = clock()
            result = measure(cell, self.config, self.overrides, min(CAP, left))
            took = clock() - begin
            if result is None and left < CAP:
                print(f"{name}: stopped after {took:.0f} s, when the time was up", flush=True)
                continue
            self.keep(name, result or {"failed": f"not done after {CAP:.0f} s"})
            print(f"{name}: {took:.0f} s", flush=True)

    def table(self) -> str:
        """Speeds, and each relative to the first cell."""
        titles = ("cell", "tokens/s", "ms/step", "MFU %", "first step s", "GB", "relative")
        rows = [titles]
        first = next((r["tokens_per_second"] for r in self.results.values() if "failed" not in r), None)
        for name in self.cells:
            result = self.results.get(name)
            if result is None or "failed" in result:
                rows.append((name, "not run" if result is None else f"failed: {result['failed'][:60]}", *[""] * 5))
                continue
            speed = result["tokens_per_second"]
            values = [result.get(key) for key in ("step_ms", "mfu", "seconds_to_first_step", "memory_gb")]
            scales = (1.0, 100.0, 1.0, 1.0)
            shown = [f"{v * scale:.1f}" if v is not None else "" for v, scale in zip(values, scales, strict=True)]
            rows.append((name, f"{speed:,.0f}", *shown, f"{speed / first:.2f}" if first else ""))
            rows += [(f"  {other}", f"{value:,.0f}", *[""] * 5) for other, value in result.get("others", {}).items()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join(lines)


def measure(cell: Cell, config: str, overrides: tuple[str, ...], limit: float) -> dict[str, Any] | None:
    """The figures of a cell, or why it failed; None if ``limit`` seconds did not suffice."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speed.json"
        command = [sys.executable, ROOT / "benchmarks" / "profile_step.py", config, *overrides, *cell.overrides]
        command += [*cell.options, "--json", out]
        if cell.trainer:
            command = [sys.executable, ROOT / "benchmarks" / "train_speed.py", "--device", "cuda", "--rounds", "3"]
            command += ["--steps", "30", "--only", "ours-best,gpt2-best"]
        try:
            done = subprocess.run(
                [str(word) for word in command],
                env=environment, cwd=ROOT, timeout=limit, capture_output=True, text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["without a message"]
            return {"failed": said[-1]}
        if cell.trainer:
            return trainer_speeds(done.stdout)
        figures: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return {key: value for key, value in figures.items() if key != "table"}


def trainer_speeds(text: str) -> dict[str, Any]:
    """The medians that ``train_speed.py`` prints.

    >>> trainer_speeds("ours-best   700,000 tokens/s  1.0 GB\\ngpt2-best   350,000 tokens/s  1.0 GB")
    {'tokens_per_second': 350000.0, 'others': {'ours-best': 700000.0}}
    """
    speeds = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 2 and words[0] in ("ours-best", "gpt2-best") and words[2] == "tokens/s":
            speeds[words[0]] = float(words[1].replace(",", ""))
    if "gpt2-best" not in speeds:
        return {"failed": "train_speed.py printed no speed"}
    return {"tokens_per_second": speeds.pop("gpt2-best"), "others": speeds}


def main(words: list[str] | None = None) -> int:
    """Run what is missing and print the table; 75 if cells are left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", help="key=value, of all cells")
    parser.add_argument("--race", choices=sorted(RACES), default="gpu")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, default=Path("gpu_race.json"))
    parser.add_argument("--again", action="store_true", help="run failed cells once more")
    given = parser.parse_intermixed_args(words)
    race = Race(RACES[given.race](), given.config, tuple(given.overrides), given.out)
    try:
        race.load(given.again)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    race.run(60 * given.minutes)
    print(race.table())
    return 0 if race.results.keys() >= race.cells.keys() else 75


if __name__ == "__main__":
    sys.exit(main())
