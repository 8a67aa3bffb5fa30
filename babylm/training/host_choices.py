"""Device, precision and attention backend of a run, chosen by its host and stored, so that a resumed run keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from babylm import console, hardware, processes
from babylm.config.schema import TrainingConfig
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.training import attention_backend


@dataclass(frozen=True)
class HostChoices:
    """Arithmetic and attention backend of a run, each with the reason."""

    host: str
    precision: str
    why_precision: str
    attention: str
    why_attention: str

    def as_dict(self) -> dict[str, str]:
        """What is stored with the run."""
        return {"host": self.host, "precision": self.precision, "attention": self.attention}


def pick_device(accelerator: str) -> torch.device:
    """The device of this process; ValueError if a GPU is asked for and there is none."""
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ValueError("training.accelerator=gpu: torch sees no GPU; use auto or cpu")
    use_gpu = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
    if not use_gpu:
        return torch.device("cpu")
    device = torch.device("cuda", processes.local_rank())
    torch.cuda.set_device(device)
    return device


def choose_for_host(training: TrainingConfig, device: torch.device, shape: BabyLMConfig, length: int) -> HostChoices:
    """The choices of a new run: a function of settings, kind of host and versions, not of the machine's load.

    ``length``: tokens per row in the first phase. ValueError if what is asked for does not run here.
    """
    dtype, why = hardware.choose_precision(training.precision, device)
    attention, reason = _choose_attention(training.attention, device, shape, dtype, length)
    return HostChoices(hardware.host_kind(device), dtype, why, attention, reason)


def keep_recorded_choices(
    training: TrainingConfig,
    device: torch.device,
    shape: BabyLMConfig,
    length: int,
    recorded: dict[str, Any],
    log: console.Log,
) -> HostChoices:
    """The choices of a run that is continued: those it began with, ``recorded``. Another kind of host is announced."""
    if not {"precision", "attention"} <= recorded.keys():
        return choose_for_host(training, device, shape, length)
    here, began = hardware.host_kind(device), recorded.get("host")
    if began is not None and began != here:
        log.warn(f"the run began on another kind of host ({began}; here: {here}): it may end at another model")
    dtype, attention, why = recorded["precision"], recorded["attention"], "as the run began"
    problem = attention_backend.probe(attention, device, _torch_dtype(dtype), shape.head_dim)
    if problem:
        log.warn(f"attention {attention}, with which the run began, does not run here: {problem}")
        attention, why = _choose_attention("auto", device, shape, dtype, length)
    return HostChoices(here, dtype, "as the run began", attention, why)


def _choose_attention(
    requested: str, device: torch.device, shape: BabyLMConfig, dtype: str, length: int
) -> tuple[str, str]:
    return attention_backend.choose(shape, device, _torch_dtype(dtype), requested=requested, length=length)


def _torch_dtype(precision: str) -> torch.dtype:
    return torch.bfloat16 if precision == "bf16" else torch.float32
