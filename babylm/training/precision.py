"""Which arithmetic to train in: a rule of the kind of host, so that two runs of one configuration always agree.

bf16 where the hardware multiplies bf16 matrices, else fp32. Measured: with ``amx_bf16`` products of 768 x 768 are 2.5
to 5 times as fast as in fp32, with ``avx512_bf16`` 2.0 to 2.2 times; without either they are slower (docs/log.md).
"""

from __future__ import annotations

import torch

from babylm.training import host


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
    instructions = host.cpu_bf16()
    if instructions is not None:
        return "bf16", f"this CPU has {instructions}"
    return "fp32", "this CPU has no instructions for bf16 products"


def lightning_name(precision: str) -> str:
    """Lightning's word for it: weights stay fp32, products run in the given type."""
    return "bf16-mixed" if precision == "bf16" else "32-true"
