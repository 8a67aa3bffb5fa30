"""A teacher that gives recorded answers: ``teacher/replies.jsonl`` of another run (``interaction.teaching.replies``).

The same student asks the same questions, so a run is repeated without its teacher. A question that was not recorded is
an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from babylm import places
from babylm.config.interaction import InteractionConfig
from babylm.interaction.teachers._asked import AskedTeacher
from babylm.interaction.teachers._replies import Done, Question, read
from babylm.interaction.teachers._types import Identity


class ReplayTeacher(AskedTeacher):
    """Looks answers up."""

    def __init__(self, config: InteractionConfig, file: Path) -> None:
        super().__init__(config)
        entries = read(file)
        teachers = {entry["teacher"] for entry in entries}
        if len(teachers) != 1:
            problem = "no reply" if not teachers else f"replies of {len(teachers)} teachers or settings"
            raise ValueError(f"interaction.teaching.replies: {file} has {problem}; one is needed")
        self.file = file
        teaching = config.teaching
        name = teaching.name or str(entries[0].get("name", ""))
        self.identity = Identity(name, "model", teaching.parameters, teaching.inside_budget)
        self.recorded = {entry["question"]: (str(entry["answer"]), int(entry.get("tokens", 0))) for entry in entries}

    def answer(self, questions: Sequence[Question], done: Done) -> None:
        """See `AskedTeacher`."""
        for question in questions:
            if question.key() not in self.recorded:
                text = f"{question.prompt} {question.completion}"[:80]
                raise ValueError(
                    f"interaction.teaching.replies: {self.file} has no {question.kind} of {text!r}: it is of another "
                    "student, seed or configuration"
                )
            done(question, *self.recorded[question.key()])


def build(config: InteractionConfig) -> ReplayTeacher:
    """The teacher of ``interaction.teaching.replies``."""
    if config.teaching.replies is None:
        raise ValueError(
            "interaction.teaching.replies: name the file of recorded replies (teacher/replies.jsonl of a run)"
        )
    file = places.given(config.teaching.replies)
    if not file.is_file():
        raise ValueError(f"interaction.teaching.replies: there is no file {file}")
    return ReplayTeacher(config, file)
