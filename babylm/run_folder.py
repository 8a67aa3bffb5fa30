"""A run's folder as training makes and locks it: ``checkpoints/<name>/``; `babylm.runs` reads it.

It has ``config.yaml environment.json identity.json plan.json log.txt metrics.jsonl last.ckpt chck_*/ main/``, and
``.lock``, which is locked by the process that trains there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import environment, files, locks
from babylm.config import older
from babylm.processes import global_rank

LEADER_SECONDS = 600.0


LOCK = ".lock"


def lock_run(folder: Path) -> None:
    """Keep other processes from training in ``folder`` for as long as this one lives, however it ends.

    In a read-only folder there is no lock. Reading the folder needs none.

    Raises:
        ValueError: another process is training there.
    """
    try:
        locks.keep(folder / LOCK)
    except locks.Locked as owner:
        raise ValueError(
            f"another process is training this run ({folder}): {owner}. Wait for it, stop it, or choose another name="
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
    """The line of ``log.txt`` in which the last attempt says why it ended; empty if there is none."""
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
        """The content of ``environment.json``; empty if the file is absent or damaged."""
        try:
            return files.read_json(self.path / "environment.json")
        except files.DamagedFile:
            return {}

    @property
    def known(self) -> bool:
        """Whether a run was started here."""
        return self.identity.exists()

    @property
    def finished(self) -> bool:
        """Whether the final revision is complete."""
        return (self.main / files.MANIFEST).exists()

    def open(
        self,
        config_yaml: str,
        identity: dict[str, Any],
        choices: dict[str, str] | None = None,
        wait: float = LEADER_SECONDS,
    ) -> bool:
        """Make the folder, or check that it holds the same run; returns whether it existed.

        Of several ranks of one run, rank 0 makes the folder and the others wait for it.

        Args:
            config_yaml: the configuration, for ``config.yaml``.
            identity: values that must be equal for a run to be continued.
            choices: what a new run decided by its host, for ``environment.json``.
            wait: seconds that other ranks wait.

        Raises:
            ValueError: the folder holds another run (the message names the first keys that differ), another process
                trains there, or rank 0 has not made it in time. Nothing is changed then.
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
        # Resolved, as the user may have put a link to another disk there.
        path = self.path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        with locks.hold(path.parent, is_folder=True):
            if self._is_same_run(identity):  # another process has begun it in the same moment
                return True
            self._make(path, config_yaml, identity, choices or {})
        return False

    def extend(self, config_yaml: str, identity: dict[str, Any]) -> None:
        """Write another configuration and identity of this run, with which the caller has checked it may continue.

        Rank 0 writes them; the other ranks wait until it has.
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
        """Whether this run is here already, which then is locked for this process; ``ValueError`` for another run."""
        stored = self.identity
        if stored.exists():
            old = files.read_json(stored, "choose another name=..., or remove the folder to start anew")
            differing = [key for key in sorted(old.keys() | identity.keys()) if old.get(key) != identity.get(key)]
            if differing and (hint := older.hint(self.path, old)):
                raise ValueError(hint)
            if differing:
                changes = "; ".join(f"{key} was {old.get(key)!r}, now {identity.get(key)!r}" for key in differing[:5])
                raise ValueError(
                    f"{self.path} holds a run with another configuration or other data: {changes}. "
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
        # Whole or not at all: a start killed here must not leave a folder that the next one takes for another run's.
        with files.atomic_folder(path, replace=False) as work:
            files.write_text(work / "config.yaml", config_yaml)
            files.write_json(work / "environment.json", {**environment.record(), **choices})
            files.write_json(work / self.identity.name, identity)
            lock_run(work)  # the lock is renamed with the folder: at no moment could another process take it
