"""The kind of machine, and the precision it implies: the same answer under any load.

bf16 if the hardware multiplies bf16 matrices, else fp32, so that two runs of one configuration always agree. Measured:
with ``amx_bf16`` products of 768 x 768 are 2.5 to 5 times as fast as in fp32, with ``avx512_bf16`` 2.0 to 2.2 times;
without either they are slower (docs/log.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]
_BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")
"""Instructions of x86 CPUs that multiply bf16 matrices, the faster first (names of /proc/cpuinfo)."""


def cpu_bf16_instructions() -> str | None:
    """The bf16 instructions that torch's matrix products use on this CPU; None if there are none."""
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return None
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return next((name for name in _BF16_INSTRUCTIONS if name in flags), None)


def host_kind(device: torch.device) -> str:
    """One line that names the kind of host: GPU and its architecture, or the CPU's bf16 instructions.

    >>> host_kind(torch.device("cpu")).startswith("cpu, ")
    True
    """
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"{torch.cuda.get_device_name(device)}, sm_{major}{minor}"
    return f"cpu, {cpu_bf16_instructions() or 'no bf16'}"


def choose_precision(requested: str, device: torch.device, key: str = "training.precision") -> tuple[Precision, str]:
    """Choose ``bf16`` or ``fp32`` for a setting of ``auto``, ``bf16`` or ``fp32``; returns it and the reason in words.

    ``key``: the setting, for the message.

    Raises:
        ValueError: bf16 is requested and the GPU has none.
    """
    if requested == "fp32":
        return "fp32", "as configured"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "as configured" if requested == "bf16" else "the GPU has it"
        if requested == "bf16":
            raise ValueError(f"{key}: this GPU has no bf16; use fp32 or auto")
        return "fp32", "the GPU has no bf16"
    if requested == "bf16":
        return "bf16", "as configured"
    instructions = cpu_bf16_instructions()
    if instructions is not None:
        return "bf16", f"this CPU has {instructions}"
    return "fp32", "this CPU has no instructions for bf16 products"


def lightning_precision(precision: str) -> str:
    """Lightning's name for it: weights stay fp32, matrix products run in the given type."""
    return "bf16-mixed" if precision == "bf16" else "32-true"
