"""The device on which a model computes in evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from babylm import registry

if TYPE_CHECKING:  # a wrong name is told before torch is imported
    import torch

CHOICES = ("auto", "cpu", "cuda")


def check(name: str, key: str = "device") -> str:
    """``name`` if it is a choice; ``ValueError`` otherwise, for Apple's GPUs with the reason."""
    if name.split(":")[0] == "mps":
        raise ValueError(
            f"{key}={name}: log-probabilities are summed in float64, which Apple's GPUs do not have, so scores would "
            "not be the official ones; use cpu"
        )
    return registry.check(name, CHOICES, key)


def choose(name: str) -> torch.device:
    """The device; ``ValueError`` if it is ``cuda`` and torch sees no GPU."""
    import torch

    check(name, "evaluation.device")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("evaluation.device=cuda: torch sees no GPU; use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def described(device: torch.device) -> str:
    """``cpu``, or ``cuda`` with the GPU's name."""
    import torch

    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
