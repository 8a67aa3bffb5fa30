"""What happened in a round: one line of JSON per sequence, written whole before anything is learnt from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from babylm import checksums, files
from babylm.corpora.word_count import count as count_words

SHOWN_WORDS = "shown_words"
"""Key of a turn's ``meta``: words of its reply that the student read in its next prompt."""


@dataclass
class Turn:
    """One completion of a prompt, the student's or the teacher's, and what came back for it."""

    round: int
    episode: int
    """Number of the first prompt within the round; completions of one prompt are a group."""
    sample: int
    """Number of the completion of that prompt; the teacher's come after the student's."""
    speaker: str
    """``student`` or ``teacher``."""
    prompt: str
    text: str
    prompt_ids: list[int]
    ids: list[int]
    """Tokens of the completion, EOS included if it ended by itself."""
    logp: list[float]
    """Log-probability of each of these tokens when sampled; under the student's weights then, for the teacher's too."""
    entropy: list[float]
    """Entropy of the student's distribution at each of them, in nats."""
    reward: float = 0.0
    feedback: str = "none"
    """Where the reward comes from."""
    gold: float | None = None
    """The true quality, where it is known. For measuring only: no learner may read it."""
    turn: int = 0
    """How often the student spoke in the episode before."""
    reply: str | None = None
    """What the teacher (or partner) said to it; None if nothing."""
    model: str = ""
    """Who said it: the weights that the student began with (``init_from``), or the teacher."""
    seed: int = 0
    """The seed of a student's completion, or with which the teacher was asked for its."""
    meta: dict[str, Any] = field(default_factory=dict)

    def word_counts(self) -> dict[str, int]:
        """Words of the prompt, of the student's completion, and of what the teacher said.

        >>> Turn(1, 0, 0, "student", "the dog", "sees it .", [], [], [], [], reply="yes .").word_counts()
        {'prompt_words': 2, 'student_words': 3, 'teacher_words': 2}
        """
        said, is_student = count_words(self.text), self.speaker == "student"
        return {
            "prompt_words": count_words(self.prompt),
            "student_words": said if is_student else 0,
            "teacher_words": count_words(self.reply or "") if is_student else said,
        }


NAMES = frozenset(each.name for each in fields(Turn))


def write(file: Path, turns: Sequence[Turn]) -> None:
    """Write a round's turns, whole or not at all; the word counts of each are in its line, too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(checksums.add(asdict(turn) | turn.word_counts()), ensure_ascii=False) for turn in turns)
    files.write_text(file, "".join(f"{line}\n" for line in lines))


def read(file: Path) -> list[Turn]:
    """The turns of a round.

    Raises:
        ValueError: The file is damaged, or was changed since it was written; the line is named.
    """
    return [_turn(checksums.verify(line, file, line=number)) for number, line in files.numbered_jsonl(file)]


def _turn(values: dict[str, Any]) -> Turn:
    """A line as a turn; replies of older files are in ``meta``."""
    turn = Turn(**{name: value for name, value in values.items() if name in NAMES})
    if turn.reply is None and isinstance(turn.meta.get("reply"), str):
        turn.reply = turn.meta["reply"]
    return turn
