"""The words of an interaction: what the student reads and says, what the teacher reads and says, and what counts.

FLOPs of acting, learning and teaching are counted, too.

By the rules of 2025 (call for papers, arXiv 2502.10645), which those of 2026 are taken to keep: every word that the
student reads counts (corpus and teacher), each once for the unique budget and each time for the exposure; every word it
generates counts against an allowance of the same size as the unique budget, and adds to the exposure. What a teacher
reads or says that is not shown to the student does not count, and is metered all the same. Measuring is not learning:
completions of test prompts are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from babylm.corpora.word_count import count as count_words
from babylm.interaction.episodes import SHOWN_WORDS, Turn
from babylm.tracks import Track


class Room(NamedTuple):
    """Words that are left of each limit; infinite if there is none."""

    exposure: float
    unique: float
    generated: float


@dataclass
class Ledger:
    """Word counts so far; words are separated by white space.

    >>> ledger = Ledger(corpus=1000)
    >>> ledger.corpus_read, ledger.teacher_shown, ledger.episodes_read, ledger.generated = 500, 20, 60, 30
    >>> ledger.exposure, ledger.unique
    (590, 1020)
    """

    corpus: int = 0
    """Words of the corpus (and of another one that the initial weights have read), each counted once."""
    base_read: int = 0
    """Words that the initial weights had read, repetitions counted."""
    corpus_read: int = 0
    """Words of the corpus that were read, repetitions counted."""
    teacher_shown: int = 0
    """Words of the teacher, and of prompts that are not corpus text, each counted when it is first shown."""
    episodes_read: int = 0
    """Words of prompts and completions, the teacher's and its own, that the student learnt from; each pass counts."""
    generated: int = 0
    """Words that the student said."""
    teacher_input: int = 0
    """Words that the teacher read; they do not count."""
    rewards: int = 0
    """Numbers that the student received."""
    learning_flops: float = 0.0
    """Of the steps on corpus text and on episodes, those of the initial weights left out."""
    generation_flops: float = 0.0
    """Of the student's completions, and of one forward pass of the reference over each."""
    teacher_tokens: int = 0
    """Tokens that a model read and wrote as a teacher; 0 if it does not say."""
    teacher_flops: float = 0.0
    """2 x parameters x tokens (a forward pass, Kaplan et al. 2020); 0 if either is not known."""

    @property
    def input_words(self) -> int:
        """Words that the student has read, the base's included, repetitions counted; not those that it said."""
        return self.base_read + self.corpus_read + self.episodes_read

    @property
    def exposure(self) -> int:
        """What counts against the exposure budget."""
        return self.input_words + self.generated

    @property
    def unique(self) -> int:
        """What counts against the budget of unique words."""
        return self.corpus + self.teacher_shown

    def room(self, track: Track, budget: int | None = None) -> Room:
        """What is left of the track's limits and of a run's ``budget`` of exposure, which the base's words do not use.

        >>> from babylm.tracks import TRACKS
        >>> Ledger(corpus=9_000_000, base_read=50_000_000, generated=100).room(TRACKS["strict-small"], budget=5000)
        Room(exposure=4900, unique=1000000, generated=9999900)
        """
        total = None if budget is None else budget + self.base_read
        limits = [limit for limit in (track.exposure_words, total) if limit is not None]
        allowed = math.inf if track.unique_words is None else track.unique_words
        return Room(
            exposure=min(limits, default=math.inf) - self.exposure,
            unique=allowed - self.unique,
            generated=allowed - self.generated,
        )

    def add_round(
        self,
        turns: Sequence[Turn],
        *,
        feedback: str,
        corpus_prompts: bool,
        flops_per_token: Callable[[int], float],
        teacher_parameters: int | None,
    ) -> float:
        """Count what was said and asked in a round, before anything is learnt from it; returns the FLOPs of acting.

        ``flops_per_token(length)`` is of a training step, a third of which is a forward pass. The student's turns were
        sampled and scored by the reference; the teacher's were scored by both.
        """
        if not corpus_prompts:
            openings = {turn.episode: turn.prompt for turn in turns if turn.turn == 0}
            self.teacher_shown += sum(map(count_words, openings.values()))
        self.teacher_shown += sum(turn.meta.get(SHOWN_WORDS, 0) for turn in turns)
        flops, words_asked = 0.0, 0
        for turn in turns:
            words, length = count_words(turn.text), len(turn.prompt_ids) + len(turn.ids)
            flops += 2 * length * flops_per_token(max(length, 2)) / 3
            if turn.speaker == "student":
                self.generated += words
                is_asked = feedback not in ("random", "none") or turn.reply is not None
                words_asked += count_words(turn.prompt) + words if is_asked else 0
                self.rewards += feedback not in ("correction", "none")
        self.generation_flops += flops
        # A teacher that keeps its answers read each question once.
        usage = turns[0].meta.get("teacher_usage", {}) if turns else {}
        self.teacher_input += usage.get("words_read", words_asked)
        self.teacher_tokens += usage.get("tokens", 0)
        self.teacher_flops += 2.0 * (teacher_parameters or 0) * usage.get("tokens", 0)
        return flops

    def as_dict(self) -> dict[str, int | float]:
        """For ``ledger.json``: the counts, and ``read`` (`exposure`) and ``from_teachers`` (`teacher_shown`).

        Every run has these two (`babylm.runs.Run.ledger`), also without an interaction.
        """
        return {**asdict(self), "from_teachers": self.teacher_shown, "read": self.exposure}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Ledger:
        """From `as_dict`."""
        empty = asdict(cls())
        return cls(**{name: type(zero)(values.get(name, zero)) for name, zero in empty.items()})
