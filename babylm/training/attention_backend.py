"""The attention backend to train with: a rule of host kind, dtype and row length; each candidate is tried once.

Not by timing: which of two close kernels is faster changes with the machine's load, and with it the model would.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from babylm.models import attention as kernels
from babylm.models.attention import BACKENDS, attend, packed_layout
from babylm.models.configuration_babylm import BabyLMConfig

LONG = 256
"""On a GPU, rows longer than this are mostly blocks that a dense mask computes for nothing: ``varlen`` before ``sdpa``.
Measured on one H200 (128 x 128 tokens, compiled): ``sdpa`` 25.5 ms per step, ``varlen`` 35.3; longer rows were not."""


class Choice(NamedTuple):
    """A backend, and why it was chosen, in one line."""

    name: str
    reason: str


def preferred(device: torch.device, dtype: torch.dtype, length: int, dense: bool) -> list[str]:
    """Backends for packed rows of ``length`` tokens, the best first; ``dense``: only those that take a bias.

    On a CPU, forward and backward of rows of 64 to 512 tokens: in bf16 plain products are 1.0 to 6 times as fast as
    torch's fused kernel, in fp32 the fused one is 1.0 to 2 times as fast (docs/log.md).
    """
    if device.type != "cuda":
        return ["eager", "sdpa"] if dtype == torch.bfloat16 else ["sdpa", "eager"]
    if dense:
        return ["sdpa", "eager"]
    return ["flash", "varlen", "sdpa", "flex"] if length > LONG else ["flash", "sdpa", "varlen", "flex"]


def choose(
    config: BabyLMConfig, device: torch.device, dtype: torch.dtype, requested: str = "auto", *, length: int = 128
) -> Choice:
    """The backend to use for packed rows of ``length`` tokens, and why.

    By default the first of `preferred` that runs forward and backward on a tiny problem.

    Raises:
        ValueError: The ``requested`` backend is unknown or does not run here, with the cause.
    """
    dense = config.position == "relative" or config.attention_dropout > 0
    if requested != "auto":
        if requested not in BACKENDS:
            raise ValueError(f"training.attention: unknown backend {requested!r} (one of: auto, {', '.join(BACKENDS)})")
        if dense and requested not in ("eager", "sdpa"):
            raise ValueError(
                f"training.attention={requested} cannot do a relative bias or attention dropout; use sdpa or eager"
            )
        problem = probe(requested, device, dtype, config.head_dim)
        if problem:
            raise ValueError(f"training.attention={requested} does not run here: {problem}; use auto")
        return Choice(requested, "as configured, and it runs here")
    candidates = preferred(device, dtype, length, dense)
    failed = ""
    for name in candidates:
        problem = probe(name, device, dtype, config.head_dim)
        if not problem:
            how = f"rows of {length} tokens in {str(dtype).removeprefix('torch.')} on a {device.type}"
            return Choice(name, f"first of {', '.join(candidates)} for {how}{failed}")
        failed += f"; {name} does not run ({problem})"
    raise AssertionError(f"no attention backend runs on {device}{failed}")


def probe(name: str, device: torch.device, dtype: torch.dtype, head_dim: int) -> str:
    """Why the backend does not run forward and backward here; empty if it does."""
    if name == "flash" and kernels.flash_attn_varlen_func is None:
        return "the package flash-attn is not installed"
    try:
        _run(name, device, dtype, head_dim)
    except Exception as error:  # whatever a kernel raises is the answer
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:120] if str(error).strip() else ''}"
    return ""


def _run(name: str, device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    """Forward and backward over two rows of two documents, the second row both ways; an error if it is not finite."""
    rows, length, heads = 2, 128, 2
    documents = (torch.arange(length) >= length // 3).int().expand(rows, length).contiguous()
    bidirectional = torch.arange(rows) % 2 == 1
    layout = packed_layout(documents, bidirectional, name, torch.empty(0, device=device, dtype=dtype))
    # Strided as in the model, where the three are slices of one product.
    packed = torch.randn(rows, length, 3, heads, head_dim, device=device).to(dtype).requires_grad_()
    query, key, value = packed.unbind(2)
    out = attend(query, key, value, layout)
    out.backward(torch.ones_like(out))
    if not (torch.isfinite(out).all() and packed.grad is not None and torch.isfinite(packed.grad).all()):
        raise RuntimeError("not finite")
