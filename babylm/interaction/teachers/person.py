"""A person at the terminal. What was answered is kept: a session can be left (Ctrl-D, Ctrl-C) and continued later."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from babylm.config.interaction import InteractionConfig
from babylm.interaction.teachers._asked import AskedTeacher
from babylm.interaction.teachers._replies import Done, Question
from babylm.interaction.teachers._types import Identity

SAME = "="
"""Answer that leaves a completion as it is."""


class PersonTeacher(AskedTeacher):
    """Shows each text and reads a line; asks again for a line that is no answer."""

    identity = Identity("a person", "person")

    def __init__(self, config: InteractionConfig, read_line: Callable[[str], str] = input) -> None:
        super().__init__(config)
        self.read_line = read_line

    def answer(self, questions: Sequence[Question], done: Done) -> None:
        """See `AskedTeacher`.

        Raises:
            ValueError: The person has left.
        """
        for number, question in enumerate(questions, 1):
            print(f"\n[{number} of {len(questions)}] {self._shown(question)}", file=sys.stderr)
            done(question, self._read(question))

    def _read(self, question: Question) -> str:
        while True:
            try:
                with _interruptible():
                    line = self.read_line(f"{self._asked(question.kind)}: ").strip()
            except (EOFError, KeyboardInterrupt):
                raise ValueError("the person has left; repeat the command to go on: nothing is asked twice") from None
            if question.kind == "correct" and line == SAME:
                line = question.completion
            if self.parse(question.kind, line) is not None:
                return line
            print(f"{line!r} is no answer", file=sys.stderr)

    def _shown(self, question: Question) -> str:
        if question.kind == "judge":
            return f"{question.prompt} ...\n  A: {question.completion}\n  B: {question.other}"
        return f"{question.prompt} | {question.completion}"

    def _asked(self, kind: str) -> str:
        return {
            "complete": "continuation",
            "correct": f"better continuation ({SAME} leaves it as it is)",
            "reply": "your reply",
            "score": f"score from 0 to {self.teaching.score_max}",
            "judge": "A or B",
        }[kind]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the wait for a line: in training it only asks to stop after a step, and no step is being made."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)


def build(config: InteractionConfig) -> PersonTeacher:
    """The teacher at this terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise ValueError(
            "interaction.teacher=person: answers are typed, and stdin is no terminal; use replay or another"
        )
    return PersonTeacher(config)
