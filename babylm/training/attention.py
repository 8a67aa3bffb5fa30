"""Which attention backend to train with: each that could serve is run, forward and backward, and timed."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

from babylm.models import attention as kernels
from babylm.models.attention import BACKENDS, attend, packed_layout
from babylm.models.configuration import BabyLMConfig


class Choice(NamedTuple):
    """A backend and one line that says why it was taken."""

    name: str
    reason: str


def choose(
    config: BabyLMConfig,
    device: torch.device,
    dtype: torch.dtype,
    wanted: str = "auto",
    *,
    rows: int = 32,
    length: int = 128,
    timed: bool = True,
) -> Choice:
    """The backend to use for packed rows of this shape, and why.

    Each candidate is run forward and backward on a tiny problem; those that survive are timed on ``rows`` of
    ``length`` tokens and the fastest is taken, or the first where not ``timed``: several ranks must agree, and each has
    times of its own. A ``wanted`` backend is taken if it runs; ``ValueError`` with the cause if it does not.
    """
    head_dim, heads = config.head_dim, config.num_attention_heads
    dense = config.position == "relative" or config.attention_dropout > 0
    if wanted != "auto":
        if wanted not in BACKENDS:
            raise ValueError(f"training.attention: unknown backend {wanted!r} (one of: auto, {', '.join(BACKENDS)})")
        if dense and wanted not in ("naive", "sdpa"):
            raise ValueError(
                f"training.attention={wanted} cannot do a relative bias or attention dropout; use sdpa or naive"
            )
        problem = probe(wanted, device, dtype, head_dim)
        if problem:
            raise ValueError(f"training.attention={wanted} does not run here: {problem}; use auto")
        return Choice(wanted, "as asked for, and it runs here")
    candidates = ["sdpa", "naive"] if dense or device.type != "cuda" else ["flash", "varlen", "sdpa"]
    refused = {name: probe(name, device, dtype, head_dim) for name in candidates}
    usable = [name for name in candidates if not refused[name]]
    if device.type == "cuda" and not dense and not {"flash", "varlen"} & set(usable):
        usable += [] if probe("flex", device, dtype, head_dim) else ["flex"]
    assert usable, f"no attention backend runs on {device}: {refused}"
    failed = "".join(f"; {name} does not run ({problem})" for name, problem in refused.items() if problem)
    if not timed:
        return Choice(usable[0], f"first of {', '.join(candidates)} that runs, untimed: all ranks must agree{failed}")
    times = {name: _measure(name, device, dtype, rows, length, heads, head_dim, repeat=5) for name in usable}
    best = min(times, key=times.__getitem__)
    measured = ", ".join(
        f"{name} {1e3 * seconds:.2f} ms" for name, seconds in sorted(times.items(), key=lambda x: x[1])
    )
    return Choice(best, f"fastest of {measured} for {rows}x{length}{failed}")


def probe(name: str, device: torch.device, dtype: torch.dtype, head_dim: int) -> str:
    """Why the backend does not run here, forward and backward; empty if it does."""
    if name == "flash" and kernels.flash_attn_varlen_func is None:
        return "the package flash-attn is not installed"
    try:
        _measure(name, device, dtype, rows=2, length=128, heads=2, head_dim=head_dim, repeat=1)
    except Exception as error:  # whatever a kernel raises is the answer
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:120] if str(error).strip() else ''}"
    return ""


def _measure(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    rows: int,
    length: int,
    heads: int,
    head_dim: int,
    repeat: int,
) -> float:
    """Median seconds of a forward and backward over rows of two documents, every second row both ways."""
    documents = (torch.arange(length) >= length // 3).int().expand(rows, length).contiguous()
    bidirectional = torch.arange(rows) % 2 == 1
    layout = packed_layout(documents, bidirectional, name, torch.empty(0, device=device, dtype=dtype))
    # Strided as in the model, where the three are slices of one product.
    packed = torch.randn(rows, length, 3, heads, head_dim, device=device).to(dtype).requires_grad_()
    seconds = []
    for _ in range(repeat + 1):
        packed.grad = None
        _synchronize(device)
        start = time.perf_counter()
        query, key, value = packed.unbind(2)
        out = attend(query, key, value, layout)
        out.backward(torch.ones_like(out))
        _synchronize(device)
        seconds.append(time.perf_counter() - start)
    if not (torch.isfinite(out).all() and packed.grad is not None and torch.isfinite(packed.grad).all()):
        raise RuntimeError("not finite")
    return sorted(seconds[1:] or seconds)[(len(seconds) - 1) // 2]


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
