"""What a teacher is."""

from __future__ import annotations

from collections.abc import Sequence


class Teacher:
    """Base of the teachers; a subclass overrides what it offers."""

    def correct(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[str]:
        """For each completion a better one of the same prompt; ``seed`` decides what is left to chance."""
        raise ValueError(f"interaction.feedback=correction: {type(self).__name__} writes no corrections; use score")

    def score(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[float]:
        """One number for each completion, larger for better ones."""
        raise ValueError(f"interaction.feedback=score: {type(self).__name__} gives no scores; use correction")
