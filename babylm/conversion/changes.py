"""What a conversion does or would do: each change by a line, each thing that cannot be converted by its reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

AREA = ".convert"
"""Folder beside a folder that is being replaced: the new one is filled in ``new``, the old one waits in ``old``."""


@dataclass
class Changes:
    """The changes of one conversion, made at once or, with ``dry_run``, only named."""

    log: Callable[[str], None]
    dry_run: bool = False
    accept_weights: bool = False
    """Seal revisions whose weights are not those of the manifest, if they fit the model."""
    made: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def change(self, what: str, action: Callable[[], None]) -> None:
        """Make a change, or name it."""
        if not self.dry_run:
            action()
        self.made.append(what)
        self.log(f"{'would convert' if self.dry_run else 'converted'} {what}")

    def refuse(self, why: str) -> None:
        """Leave something as it is; the conversion continues, and ends with an error."""
        self.refused.append(why)
        self.log(f"left as it is: {why}")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Fill a new folder that takes the place of ``folder`` once the block has ended without an error.

    Two renames do it, and a kill between them is mended by `recover`, which loses nothing: no other writer removes
    what is in ``.convert``.
    """
    folder = folder.resolve()  # a link to another disk stays one
    area = folder.parent / AREA
    new, old = area / "new" / folder.name, area / "old" / folder.name
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    old.parent.mkdir(exist_ok=True)
    yield new
    shutil.copymode(folder, new)
    for path in [*new.rglob("*"), new, new.parent]:
        _flush(path)
    os.replace(folder, old)
    os.replace(new, folder)
    _flush(folder.parent)
    shutil.rmtree(area)


def recover(parent: Path) -> None:
    """Finish what a kill has interrupted in ``parent``: a folder that is nowhere else gets its name back."""
    area = parent / AREA
    for old in sorted((area / "old").glob("*")):
        new, folder = area / "new" / old.name, parent / old.name
        if not folder.exists():  # the new one was complete on the disk before the old one was moved
            os.replace(new if new.is_dir() else old, folder)
    if area.is_dir():
        shutil.rmtree(area)


def recover_around(folder: Path) -> None:
    """Finish what a kill has interrupted when ``folder`` itself, which may be a link, was being replaced."""
    parent = folder.resolve().parent
    if (parent / AREA).is_dir():
        recover(parent)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """The same file under another name, which takes no room; a copy where the file system has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems refuse fsync on a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
