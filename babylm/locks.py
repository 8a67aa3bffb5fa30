"""Locks between the processes of one machine or one cluster.

A lock is two things: the operating system's (flock), which ends with its process however that ends, and a record of its
owner in the file (host, process, SLURM job), whose time is renewed every minute. On a disk of this machine flock alone
decides. Some network file systems have none, or one that each host sees alone: there a fresh record of another host
counts, too. One that nobody has renewed for ten minutes is that of a dead process. The same SLURM job, requeued on
another host, takes its own record over at once.

Ours and not filelock's, because three tested properties need more than it gives. A run's lock is taken on a folder that
is then renamed to its final name, so it is known by inode and not by path. A forked child (a worker of the loader) must
not keep the lock of a parent that was killed, whatever version is installed: filelock 3 leaves the descriptor open in
the child. Where the file system has no locks, filelock raises, or puts a file there that a kill leaves behind.
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from babylm import files

FRESH_SECONDS = 600.0
"""How long a record counts after its owner has last renewed it."""
RENEW_SECONDS = 60.0
SHARED = ("nfs", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb", "afs", "glusterfs", "panfs", "wekafs", "fuse", "9p")
"""Beginnings of the names of network file systems."""

_held: dict[tuple[int, int], int] = {}
"""Descriptors of the locks that this process keeps, by (device, inode); closing one would release the lock."""
_passing: set[int] = set()
"""Descriptors of the locks that a block of this process holds."""


class Locked(ValueError):
    """Another process has the lock; the message says which, and what to do if it is dead."""


def keep(file: Path) -> None:
    """Lock ``file`` until this process ends, however it ends; nothing happens without write permission.

    Raises:
        Locked: another process has it.
        ValueError: it is a link or the like: an owner's record would be written through it.
    """
    try:
        descriptor = _open(file, os.O_RDWR | os.O_CREAT)
    except (ImportError, OSError):
        return
    status = os.fstat(descriptor)
    if (status.st_dev, status.st_ino) in _held:
        os.close(descriptor)
        return
    owner, age = _read_owner(descriptor)
    try:
        locked = _flock(descriptor, wait=False)
    except Locked:
        os.close(descriptor)
        raise Locked(describe_owner(owner) or "another process") from None
    if _is_of_another(owner, age, decided=locked and not _is_shared(file)):
        os.close(descriptor)
        raise Locked(
            f"{describe_owner(owner)}, which was last seen {age:.0f}s ago; if it is dead, remove {file} or wait "
            f"{FRESH_SECONDS / 60:.0f} minutes"
        )
    _held[status.st_dev, status.st_ino] = descriptor
    _write_owner(descriptor)
    _renewals.start()


def this_owner() -> dict[str, Any]:
    """Host, process and SLURM job of this process."""
    job = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{job[0]}_{job[1]}" if all(job) else os.environ.get("SLURM_JOB_ID", "")
    return {"host": platform.node(), "process": os.getpid(), "job": name}


def owner(file: Path) -> dict[str, Any]:
    """The record in a lock file; empty if there is none."""
    with suppress(OSError, ValueError):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}


def describe_owner(owner: Mapping[str, Any]) -> str:
    """Who has a lock, as a person reads it; empty for an empty record.

    >>> describe_owner({"host": "n1", "process": 7, "job": "12_3"})
    'process 7 on n1 (SLURM job 12_3: squeue -j 12_3)'
    """
    if not owner:
        return ""
    job = owner.get("job")
    return f"process {owner.get('process')} on {owner.get('host')}" + (
        f" (SLURM job {job}: squeue -j {job})" if job else ""
    )


def _is_of_another(owner: Mapping[str, Any], age: float, *, decided: bool) -> bool:
    """Whether a record is of another process that may be alive; ``decided``: flock has said already that it is not."""
    this = this_owner()
    if decided or not owner or age > FRESH_SECONDS or (owner.get("job") and owner.get("job") == this["job"]):
        return False
    if owner.get("host") != this["host"]:
        return True
    return owner.get("process") != this["process"] and _is_alive(int(owner.get("process", 0)))


def _is_shared(file: Path) -> bool:
    """Whether ``file`` is on a file system that several hosts may have mounted; False where that cannot be told.

    >>> _is_shared(Path("/proc/version"))
    False
    """
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
        path = file.resolve()
    except OSError:
        return False
    mounts = [line.split()[1:3] for line in lines if len(line.split()) >= 3]
    holding = [(len(point), kind) for point, kind in mounts if path.is_relative_to(point.replace("\\040", " "))]
    kind = max(holding, default=(0, ""))[1]
    return kind.startswith(SHARED)


def _is_alive(process: int) -> bool:
    """Whether a process of this host runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _read_owner(descriptor: int) -> tuple[dict[str, Any], float]:
    """(record, seconds since it was renewed); an empty record for a file without one."""
    with suppress(OSError, ValueError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        owner = json.loads(os.read(descriptor, 4096) or b"{}")
        if isinstance(owner, dict):
            return owner, max(0.0, time.time() - os.fstat(descriptor).st_mtime)
    return {}, 0.0


def _write_owner(descriptor: int, owner: Mapping[str, Any] | None = None) -> None:
    """Put this process's record (or ``owner``) into the file; an empty one says that the lock was given back."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps(this_owner() if owner is None else owner).encode())


class _Renewals:
    """A thread that renews the records of the kept locks, and the end of this process that empties them."""

    def __init__(self) -> None:
        self._process = 0

    def start(self) -> None:
        """Once per process."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        threading.Thread(target=self._run, daemon=True, name="locks").start()
        atexit.register(self._give_back, os.getpid())

    def _run(self) -> None:
        while True:
            time.sleep(RENEW_SECONDS)
            for descriptor in list(_held.values()):
                with suppress(OSError):
                    os.utime(descriptor)

    def _give_back(self, process: int) -> None:
        if process == os.getpid():
            for descriptor in _held.values():
                _write_owner(descriptor, {})


_renewals = _Renewals()


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
    """Whether a process (this one included) keeps the lock of ``file``; False without a file."""
    try:
        import fcntl

        descriptor = os.open(file, os.O_RDONLY)
    except (ImportError, OSError):
        return False
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) in _held:
            return True
        if _is_of_another(*_read_owner(descriptor), decided=not _is_shared(file)):
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
    """A descriptor of ``path``; ``ImportError`` on a system without flock (Windows), ``ValueError`` for a link."""
    import fcntl  # noqa: F401

    return files.open_in_place(path, flags) if flags & os.O_CREAT else os.open(path, flags)


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
