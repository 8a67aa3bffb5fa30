"""The resumable state of a run, ``last.ckpt`` and ``previous.ckpt``: weights, optimizer, average, number of the step.

Tensors and plain data only, read with ``weights_only``: a file from a stranger cannot run code. The new file is
complete on the disk before it takes the name, and the one before it is kept, so a kill at any moment leaves a state
to go on from. Behind torch's own bytes stand a mark and their SHA-256 (torch looks for the end of its archive and
passes over what follows): one flipped byte is noticed, where torch alone would go on with another model.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from babylm import files

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
FORMAT = 2
MARK = b"babylm state sha256\n"
"""Stands before the 32 bytes of the checksum, which end the file."""


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write ``last.ckpt``; the one there was becomes ``previous.ckpt``. ``OSError`` that names it on a full disk."""
    last = folder / LAST
    staged = folder / f".{LAST}.new{files.PARTIAL}"
    hashed: _HashingWriter | None = None
    try:
        with files.atomic_file(staged) as file:
            hashed = _HashingWriter(file)
            torch.save({"format": FORMAT, **state}, hashed)  # type: ignore[arg-type]
            file.write(MARK + hashed.sha256.digest())
    except (OSError, RuntimeError) as error:  # torch hides the file's own error behind one about its archive
        cause = error if isinstance(error, OSError) else hashed and hashed.error
        if not cause or cause.errno is None:
            raise
        raise OSError(cause.errno, cause.strerror, str(last)) from None
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
            _check_sum(path)
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


class _HashingWriter:
    """A file for ``torch.save``, which writes from front to back, that keeps the SHA-256 of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sha256 = file, hashlib.sha256()
        self.error: OSError | None = None
        """What the disk said, when it refused to take more."""

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        with self._kept():
            return self.file.write(data)

    def flush(self) -> None:
        with self._kept():
            self.file.flush()

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error
            raise


def _check_sum(path: Path) -> None:
    """``ValueError`` when the bytes are not those whose checksum ends the file."""
    trailer = len(MARK) + hashlib.sha256().digest_size
    size = path.stat().st_size - trailer
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 22))):
            sha256.update(block)
            size -= len(block)
        if file.read() != MARK + sha256.digest():
            raise ValueError("its bytes are not those that were written, or it is from another version")
