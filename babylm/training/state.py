"""The resumable state of a run, ``last.ckpt`` and ``previous.ckpt``: weights, optimizer, average, number of the step.

Tensors and plain data only, read with ``weights_only``: a file from a stranger cannot run code. The new file is
complete on the disk before it takes the name, and the one before it is kept, so a kill at any moment leaves a state
to go on from.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from babylm import files

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
FORMAT = 1


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write ``last.ckpt``; the one there was becomes ``previous.ckpt``."""
    last = folder / LAST
    staged = folder / f".{LAST}.new{files.PARTIAL}"
    with files.atomic_file(staged) as file:
        torch.save({"format": FORMAT, **state}, file)
    if last.exists():
        os.replace(last, folder / PREVIOUS)
    os.replace(staged, last)


def load(folder: Path, warn: Any = print) -> dict[str, Any] | None:
    """The newest state that can be read; ``None`` when there is none at all.

    A damaged ``last.ckpt`` is passed over, with a warning, for its predecessor. ``ValueError`` when files are there but
    none can be read.
    """
    found = [folder / name for name in (LAST, PREVIOUS) if (folder / name).exists()]
    for path in found:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError) as error:
            reason = str(error).strip().split("\n")[0][:200]
            warn(f"{path} cannot be read ({reason}); it is passed over")
            continue
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            warn(f"{path} is not a state of this version; it is passed over")
            continue
        return state
    if found:
        raise ValueError(
            f"{folder}: no readable state in {', '.join(p.name for p in found)}; remove them to start anew"
        )
    return None
