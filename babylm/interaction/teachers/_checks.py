"""What a teacher returns, checked before anything is learnt from it: a NaN among the scores would be in the weights."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from babylm import returned
from babylm.interaction.teachers._types import METHODS, Identity, Teacher, Usage

Method = Callable[..., Any]


def check_answers(teacher: Teacher) -> Teacher:
    """The teacher, whose methods from now on raise ValueError in place of returning what they must not."""
    if not isinstance(teacher.identity, Identity):
        raise ValueError(
            f"{returned.place_of(teacher)}.identity must be a babylm.interaction.teachers.Identity; "
            f"found {returned.shown(teacher.identity)}"
        )
    checks: dict[str, Callable[[Any, Method, int], list[Any]]] = {
        "score": returned.numbers,
        "judge_pair": functools.partial(returned.numbers, lowest=0.0, largest=1.0, of="pair"),
        "complete": functools.partial(returned.texts, of="prompt"),
        "correct": functools.partial(returned.texts, or_none=True),
        "reply": functools.partial(returned.texts, or_none=True),
    }
    for name, check in checks.items():
        _check_arguments(teacher, name)
        setattr(teacher, name, _checked(teacher, getattr(teacher, name), check))
    teacher.usage = _checked_usage(teacher.usage)  # type: ignore[method-assign]
    return teacher


def _check_arguments(teacher: Teacher, name: str) -> None:
    """Raise ValueError if a method cannot be called as `METHODS` says."""
    called_as = METHODS[name]
    arguments = called_as.partition("(")[2].rstrip(")").split(", ")
    try:
        inspect.signature(getattr(teacher, name)).bind(*arguments)
    except TypeError as error:
        raise ValueError(
            f"interaction.teacher: {returned.place_of(teacher)}.{name} must take the arguments of {called_as}: {error}"
        ) from None


def _checked(teacher: Teacher, method: Method, check: Callable[[Any, Method, int], list[Any]]) -> Method:
    @functools.wraps(method)
    def call(prompts: Sequence[str], *given: Any) -> list[Any]:
        # Copies: what a teacher does to its lists must not change the turns.
        copies = [list(texts) if isinstance(texts, list) else texts for texts in given]
        answers = method(list(prompts), *copies)
        try:
            return check(answers, method, len(prompts))
        except ValueError as error:
            raise ValueError(f"interaction.teacher: {teacher.identity.name}: {error}") from None

    return call


def _checked_usage(method: Method) -> Method:
    @functools.wraps(method)
    def call(number: int | None = None) -> Usage | None:
        usage = method(number)
        if usage is not None and not isinstance(usage, Usage):
            raise returned.wrong(method, "a babylm.interaction.teachers.Usage or None", returned.shown(usage))
        return usage

    return call
