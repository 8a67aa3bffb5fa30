"""The words of an interaction: what the student reads and says, what the teacher reads and says, and what counts.

By the rules of 2025 (call for papers, arXiv 2502.10645), which those of 2026 are taken to keep: every word that the
student reads counts (corpus and teacher), each once for the unique budget and each time for the exposure; every word it
generates counts against an allowance of the same size as the unique budget, and adds to the exposure. What a teacher
reads or says that is not shown to the student does not count, and is metered all the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from babylm.tracks import Track


@dataclass
class Ledger:
    """Word counts so far; words are separated by white space.

    >>> ledger = Ledger(corpus=1000)
    >>> ledger.corpus_read, ledger.teacher_shown, ledger.episodes_read, ledger.generated = 500, 20, 60, 30
    >>> ledger.exposure, ledger.unique
    (590, 1020)
    """

    corpus: int = 0
    """Words of the corpus, each counted once."""
    corpus_read: int = 0
    """Words of the corpus that were read, repetitions counted."""
    teacher_shown: int = 0
    """Words of the teacher, and of prompts that are not corpus text, each counted once."""
    episodes_read: int = 0
    """Words of prompts and completions, the teacher's and its own, that the student learnt from; each pass counts."""
    generated: int = 0
    """Words that the student said."""
    teacher_input: int = 0
    """Words that the teacher read; they do not count."""
    rewards: int = 0
    """Numbers that the student received."""

    @property
    def exposure(self) -> int:
        """What counts against the exposure budget."""
        return self.corpus_read + self.episodes_read + self.generated

    @property
    def unique(self) -> int:
        """What counts against the budget of unique words."""
        return self.corpus + self.teacher_shown

    def exceeded(self, track: Track) -> str | None:
        """The limit that is reached or passed, in words; None if there is room for more."""
        if track.exposure_words is not None and self.exposure >= track.exposure_words:
            return f"{self.exposure:,} of {track.exposure_words:,} words of exposure"
        if track.unique_words is not None and self.unique >= track.unique_words:
            return f"{self.unique:,} of {track.unique_words:,} unique words"
        if track.unique_words is not None and self.generated >= track.unique_words:
            return f"{self.generated:,} of {track.unique_words:,} generated words"
        return None

    def as_dict(self) -> dict[str, int]:
        """For ``ledger.json``; the names that reports and submissions read are added."""
        return {**asdict(self), "from_teachers": self.teacher_shown, "read": self.exposure}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Ledger:
        """From `as_dict`."""
        return cls(**{field.name: int(values[field.name]) for field in fields(cls)})
