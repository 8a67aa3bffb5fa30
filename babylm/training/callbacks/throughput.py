"""The line of the log and the numbers behind it: losses, rate, speed, FLOPs spent, MFU, memory, energy.

MFU (model FLOPs utilisation) is relative to a table of dense bf16 peaks kept here: for some GPUs the figures of vendors
and of Lightning are those of sparse matrices, twice as high. A GPU that is not in the table has no MFU.
"""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import lightning as L
import torch

from babylm.console import count, duration
from babylm.training.callbacks.base import StepCallback
from babylm.training.module import Pretraining
from babylm.training.time_left import TimeLeft

DENSE_BF16_PEAK = {
    "H200 NVL": 835e12, "GH200": 989e12, "H200": 989e12, "H100 NVL": 835e12, "H100 PCIe": 756e12, "H100": 989e12,
    "B200": 2250e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "RTX 5090": 209.5e12, "RTX 4090": 165.2e12,
    "RTX 3090": 71e12, "A6000": 155e12, "A10": 125e12, "V100": 125e12,
}  # fmt: skip
"""Dense bf16 (V100: fp16) FLOP/s by words of the device's name, from the vendor's datasheets; longer names first."""


def peak_flops(device: torch.device) -> float | None:
    """The dense bf16 peak of a GPU in FLOP/s; None for CPUs and unknown GPUs."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for words, peak in DENSE_BF16_PEAK.items() if re.search(rf"\b{words}\b", name)), None)


def log_interval(configured: int | None, steps: int | None) -> int:
    """Steps between two lines: as configured, else at least thirty lines and at most 50 steps (10 if it has no end).

    >>> [log_interval(None, steps) for steps in (17, 640, 9690)]
    [1, 20, 50]
    """
    if configured is not None:
        return configured
    if steps is None:
        return 10
    return max(every for every in (1, 2, 5, 10, 20, 50) if every == 1 or every * 30 <= steps)


class ThroughputMonitor(StepCallback):
    """Writes one line to the log and one record to the loggers, after the first step and every ``every`` steps."""

    def __init__(self, every: int, left: TimeLeft, log: Callable[[str], None]) -> None:
        self.every, self.left, self.log_line = every, left, log
        self._parts: list[str] | None = None
        """The columns of the losses by kind of target, once the header is printed."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clocks."""
        assert isinstance(pl_module, Pretraining)
        self._device = trainer.strategy.root_device
        self._peak = peak_flops(self._device)
        self._energy = EnergyMeter(self._device)
        self.left.mark(pl_module.completed)
        self._begin(pl_module.completed)

    def _begin(self, step: int) -> None:
        self._step, self._time = step, time.perf_counter()

    def exclude_pause(self, paused: float) -> None:
        """Exclude the time since ``paused`` from the throughput."""
        self._time += time.perf_counter() - paused

    def after_step(self, trainer: L.Trainer, module: Pretraining, step: int) -> None:
        """Log after the first step, at the interval's end and after the last step."""
        if step % self.every and step != 1 and not module.feed.is_over(step):
            return
        sums = module.pop_metrics()  # also waits for the device
        seconds = max(time.perf_counter() - self._time, 1e-9)
        values = self._values(trainer, module, step, sums, seconds)
        self.left.mark(step)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics(values, step)
            self._print(module, step, values, [name for name in module.objective.metric_names if name in sums])
        self._begin(step)

    def _values(
        self, trainer: L.Trainer, module: Pretraining, step: int, sums: dict[str, tuple[float, float]], seconds: float
    ) -> dict[str, float]:
        feed, since = module.feed, self._step
        tokens = feed.tokens_after(step) - feed.tokens_after(since)
        values: dict[str, float] = {"words": feed.words_after(step), "epoch": feed.epochs_after(step)}
        values |= {name: total / number for name, (total, number) in sums.items() if number}
        values["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        values["grad_norm"] = float(module.grad_norm) if module.grad_norm is not None else float("nan")
        values["tokens_per_second"] = tokens / seconds
        values["words_per_second"] = (feed.words_after(step) - feed.words_after(since)) / seconds
        values["flops"] = feed.flops_after(step)
        if self._peak is not None:
            done = feed.flops_after(step) - feed.flops_after(since)
            values["mfu"] = done / seconds / (self._peak * trainer.world_size)
        values["memory_gb"] = peak_memory(self._device) / 1e9
        if (joules := self._energy.joules()) is not None:
            values["gpu_joules"] = joules
        return values

    def _print(self, module: Pretraining, step: int, values: dict[str, Any], modes: list[str]) -> None:
        if self._parts is None:
            self._parts = list(modes)
            names = "".join(f"{name:>{_width(name)}}" for name in modes)
            self.log_line(
                f"{'step':>13} {'words':>8} {'epoch':>6} {'loss':>8}{names} {'lr':>9} {'tokens/s':>9} {'left':>7}"
            )
        of = f"{step}/{module.feed.length}" if module.feed.length is not None else str(step)
        left = self.left.seconds(step)
        losses = "".join(f"{_format(values, name):>{_width(name)}}" for name in self._parts)
        self.log_line(
            f"{of:>13} {count(values['words']):>8} {values['epoch']:6.2f} {_format(values, 'loss'):>8}{losses} "
            f"{values['lr']:9.2e} {count(values['tokens_per_second']):>9} {'-' if left is None else duration(left):>7}"
        )


def _width(name: str) -> int:
    """Characters of a column: its name and a space, or a number."""
    return max(9, len(name) + 1)


def _format(values: dict[str, Any], name: str) -> str:
    """A loss, or ``-``: a short interval may have no target of a kind."""
    return f"{values[name]:.4f}" if name in values else "-"


def peak_memory(device: torch.device) -> float:
    """Peak bytes so far: allocated on the GPU, or resident in this process on a CPU."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


class EnergyMeter:
    """Energy of the GPU (not of the machine) since this was made, by NVML's counter, if NVML is installed."""

    def __init__(self, device: torch.device) -> None:
        self._handle: Any = None
        if device.type != "cuda":
            return
        with suppress(ImportError):
            import pynvml

            with suppress(pynvml.NVMLError):
                pynvml.nvmlInit()
                self._nvml = pynvml
                # NVML knows nothing of CUDA_VISIBLE_DEVICES, so not by index.
                handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
                self._start = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
                self._handle = handle

    def joules(self) -> float | None:
        """Joules so far; None without a counter."""
        if self._handle is None:
            return None
        with suppress(self._nvml.NVMLError):
            return (self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) - self._start) / 1000
        return None
