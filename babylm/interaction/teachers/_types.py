"""What a teacher is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Identity:
    """Who teaches, as the run records it and the rules ask for it."""

    name: str
    kind: Literal["program", "model", "person"] = "program"
    parameters: int | None = None
    """Of a model; None if unknown."""
    trained_inside_budget: bool = False
    """Whether a model was trained on the track's words alone."""

    @property
    def external(self) -> bool:
        """Whether the rules' conditions for external models hold for it."""
        return self.kind == "model" and not self.trained_inside_budget

    def as_dict(self) -> dict[str, Any]:
        """For ``teacher.json``."""
        return {**asdict(self), "external": self.external}


@dataclass
class Usage:
    """What a teacher was asked; equal questions of a run count once."""

    questions: int = 0
    words_read: int = 0
    """Words of the student's prompts and completions that it read, its instructions left out."""
    words_written: int = 0
    unusable: int = 0
    """Answers without a word, or without the number or letter that was asked for."""
    tokens: int = 0
    """Tokens that a model read and wrote, instructions included, as its tokenizer or server counts them; 0: unknown."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


METHODS = {
    "complete": "complete(prompts, seed)",
    "correct": "correct(prompts, completions, seed)",
    "reply": "reply(prompts, completions, seed)",
    "score": "score(prompts, completions, seed)",
    "judge_pair": "judge_pair(prompts, first, second, seed)",
}
"""What a teacher can be asked, with the arguments."""
OF_FEEDBACK = {"correction": "correct", "score": "score", "reply": "reply", "judge": "judge_pair"}
"""``interaction.feedback`` -> the method that it calls; the other kinds call none."""


class Teacher:
    """Base of the teachers; a subclass overrides what it offers.

    A teacher answers in words and in one number per completion. There is no call for distributions, hidden states or
    values per token, and must not be: the rules forbid showing an external model's to the student. In all calls
    ``seed`` decides what is left to chance.
    """

    identity = Identity("a teacher")

    def open(self, folder: Path) -> None:
        """Use ``folder`` (below the run's) to keep answers; called once, before the first round."""

    def begin_round(self, number: int) -> None:
        """What is asked from now on belongs to this round."""

    def usage(self, number: int | None = None) -> Usage | None:
        """What was asked first in a round, or in all; None if it is what was said in it, each word read once."""
        return None

    def asked_as(self) -> dict[str, Any]:
        """What its answers depend on beside the questions: answers that were recorded of another are not used."""
        return self.identity.as_dict()

    def offers(self, method: str) -> bool:
        """Whether it has a method of its own of this name (one of `METHODS`)."""
        return getattr(type(self), method) is not getattr(Teacher, method)

    def complete(self, prompts: Sequence[str], seed: int) -> list[str]:
        """A continuation of each prompt."""
        raise ValueError(f"interaction.teacher: {self.identity.name} continues no texts")

    def correct(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> Sequence[str | None]:
        """For each completion a better one of the same prompt; None if the teacher gave no usable answer."""
        raise ValueError(f"interaction.feedback=correction: {self.identity.name} writes no corrections; use score")

    def reply(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> Sequence[str | None]:
        """What the teacher says to each completion; None if it said nothing."""
        raise ValueError(f"interaction.feedback=reply: {self.identity.name} does not reply; use score or correction")

    def score(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[float]:
        """One number for each completion, larger for better ones."""
        raise ValueError(f"interaction.feedback=score: {self.identity.name} gives no scores; use correction")

    def judge_pair(self, prompts: Sequence[str], first: Sequence[str], second: Sequence[str], seed: int) -> list[float]:
        """For each prompt 1 if the first completion is better, 0 if the second is, 0.5 if neither."""
        raise ValueError(f"interaction.feedback=judge: {self.identity.name} compares no completions; use score")
