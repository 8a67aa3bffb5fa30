"""Locks between the processes of one machine, or of one cluster whose file system has locks.

Ours and not filelock's, because three tested properties need more than it gives. A run's lock is taken on a folder that
is then renamed to its final name, so it is known by inode and not by path. A forked child (a worker of the loader) must
not keep the lock of a parent that was killed, whatever version is installed: filelock 3 leaves the descriptor open in
the child. Where the file system has no locks, work continues without; filelock raises, or puts a file there that a kill
leaves behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_held: dict[tuple[int, int], int] = {}
"""Descriptors of the locks that this process keeps, by (device, inode); closing one would release the lock."""
_passing: set[int] = set()
"""Descriptors of the locks that a block of this process holds."""


class Locked(ValueError):
    """Another process has the lock."""


def keep(file: Path) -> None:
    """Lock ``file`` until this process ends, however it ends; nothing happens without locks or write permission.

    Raises:
        Locked: another process has it.
    """
    try:
        descriptor = _open(file, os.O_WRONLY | os.O_CREAT)
    except (ImportError, OSError):
        return
    status = os.fstat(descriptor)
    if (status.st_dev, status.st_ino) in _held:
        os.close(descriptor)
        return
    try:
        locked = _flock(descriptor, wait=False)
    except Locked:
        os.close(descriptor)
        raise
    if locked:
        _held[status.st_dev, status.st_ino] = descriptor
    else:
        os.close(descriptor)


@contextmanager
def hold(path: Path, on_wait: Callable[[], None] = lambda: None, *, is_folder: bool = False) -> Iterator[None]:
    """Hold the lock of a file (made if absent) or folder for a block, after waiting for it; without locks nobody waits.

    ``on_wait`` is called once if another process has the lock.

    Raises:
        OSError: ``path`` cannot be opened.
    """
    try:
        descriptor = _open(path, os.O_RDONLY if is_folder else os.O_WRONLY | os.O_CREAT)
    except ImportError:
        yield
        return
    _passing.add(descriptor)
    try:
        try:
            _flock(descriptor, wait=False)
        except Locked:
            on_wait()
            _flock(descriptor, wait=True)
        yield
    finally:
        if descriptor in _passing:  # else this is a forked child, which has closed it
            _passing.discard(descriptor)
            os.close(descriptor)


def is_held(file: Path) -> bool:
    """Whether a process (this one included) keeps the lock of ``file``; False without a file or without locks."""
    try:
        import fcntl

        descriptor = os.open(file, os.O_RDONLY)
    except (ImportError, OSError):
        return False
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) in _held:
            return True
        # Shared, so that several readers may look at once; it is released at once by closing.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _open(path: Path, flags: int) -> int:
    """A descriptor of ``path``; ``ImportError`` on a system without flock (Windows)."""
    import fcntl  # noqa: F401

    return os.open(path, flags, 0o666)


def _flock(descriptor: int, wait: bool) -> bool:
    """Lock a descriptor; False if the file system has no locks, `Locked` if another process has it."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise Locked("another process has the lock") from None
    except OSError:
        return False
    return True


def _release_in_child() -> None:
    """Close the descriptors that a forked child has inherited, so that the lock ends with its owner."""
    for descriptor in (*_held.values(), *_passing):
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()
    _passing.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
