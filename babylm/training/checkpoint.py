"""The resumable state of a run, ``last.ckpt`` and ``previous.ckpt``: weights, optimizer, average, step number.

Tensors and plain data only, read with ``weights_only``: a file from a stranger cannot run code. The new file is
complete on the disk before it is renamed to ``last.ckpt``, and its predecessor is kept, so a kill at any moment leaves
a state to continue from. A mark and the SHA-256 of torch's bytes are appended to them (torch ignores what follows its
archive): one flipped byte is noticed, where torch alone would continue with another model.
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
"""Precedes the 32 bytes of the checksum at the file's end."""


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write ``last.ckpt``; the existing one becomes ``previous.ckpt``.

    Raises:
        OSError: The disk is full or refuses; it names the file.
    """
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
    """The newest state that can be read; None if there is no file.

    If ``last.ckpt`` is damaged, its predecessor is read, with a warning.

    Raises:
        ValueError: There are files, and none can be read; or something else has the name of one, which `save` could
            not replace.
    """
    paths = [folder / name for name in (LAST, PREVIOUS) if (folder / name).exists()]
    for path in paths:
        if not path.is_file():
            raise ValueError(f"{path} is {'a folder' if path.is_dir() else 'no regular file'}: move it elsewhere")
    for path in paths:
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
    if paths:
        raise ValueError(
            f"{folder}: no readable state in {', '.join(p.name for p in paths)}; remove them to start anew"
        )
    return None


class _HashingWriter:
    """A file for ``torch.save`` (which writes from front to back) that hashes what is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sha256 = file, hashlib.sha256()
        self.error: OSError | None = None
        """The error of the first failed write."""

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        with self._record_error():
            return self.file.write(data)

    def flush(self) -> None:
        with self._record_error():
            self.file.flush()

    @contextmanager
    def _record_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error
            raise


def _check_sum(path: Path) -> None:
    """Raise ValueError if the checksum at the file's end is not that of its bytes."""
    trailer = len(MARK) + hashlib.sha256().digest_size
    size = path.stat().st_size - trailer
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 22))):
            sha256.update(block)
            size -= len(block)
        if file.read() != MARK + sha256.digest():
            raise ValueError("its bytes are not those that were written, or it is from another version")
