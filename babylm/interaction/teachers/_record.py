"""Every answer of a teacher on disk, as it was given to the student: what a replay of any teacher reads.

``teacher/answers.jsonl`` of a run has one line per call of the teacher's interface, appended in one write when the call
is answered, and before them one line that says who teaches. A call that is in the file is not made again: a round that
is acted again after a kill asks nothing that was answered. (``teacher/replies.jsonl`` beside it holds the single texts
of teachers that are asked in words, `_replies`: so a call of these that was interrupted continues where it was.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from babylm.interaction.teachers import _replies
from babylm.interaction.teachers._types import Teacher, Usage

FILE = "answers.jsonl"
KEYS = ("teacher", "method")
IDENTITY = "identity"
"""``method`` of the line that says who teaches."""
Texts = dict[str, list[str]]
"""Arguments of a call by name."""


class CalledTeacher(Teacher):
    """A teacher all of whose methods are one: `call` with the method's name and its texts by name."""

    def call(self, method: str, texts: Texts, seed: int) -> list[Any]:
        """What the method returns."""
        raise NotImplementedError

    def complete(self, prompts: Sequence[str], seed: int) -> list[str]:
        """See `Teacher`."""
        return self.call("complete", {"prompts": list(prompts)}, seed)

    def correct(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> Sequence[str | None]:
        """See `Teacher`."""
        return self.call("correct", {"prompts": list(prompts), "completions": list(completions)}, seed)

    def reply(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> Sequence[str | None]:
        """See `Teacher`."""
        return self.call("reply", {"prompts": list(prompts), "completions": list(completions)}, seed)

    def score(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[float]:
        """See `Teacher`."""
        return self.call("score", {"prompts": list(prompts), "completions": list(completions)}, seed)

    def judge_pair(self, prompts: Sequence[str], first: Sequence[str], second: Sequence[str], seed: int) -> list[float]:
        """See `Teacher`."""
        texts = {"prompts": list(prompts), "first": list(first), "second": list(second)}
        return self.call("judge_pair", texts, seed)


class RecordedTeacher(CalledTeacher):
    """Another teacher, of `babylm.interaction.teachers.build`, with a record; it offers what that one offers."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher, self.identity = teacher, teacher.identity
        self.round = 0
        self._hash = ""
        self._file: Path | None = None
        self._answers: dict[str, list[Any]] = {}
        """Key of a call -> what came back."""

    def open(self, folder: Path) -> None:
        """Record in ``folder``, and take from there what was recorded before."""
        self.teacher.open(folder)
        if not (folder / FILE).exists() and (folder / "replies.jsonl").exists():
            return  # a run from before there was this record, which would lack its first rounds
        self._file, self._hash = folder / FILE, _replies.hash_of(self.asked_as())
        entries = [entry for entry in _replies.read(self._file, KEYS) if entry["teacher"] == self._hash]
        self._answers = {entry["call"]: entry["answers"] for entry in entries if entry["method"] != IDENTITY}
        if not entries:
            who = {"teacher": self._hash, "method": IDENTITY, "identity": asdict(self.identity)}
            _replies.append(self._file, {**who, "metered": self.teacher.usage() is not None})

    def begin_round(self, number: int) -> None:
        """See `Teacher`."""
        self.round = number
        self.teacher.begin_round(number)

    def usage(self, number: int | None = None) -> Usage | None:
        """See `Teacher`."""
        return self.teacher.usage(number)

    def asked_as(self) -> dict[str, Any]:
        """See `Teacher`."""
        return self.teacher.asked_as()

    def offers(self, method: str) -> bool:
        """See `Teacher`."""
        return self.teacher.offers(method)

    def call(self, method: str, texts: Texts, seed: int) -> list[Any]:
        """See `CalledTeacher`."""
        key = call_key(method, texts, seed)
        if key not in self._answers:
            answers = list(getattr(self.teacher, method)(*texts.values(), seed))
            if self._file is not None:
                usage = self.teacher.usage(self.round)
                entry = {"teacher": self._hash, "method": method, "round": self.round, "call": key, "seed": seed}
                entry |= {**texts, "answers": answers, "usage": None if usage is None else asdict(usage)}
                _replies.append(self._file, entry)
            self._answers[key] = answers
        return list(self._answers[key])


def call_key(method: str, texts: Texts, seed: int) -> str:
    """A hash of a call's method and arguments."""
    return _replies.hash_of({"method": method, "seed": seed, **texts})
