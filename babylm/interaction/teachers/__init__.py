"""Teachers: who answers the student. One plug-in per file, each with ``build(config) -> Teacher``.

A teacher offers what it can: `Teacher.correct` writes a completion anew, `Teacher.score` gives one number per
completion, `Teacher.reply` answers in words, `Teacher.judge_pair` compares two. It never hands over probabilities of
tokens: the rules forbid it for external models. Teachers that are asked in words build on `_asked.AskedTeacher`, which
keeps every answer on disk.
"""

from babylm import registry
from babylm.config.interaction import InteractionConfig
from babylm.interaction.teachers._types import Identity, Teacher, Usage

FOLDER = "interaction/teachers"
__all__ = ["Identity", "Teacher", "Usage", "build"]


def build(config: InteractionConfig) -> Teacher:
    """The teacher that ``interaction.teacher`` names; ValueError with the nearest names if there is none."""
    registry.check(config.teacher, registry.names(FOLDER), "interaction.teacher")
    teacher = registry.load(FOLDER, config.teacher).build(config)
    assert isinstance(teacher, Teacher)
    return teacher
