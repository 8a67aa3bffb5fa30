"""What is below a folder, how much of its disk is used and free, and whether it can be written in."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path


def visible_files(folder: Path) -> list[Path]:
    """Everything below a folder that is no folder, by path, without names that begin with a dot.

    Links to folders are followed, each folder once: ``Path.rglob`` would leave what is behind them out in silence.
    """
    seen = {os.path.realpath(folder)}
    paths: list[Path] = []
    for root, folders, names in os.walk(folder, followlinks=True):
        inner = [name for name in sorted(folders) if not name.startswith(".")]
        folders[:] = [name for name in inner if os.path.realpath(Path(root, name)) not in seen]
        seen |= {os.path.realpath(Path(root, name)) for name in folders}
        paths += [Path(root, name) for name in names if not name.startswith(".")]
    return sorted(paths)


def check_writable(folder: Path) -> None:
    """Try to write in ``folder``, before long work; ValueError if that fails. Folders made for it are removed again.

    An empty folder would stay if the work fails, and in a revision it is a file that the manifest does not list.
    """
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"{folder}: results cannot be written there: {error.strerror or error}") from None
    finally:
        for parent in made:
            with suppress(OSError):  # it was not made, or another process has begun to use it
                parent.rmdir()


def used_bytes(path: Path) -> int:
    """Bytes of all files below a folder; 0 without one."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def free_bytes(path: Path) -> int:
    """Free bytes of the disk of ``path``, which need not exist yet."""
    existing = path.resolve()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free
