"""What happened in a round: one line of JSON per sequence, written whole before anything is learnt from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from babylm import checksums, files


@dataclass
class Turn:
    """One completion of a prompt, the student's or the teacher's, and what came back for it."""

    round: int
    episode: int
    """Number of the prompt within the round; sequences of one prompt are a group."""
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
    meta: dict[str, Any] = field(default_factory=dict)


def write(file: Path, turns: Sequence[Turn]) -> None:
    """Write a round's turns, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(checksums.add(asdict(turn)), ensure_ascii=False) for turn in turns)
    files.write_text(file, "".join(f"{line}\n" for line in lines))


def read(file: Path) -> list[Turn]:
    """The turns of a round.

    Raises:
        ValueError: The file is damaged, or was changed since it was written; the line is named.
    """
    return [Turn(**checksums.verify(line, file, line=number)) for number, line in files.numbered_jsonl(file)]
