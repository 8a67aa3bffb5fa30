"""Which arithmetic to train in, found by trying it: bf16 where it runs and pays, else fp32."""

from __future__ import annotations

import time

import torch

PAYS = 1.5
"""bf16 on a CPU must multiply matrices this many times faster than fp32; with AMX it is about five times."""


def choose(wanted: str, device: torch.device) -> tuple[str, str]:
    """(``bf16`` or ``fp32``, the reason in words) for ``training.precision``; ``ValueError`` when bf16 cannot run."""
    if wanted == "fp32":
        return "fp32", "as configured"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "as configured" if wanted == "bf16" else "the GPU has it"
        if wanted == "bf16":
            raise ValueError("training.precision: this GPU has no bf16; use fp32 or auto")
        return "fp32", "the GPU has no bf16"
    if wanted == "bf16":
        return "bf16", "as configured"
    ratio = _seconds(torch.float32) / _seconds(torch.bfloat16)
    if ratio >= PAYS:
        return "bf16", f"matrix products are {ratio:.1f}x faster than in fp32 on this CPU"
    return "fp32", f"bf16 matrix products would be only {ratio:.1f}x as fast on this CPU"


def _seconds(dtype: torch.dtype, side: int = 768, repeats: int = 5) -> float:
    """The fastest of some products of square matrices, in seconds."""
    matrix = torch.full((side, side), 0.5, dtype=dtype)
    matrix @ matrix  # the first product prepares the kernel
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - start)
    return best


def lightning_name(precision: str) -> str:
    """Lightning's word for it: weights stay fp32, products run in the given type."""
    return "bf16-mixed" if precision == "bf16" else "32-true"
