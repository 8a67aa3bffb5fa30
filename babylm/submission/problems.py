"""What is wrong with a run that is to be submitted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to do."""

    what: str
    remedy: str
    fatal: bool = True
    """False if something is missing but nothing is wrong: ``incomplete=true`` then submits all the same."""

    def __str__(self) -> str:
        return f"{self.what}\n    {self.remedy}"
