"""Where a model computes in evaluation."""

from __future__ import annotations

import torch

from babylm import registry

CHOICES = ("auto", "cpu", "cuda")


def check(name: str, key: str = "device") -> str:
    """``name`` where it is a choice; ``ValueError`` with the reason for another one. Needs no torch that works."""
    if name.split(":")[0] == "mps":
        raise ValueError(
            f"{key}={name}: log-probabilities are summed in float64, which Apple's GPUs do not have, so scores would "
            "not be the official ones; use cpu"
        )
    return registry.check(name, CHOICES, key)


def choose(name: str) -> torch.device:
    """The device; ``ValueError`` where a GPU is asked for and torch sees none."""
    check(name, "evaluation.device")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("evaluation.device=cuda: torch sees no GPU; use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def described(device: torch.device) -> str:
    """``cpu``, or ``cuda`` with the GPU's name."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
