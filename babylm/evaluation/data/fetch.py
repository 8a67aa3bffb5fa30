"""Files from the network, whole or not at all.

A file comes down under the name ``.<name>.partial`` and takes its own once size and hash are right; what is left of a
broken transfer is continued where the server can, else begun anew. Archives are unpacked file by file, and only what a
given function wants of them.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from babylm import files
from babylm.console import first_line

TIMEOUT = 30.0
"""Seconds of silence after which a server is given up."""
BLOCK = 1 << 20
BROKEN = (urllib.error.URLError, http.client.HTTPException, OSError)
"""What a network that is not there, or breaks off, raises."""


class Unreachable(ValueError):
    """A server did not give what was asked; the message says which and why."""


def copy(source: Path, file: Path) -> None:
    """Copy a local file, whole or not at all."""
    with open(source, "rb") as opened, files.atomic_file(file) as target:
        shutil.copyfileobj(opened, target)


def read_json(url: str) -> Any:
    """The JSON at ``url``."""
    try:
        with _open(url) as answer:
            return json.load(answer)
    except (*BROKEN, ValueError) as error:
        raise Unreachable(f"{url}: {first_line(error)}") from None


def download(url: str, file: Path, *, size: int | None = None, sha256: str | None = None) -> None:
    """Bring ``url`` to ``file``; `Unreachable` without network, ``ValueError`` for other bytes than were promised."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}{files.PARTIAL}")
    have = part.stat().st_size if part.is_file() else 0
    if size is None or have > size:
        have = 0  # nothing says that it is the beginning of this file
    try:
        if not size or have < size:
            _append(url, part, have)
    except BROKEN as error:
        raise Unreachable(f"{url}: {first_line(error)}") from None
    received, actual = part.stat().st_size, files.sha256_file(part)
    if (size is not None and received != size) or (sha256 is not None and actual != sha256):
        part.unlink()
        raise ValueError(
            f"{url}: {received:,} bytes with the hash {actual[:12]}, not the {size or received:,} and "
            f"{(sha256 or '')[:12]} that were promised; it was thrown away, repeat the command"
        )
    with open(part, "rb+") as done:
        os.fsync(done.fileno())
    os.replace(part, file)


def unpack(
    archive: Path,
    folder: Path,
    destination: Callable[[PurePosixPath], PurePosixPath | None],
    password: str | None = None,
) -> list[Path]:
    """Write the files of a zip archive to the place below ``folder`` that ``destination`` gives them (none: left out).

    ``PermissionError`` where it asks for a password, or another one.
    """
    written = []
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            place = None if member.is_dir() else destination(PurePosixPath(member.filename))
            if place is None:
                continue
            if place.is_absolute() or ".." in place.parts:
                raise ValueError(f"{archive}: the name {member.filename!r} leads out of the folder")
            try:
                with (
                    opened.open(member, pwd=password.encode() if password else None) as source,
                    files.atomic_file(folder / place) as target,
                ):
                    shutil.copyfileobj(source, target)
            except RuntimeError as error:  # zipfile's word for a password
                raise PermissionError(f"{archive.name}: {first_line(error)}") from None
            written.append(folder / place)
    return written


def _append(url: str, part: Path, have: int) -> None:
    with _open(url, {"Range": f"bytes={have}-"} if have else {}) as answer:
        continued = answer.status == 206
        with open(part, "ab" if continued else "wb") as target:
            shutil.copyfileobj(answer, target, BLOCK)
        expected = answer.headers.get("Content-Length")
    if expected is not None and part.stat().st_size - (have if continued else 0) != int(expected):
        raise http.client.HTTPException(f"broken off after {part.stat().st_size:,} bytes; repeat the command")


def _open(url: str, headers: dict[str, str] | None = None) -> Any:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"not a web address: {url}")
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=TIMEOUT)
