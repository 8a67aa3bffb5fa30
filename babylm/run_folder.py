"""A run's folder: ``checkpoints/<name>/``.

It holds ``config.yaml environment.json plan.json log.txt metrics.jsonl last.ckpt chck_*/ main/``, and ``.lock``, which
the process that trains there holds.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import environment, files, locks

LEADER_SECONDS = 600.0


def global_rank() -> int:
    """This process's number among those of one run, as srun and torchrun tell it; 0 for a process on its own."""
    return int(os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or os.environ.get("LOCAL_RANK") or 0)


LOCK = ".lock"


def lock_run(folder: Path) -> None:
    """Keep other processes from training in ``folder`` for as long as this one lives, however it ends.

    Without a file system with locks, or in a read-only folder, there is no lock. Reading the folder needs none.

    Raises:
        ValueError: another process is training there.
    """
    try:
        locks.keep(folder / LOCK)
    except locks.Locked:
        raise ValueError(
            f"another process is training this run ({folder}): wait for it or stop it, or choose another name=..."
        ) from None


@dataclass(frozen=True)
class RunState:
    """How far a run is.

    >>> print(RunState("stopped", "stopped by SIGTERM after step 30", words=1200))
    stopped: stopped by SIGTERM after step 30
    """

    name: str
    """``finished``, ``running``, ``stopped`` or ``never started``."""
    reason: str = ""
    """Why it stopped, from its log; empty if it did not."""
    words: int = 0
    """Words read so far, as far as they are logged."""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" if self.reason else self.name


def last_words(log: Path) -> str:
    """What the last attempt wrote to ``log.txt`` about its end; empty if it wrote nothing about it."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    for line in reversed(lines):
        if line.startswith("# "):  # the head of the attempt
            break
        if line.startswith(("error: ", "interrupted", "stopped by ")):
            return line.removeprefix("error: ").partition(", state saved")[0].partition("; the last saved")[0]
    return ""


class RunFolder:
    """``checkpoints/<name>/``: made for a new run, or opened again when the same command is repeated."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log.txt"
        self.metrics = path / "metrics.jsonl"
        self.main = path / "main"
        self.identity = path / "identity.json"

    def environment(self) -> dict[str, Any]:
        """What ``environment.json`` says of the run's start; empty if the file is not there or damaged."""
        try:
            return files.read_json(self.path / "environment.json")
        except files.DamagedFile:
            return {}

    @property
    def known(self) -> bool:
        """Whether a run was begun here."""
        return self.identity.exists()

    @property
    def finished(self) -> bool:
        """Whether the final revision is there."""
        return (self.main / files.MANIFEST).exists()

    def open(
        self,
        config_yaml: str,
        identity: dict[str, Any],
        choices: dict[str, str] | None = None,
        wait: float = LEADER_SECONDS,
    ) -> bool:
        """Make the folder, or check that it holds the same run; returns whether it was there.

        ``identity`` is what must be equal for a run to be continued; ``choices`` is what a new run decided by its
        host, kept in ``environment.json``. ``ValueError`` names the first keys that differ, and what to do; nothing is
        touched then. Of several processes of one run, the first makes the folder and the others wait for it, at most
        ``wait`` seconds.
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
        if self._is_same_run(identity):
            return True
        # Where it really lies: the user may have put a link to another disk there.
        path = self.path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        with locks.hold(path.parent, is_folder=True):
            if self._is_same_run(identity):  # another process has begun it in the same moment
                return True
            self._make(path, config_yaml, identity, choices or {})
        return False

    def extend(self, config_yaml: str, identity: dict[str, Any]) -> None:
        """Give the run here another configuration and identity; the caller has checked that it may go on with them.

        The first process of a run writes them, the others wait for it.
        """
        if global_rank() == 0:
            lock_run(self.path)
            files.write_text(self.path / "config.yaml", config_yaml)
            files.write_json(self.identity, identity)
            return
        end = time.monotonic() + LEADER_SECONDS
        while files.read_json(self.identity) != identity and time.monotonic() < end:
            time.sleep(0.1)

    def _is_same_run(self, identity: dict[str, Any]) -> bool:
        """Whether a run is here; if so, it is locked for this process. ``ValueError`` for another run."""
        stored = self.identity
        if stored.exists():
            old = files.read_json(stored, "choose another name=..., or remove the folder to start anew")
            differing = [key for key in sorted(old.keys() | identity.keys()) if old.get(key) != identity.get(key)]
            if differing:
                shown = "; ".join(f"{key} was {old.get(key)!r}, now {identity.get(key)!r}" for key in differing[:5])
                raise ValueError(
                    f"{self.path} holds a run with another configuration or other data: {shown}. "
                    "Choose another name=..., or remove the folder to start anew"
                )
            if global_rank() == 0:
                lock_run(self.path)
                files.remove_partial(self.path)
            return True
        return False

    def _make(self, path: Path, config_yaml: str, identity: dict[str, Any], choices: dict[str, str]) -> None:
        if self.path.exists() and any(self.path.iterdir()):
            raise ValueError(f"{self.path} is not empty and holds no run: choose another name=..., or remove it")
        # Whole or not at all: a start killed here must not leave what the next one takes for somebody else's.
        with files.atomic_folder(path, replace=False) as work:
            files.write_text(work / "config.yaml", config_yaml)
            files.write_json(work / "environment.json", {**environment.record(), **choices})
            files.write_json(work / self.identity.name, identity)
            lock_run(
                work
            )  # the lock goes with the folder to its name: there is no moment at which another could take it
