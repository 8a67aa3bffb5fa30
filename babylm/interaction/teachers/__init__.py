"""Teachers: who answers the student. One plug-in per file, each with ``build(config) -> Teacher``.

A teacher offers what it can: `Teacher.correct` writes a completion anew, `Teacher.score` gives one number per
completion, `Teacher.reply` answers in words, `Teacher.judge_pair` compares two. It never hands over probabilities of
tokens: the rules forbid it for external models. Teachers that are asked in words build on `AskedTeacher`, which keeps
every answer on disk. What a run's teacher gives its student is recorded (`RecordedTeacher`), whoever it is, and can be
replayed.
"""

from babylm import registry, returned
from babylm.config.interaction import InteractionConfig
from babylm.interaction.teachers import _checks
from babylm.interaction.teachers._asked import AskedTeacher
from babylm.interaction.teachers._record import RecordedTeacher
from babylm.interaction.teachers._replies import Done, Question
from babylm.interaction.teachers._types import METHODS, OF_FEEDBACK, Identity, Teacher, Usage

FOLDER = "interaction/teachers"
__all__ = ["AskedTeacher", "Done", "Identity", "Question", "RecordedTeacher", "Teacher", "Usage", "build", "check"]


def build(config: InteractionConfig) -> Teacher:
    """The teacher that ``interaction.teacher`` names; ValueError with the nearest names if there is none."""
    registry.check(config.teacher, registry.names(FOLDER), "interaction.teacher")
    teacher = _checks.check_answers(returned.built(FOLDER, config.teacher, Teacher, config))
    assert isinstance(teacher, Teacher)
    return teacher


def check(teacher: Teacher, feedback: str, replies: bool = False) -> None:
    """Raise ValueError if a teacher lacks the method that ``interaction.feedback`` calls.

    ``replies``: whether the environment goes on with the teacher's replies, whatever the feedback is.
    """
    needed = {f"interaction.feedback={feedback}": OF_FEEDBACK.get(feedback)}
    if replies:
        needed["an environment of several turns"] = "reply"
    for what, method in needed.items():
        if method is None or teacher.offers(method):
            continue
        others = [kind for kind, name in OF_FEEDBACK.items() if teacher.offers(name)]
        instead = f", or use one of: {', '.join(others)}" if others and not replies else ""
        raise ValueError(
            f"{what}: the teacher {teacher.identity.name} has no method {METHODS[method]}; write it{instead}"
        )
