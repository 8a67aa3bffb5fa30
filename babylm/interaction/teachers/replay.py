"""A teacher that gives recorded answers: those of another run (``interaction.teaching.replies``), whoever taught it.

The same student asks the same questions, so a run is repeated without its teacher. A question that was not recorded is
an error. The setting names the run's folder, its ``teacher/answers.jsonl``, or a ``replies.jsonl`` without that file
beside it: the texts of an endpoint or a person, which were all that older runs kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babylm import places
from babylm.config.interaction import InteractionConfig
from babylm.interaction.teachers import _record, _replies
from babylm.interaction.teachers._asked import AskedTeacher
from babylm.interaction.teachers._replies import Done, Question
from babylm.interaction.teachers._types import Identity, Teacher, Usage

SETTING = "interaction.teaching.replies"
OTHER = "it is of another student, seed or configuration"


class ReplayTeacher(_record.CalledTeacher):
    """Looks the answers to whole calls up; who taught is as recorded."""

    def __init__(self, config: InteractionConfig, file: Path) -> None:
        self.file = file
        entries = _replies.read(file, _record.KEYS)
        self._hash = _one_teacher(entries, file)
        calls = [entry for entry in entries if entry["method"] != _record.IDENTITY]
        who = next((entry for entry in entries if entry["method"] == _record.IDENTITY), None)
        if who is None:
            raise ValueError(f"{SETTING}: {file} does not say who taught; its first line is missing")
        recorded, teaching = Identity(**who["identity"]), config.teaching
        self.identity = Identity(
            teaching.name or recorded.name,
            recorded.kind,
            teaching.parameters or recorded.parameters,
            teaching.inside_budget or recorded.trained_inside_budget,
        )
        self.recorded = {entry["call"]: entry for entry in calls}
        self._usage = {entry["round"]: entry["usage"] for entry in calls}
        """Per round, what had been asked in it after its last call."""
        self._metered: bool = who["metered"]
        self._rounds: set[int] = set()
        """Rounds that were replayed."""

    def open(self, folder: Path) -> None:
        """Know which rounds were replayed before an interruption."""
        replayed = _replies.read(folder / _record.FILE, _record.KEYS)
        self._rounds |= {entry["round"] for entry in replayed if entry["method"] != _record.IDENTITY}

    def begin_round(self, number: int) -> None:
        """See `Teacher`."""
        self._rounds.add(number)

    def usage(self, number: int | None = None) -> Usage | None:
        """As recorded."""
        if not self._metered:
            return None
        rounds = self._rounds if number is None else {number}
        usages = [usage for number, usage in self._usage.items() if number in rounds and usage is not None]
        return sum((Usage(**usage) for usage in usages), Usage())

    def asked_as(self) -> dict[str, Any]:
        """See `Teacher`."""
        return {**self.identity.as_dict(), "recorded": self._hash}

    def offers(self, method: str) -> bool:
        """See `Teacher`."""
        return any(entry["method"] == method for entry in self.recorded.values())

    def call(self, method: str, texts: _record.Texts, seed: int) -> list[Any]:
        """See `CalledTeacher`."""
        entry = self.recorded.get(_record.call_key(method, texts, seed))
        if entry is None:
            first = " | ".join(values[0] for values in texts.values() if values)[:80]
            raise ValueError(
                f"{SETTING}: {self.file} has no call of {method} with these {len(texts['prompts'])} questions (the "
                f"first is {first!r}): {OTHER}"
            )
        return list(entry["answers"])


class TextReplayTeacher(AskedTeacher):
    """Looks single texts of a teacher that is asked in words up, and reads them as that one did."""

    def __init__(self, config: InteractionConfig, file: Path) -> None:
        super().__init__(config)
        entries = _replies.read(file)
        _one_teacher(entries, file)
        self.file = file
        teaching = config.teaching
        name = teaching.name or str(entries[0].get("name", ""))
        self.identity = Identity(name, "model", teaching.parameters, teaching.inside_budget)
        self.recorded = {entry["question"]: (str(entry["answer"]), int(entry.get("tokens", 0))) for entry in entries}
        self._kinds = {entry.get("kind") for entry in entries}

    def offers(self, method: str) -> bool:
        """See `Teacher`."""
        return method.removesuffix("_pair") in self._kinds

    def answer(self, questions: Sequence[Question], done: Done) -> None:
        """See `AskedTeacher`."""
        for question in questions:
            if question.key() not in self.recorded:
                text = f"{question.prompt} {question.completion}"[:80]
                raise ValueError(f"{SETTING}: {self.file} has no {question.kind} of {text!r}: {OTHER}")
            done(question, *self.recorded[question.key()])


def _one_teacher(entries: Sequence[dict[str, Any]], file: Path) -> str:
    """Hash of the teacher that gave all answers; ValueError if there are none, or several teachers."""
    teachers = {str(entry["teacher"]) for entry in entries}
    if len(teachers) != 1:
        problem = "no reply" if not teachers else f"replies of {len(teachers)} teachers or settings"
        raise ValueError(f"{SETTING}: {file} has {problem}; one is needed")
    return teachers.pop()


def build(config: InteractionConfig) -> Teacher:
    """The teacher of ``interaction.teaching.replies``."""
    if config.teaching.replies is None:
        raise ValueError(f"{SETTING}: name the run whose answers are replayed, or its teacher/{_record.FILE}")
    file = places.given(config.teaching.replies)
    if file.is_dir():
        folder = file / "teacher" if (file / "teacher").is_dir() else file
        file = folder / (_record.FILE if (folder / _record.FILE).is_file() else "replies.jsonl")
        if not file.is_file():
            raise ValueError(f"{SETTING}: {folder} holds no teacher/{_record.FILE}; give the folder of an interaction")
    elif file.name != _record.FILE and (file.parent / _record.FILE).is_file():
        file = file.parent / _record.FILE
    if not file.is_file():
        raise ValueError(f"{SETTING}: there is no file {file}")
    return (ReplayTeacher if _is_record(file) else TextReplayTeacher)(config, file)


def _is_record(file: Path) -> bool:
    """Whether a file holds whole calls, under whatever name."""
    entries = _replies.read(file, ("teacher",))
    return bool(entries) and "method" in entries[0]
