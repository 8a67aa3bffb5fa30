"""Answers on disk, so that no question is asked twice, whatever is killed and whenever.

A run keeps every answer that it used in ``teacher/replies.jsonl``, one line each, appended in one write as soon as the
answer is there. A cache that several runs share has the same form. A last line that was cut (a full disk, a power
failure) is not read, and removed before the next is appended; reading changes no file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from babylm import checksums, files
from babylm.corpora.word_count import count as count_words

AGAIN = "remove the line, and it is asked again"
KEYS = ("teacher", "question", "answer", "round")
"""What every recorded reply has."""


@dataclass(frozen=True)
class Question:
    """What is asked about a text of the student."""

    kind: str
    """``complete``, ``correct``, ``reply``, ``score`` or ``judge``."""
    prompt: str
    completion: str = ""
    other: str = ""
    """``judge``: the second completion."""
    seed: int = 0
    """0 where nothing is left to chance."""

    @property
    def words(self) -> int:
        """Words of the student's text in it."""
        return count_words(self.prompt) + count_words(self.completion) + count_words(self.other)

    def key(self) -> str:
        """A hash of the question."""
        return hash_of(asdict(self))


class Done(Protocol):
    """What a teacher calls with each answer; ``tokens``: read and written for it by a model, 0 if that is not known."""

    def __call__(self, question: Question, answer: str, tokens: int = 0) -> None: ...


class Replies:
    """The answers of a run, and those of a cache that it shares with others.

    Raises:
        ValueError: A file has a damaged line before its last one.
    """

    def __init__(self, teacher: dict[str, Any], file: Path, shared: Path | None = None) -> None:
        self.teacher = hash_of(teacher)
        """Hash of the teacher's name and of how it is asked; answers of others are not used."""
        self.name = str(teacher.get("name", ""))
        self.file, self.shared = file, shared
        self._lock = threading.Lock()
        _check_cache(shared)
        self.entries = {entry["question"]: entry for entry in read(file) if entry["teacher"] == self.teacher}
        entries = [] if shared is None else read(shared)
        self._of_others = {entry["question"]: entry for entry in entries if entry["teacher"] == self.teacher}

    def find(self, question: Question, round_number: int) -> str | None:
        """The answer to a question if it is known; one from the shared cache then is the run's, too."""
        key = question.key()
        if key not in self.entries and key in self._of_others:
            self._append(self.file, {**self._of_others[key], "round": round_number})
        entry = self.entries.get(key)
        return None if entry is None else str(entry["answer"])

    def add(self, question: Question, answer: str, round_number: int, tokens: int = 0) -> None:
        """Keep an answer; called from several threads."""
        entry = {
            "teacher": self.teacher,
            "name": self.name,
            "question": question.key(),
            "round": round_number,
            **asdict(question),
            "answer": answer,
            "tokens": tokens,
        }
        self._append(self.file, entry)
        if self.shared is not None:
            self._append(self.shared, entry)

    def _append(self, file: Path, entry: dict[str, Any]) -> None:
        with self._lock:
            if file == self.file:
                self.entries[entry["question"]] = entry
            append(file, entry)


def append(file: Path, entry: dict[str, Any]) -> None:
    """Add an entry to a file as one line, in one write."""
    line = (json.dumps(checksums.add(entry), ensure_ascii=False) + "\n").encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        _end_last_line(descriptor)
        if os.write(descriptor, line) != len(line):
            raise OSError(f"{file}: the disk is full")
    finally:
        os.close(descriptor)


def read(file: Path, keys: Sequence[str] = KEYS) -> list[dict[str, Any]]:
    """The entries of a file, without a last line that was cut; none if there is no file.

    Raises:
        ValueError: A line is not what was written, or lacks one of ``keys``.
    """
    if not file.is_file():
        return []
    *lines, last = file.read_bytes().split(b"\n")
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines if _is_cut(last) else [*lines, last], 1):
        try:
            entry = checksums.verify(json.loads(line), file)
            _ = [entry[key] for key in keys]
        except files.DamagedFile:
            raise ValueError(f"{file}, line {number}: is not what was written; {AGAIN}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            remedy = AGAIN if entries else "name a file of recorded replies"
            raise ValueError(f"{file}, line {number}: is no recorded reply; {remedy}") from None
        entries.append(entry)
    return entries


BEGINNING = b'{"teacher": '
"""Of every line."""


def _is_cut(line: bytes) -> bool:
    """Whether a last line without a line feed is the beginning of an entry (or nothing), and not the whole of one."""
    try:
        json.loads(line)
    except ValueError:
        return line[: len(BEGINNING)] == BEGINNING[: len(line)]
    return False


def _end_last_line(descriptor: int) -> None:
    """Before a line is appended: add a line feed that an editor has left out, or remove a last line that was cut.

    The file is locked until it is closed, so that a line that another process is writing is not taken for a cut one.
    """
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return
    start = size
    while start > 0 and b"\n" not in os.pread(descriptor, size - start, start):
        start = max(0, start - (1 << 16))
    tail = os.pread(descriptor, size - start, start)
    last = tail[tail.rfind(b"\n") + 1 :]
    if _is_cut(last):
        os.ftruncate(descriptor, size - len(last))
    else:
        os.write(descriptor, b"\n")


def _check_cache(shared: Path | None) -> None:
    """ValueError for a cache that is a folder or a pipe, which would wait for ever."""
    if shared is not None and shared.exists() and not shared.is_file():
        raise ValueError(f"interaction.teaching.cache={shared}: is no file; name one, or a new one")


def hash_of(value: dict[str, Any]) -> str:
    """A hash of what JSON makes of a value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:32]
