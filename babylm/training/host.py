"""What kind of machine this is, as far as it decides precision and attention: the same answer under any load."""

from __future__ import annotations

from pathlib import Path

import torch

_BF16 = ("amx_bf16", "avx512_bf16")
"""Instructions of x86 CPUs that multiply bf16 matrices, the faster first (names of /proc/cpuinfo)."""


def cpu_bf16() -> str | None:
    """The bf16 instructions that torch's products use on this CPU; ``None`` if there are none."""
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no Linux
        return None
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return next((name for name in _BF16 if name in flags), None)


def kind(device: torch.device) -> str:
    """One line that names the kind of host: GPU and its architecture, or the CPU's bf16 instructions.

    >>> kind(torch.device("cpu")).startswith("cpu, ")
    True
    """
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"{torch.cuda.get_device_name(device)}, sm_{major}{minor}"
    return f"cpu, {cpu_bf16() or 'no bf16'}"
