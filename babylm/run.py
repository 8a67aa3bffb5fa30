"""A run's folder and the way files are written: whole or not at all.

``checkpoints/<name>/`` holds ``config.yaml environment.json plan.json log.txt metrics.jsonl last.ckpt chck_*/
main/``, and ``.lock``, which the process that trains there holds. Files are written beside their final name, flushed
to the disk and renamed; folders are complete when their manifest exists, which is written last. So whatever is killed
and whenever, a name that exists is a whole file.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import IO, Any

MANIFEST = "manifest.json"
PARTIAL = ".partial"
"""Ending of a name that is being written; such leftovers are never read and are removed by the next writer."""


@contextmanager
def atomic_file(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that appears under ``path`` only once the block has ended without an error, flushed to the disk."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    try:
        with open(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) whole or not at all."""
    with atomic_file(path, "w") as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON (NaN refused), whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def atomic_folder(path: Path, replace: bool = True) -> Iterator[Path]:
    """Fill a folder that appears under ``path`` only once the block has ended without an error.

    An existing folder of that name is replaced, or with ``replace=False`` kept (``OSError``) unless it is empty. Every
    file in it is flushed to the disk before the rename.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_partial(path.parent, path.name)
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL))
    try:
        yield work
        for file in work.rglob("*"):
            if file.is_file():
                _sync_file(file)
        inherited = work.stat().st_mode & 0o7000  # a shared parent's group
        os.chmod(work, inherited | 0o777 & ~_umask())
        if replace and path.exists():
            old = work.with_name(f".{path.name}.old{PARTIAL}")
            shutil.rmtree(old, ignore_errors=True)
            os.replace(path, old)
            os.replace(work, path)
            shutil.rmtree(old)
        else:
            os.replace(work, path)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _sync_folder(path.parent)


def remove_partial(parent: Path, name: str = "") -> None:
    """Remove what killed writers left in ``parent`` (of ``name`` alone, when given)."""
    for leftover in parent.glob(f".*{PARTIAL}"):
        if name and leftover.name.removesuffix(PARTIAL).rpartition(".")[0] != f".{name}":
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def environment() -> dict[str, Any]:
    """What the run ran on: code revision, versions, machine. Read without importing torch."""
    versions = {}
    for package in (
        "torch",
        "lightning",
        "transformers",
        "tokenizers",
        "datasets",
        "omegaconf",
        "numpy",
        "safetensors",
    ):
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "code": code_revision(),
        "python": platform.python_version(),
        "packages": versions,
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "command": sys.argv,
    }


def code_revision() -> str | None:
    """The git commit of the source tree, with ``+changes`` when it is not clean; ``None`` outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--", "."],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changes else "")


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    with suppress(OSError):  # some file systems refuse fsync on a folder
        _sync_file(path)


@contextmanager
def refusing() -> Iterator[None]:
    """Before anything is started: an error of a file (no folder there, not ours to write) is the user's to mend."""
    try:
        yield
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise  # the network's errors, for example
        raise ValueError(f"{error.filename}: {error.strerror}") from error


LEADER_SECONDS = 600.0


def global_rank() -> int:
    """This process's number among those of one run, as srun and torchrun tell it; 0 for a process on its own."""
    return int(os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or os.environ.get("LOCAL_RANK") or 0)


LOCK = ".lock"
_held: dict[tuple[int, int], IO[bytes]] = {}
"""Open lock files of this process by (device, inode): closing one would give the lock away."""


def hold(folder: Path) -> None:
    """Keep other processes from training in ``folder`` for as long as this one lives, however it ends.

    ``ValueError`` when another one has the lock. Where the file system has no locks, or the folder is read-only, there
    is none: nothing is kept from going on by that. Who only reads the folder needs no lock and is not hindered by it.
    """
    with suppress(ImportError):  # not on Windows
        import fcntl

        try:
            file = open(folder / LOCK, "ab")  # noqa: SIM115
        except OSError:
            return
        about = os.fstat(file.fileno())
        if (about.st_dev, about.st_ino) in _held:
            file.close()
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ValueError(
                f"another process is training this run ({folder}): wait for it or stop it, or choose another name=..."
            ) from None
        except OSError:
            file.close()
            return
        _held[about.st_dev, about.st_ino] = file


def _let_go() -> None:
    """A forked child (a worker of the loader) must not keep the lock of a parent that was killed."""
    for file in _held.values():
        file.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


class RunFolder:
    """``checkpoints/<name>/``: made for a new run, or opened again when the same command is repeated."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log.txt"
        self.metrics = path / "metrics.jsonl"
        self.main = path / "main"
        self.identity = path / "identity.json"

    @property
    def known(self) -> bool:
        """Whether a run was begun here."""
        return self.identity.exists()

    @property
    def finished(self) -> bool:
        """Whether the final revision is there."""
        return (self.main / MANIFEST).exists()

    def open(self, config_yaml: str, identity: dict[str, Any], wait: float = LEADER_SECONDS) -> bool:
        """Make the folder, or check that it holds the same run; returns whether it was there.

        ``identity`` is what must be equal for a run to be continued. ``ValueError`` names the first keys that differ,
        and what to do; nothing is touched then. Of several processes of one run, the first makes the folder and the
        others wait for it, at most ``wait`` seconds.
        """
        stored = self.identity
        if global_rank() > 0:
            end = time.monotonic() + wait
            while not stored.exists():
                if time.monotonic() > end:
                    raise ValueError(
                        f"the first process has not made {self.path} within {wait:.0f} seconds: see its log"
                    )
                time.sleep(0.1)
        if stored.exists():
            old = json.loads(stored.read_text(encoding="utf-8"))
            differing = [key for key in sorted(old.keys() | identity.keys()) if old.get(key) != identity.get(key)]
            if differing:
                shown = "; ".join(f"{key} was {old.get(key)!r}, now {identity.get(key)!r}" for key in differing[:5])
                raise ValueError(
                    f"{self.path} holds a run with another configuration or other data: {shown}. "
                    "Choose another name=..., or remove the folder to start anew"
                )
            if global_rank() == 0:
                hold(self.path)
                remove_partial(self.path)
            return True
        if self.path.exists() and any(self.path.iterdir()):
            raise ValueError(f"{self.path} is not empty and holds no run: choose another name=..., or remove it")
        # Whole or not at all: a start killed here must not leave what the next one takes for somebody else's.
        # Where it really lies: the user may have put a link to another disk there.
        with atomic_folder(self.path.resolve(), replace=False) as work:
            write_text(work / "config.yaml", config_yaml)
            write_json(work / "environment.json", environment())
            write_json(work / stored.name, identity)
            hold(work)  # the lock goes with the folder to its name: there is no moment at which another could take it
        return False


def used_bytes(path: Path) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def free_bytes(path: Path) -> int:
    """Bytes free where ``path`` lies or will lie."""
    place = path.resolve()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
