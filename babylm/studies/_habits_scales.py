"""Sizes of the study of habits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scale:
    """How large models, data and measurements are."""

    hidden_size: int
    layers: int
    base_steps: int
    """Of the base, on exercises."""
    text_traces: int
    """Problems in the text of the two further bases."""
    text_steps: int
    traces: int
    """Problems per priming set. With too large a part of all that there are (three numbers: 1,700) direct answers are
    learnt, too."""
    priming_steps: int
    priming_lr: float
    rl_steps: int
    problems_per_step: int
    samples: int
    """Per problem and step."""
    rl_lr: float
    evaluate_every: int
    """Steps of reinforcement learning between two measurements on held-out problems."""
    test_problems: int
    test_samples: int
    """Samples per held-out problem before and after reinforcement learning; one in between."""
    rows: int = 32
    """Rows per step of all supervised training."""
    thought: int = 128
    """Words of the longest thought in a priming set."""
    base_lr: float = 0.02
    text_lr: float = 0.01
    heads: int = 4

    def max_new_tokens(self, numbers: int) -> int:
        """Tokens of a completion: thought, answer (numbers, operations, parentheses, its sign), EOS."""
        return self.thought + 4 * numbers - 3

    def row_length(self, numbers: int) -> int:
        """Tokens of a row of supervised training: BOS, numbers, target and two signs come before the completion."""
        return numbers + 4 + self.max_new_tokens(numbers)

    def deciding(self, stage: str) -> dict[str, Any]:
        """The sizes that decide a model of a stage: ``base``, ``text`` or ``priming``."""
        names = ["hidden_size", "layers", "heads", "rows", "thought", "base_steps", "base_lr"]
        names += {
            "base": [],
            "text": ["text_traces", "text_steps", "text_lr"],
            "priming": ["traces", "priming_steps", "priming_lr", "test_problems"],
        }[stage]
        return {name: getattr(self, name) for name in names}


SCALES = {
    "smoke": Scale(32, 2, 40, 48, 4, 48, 6, 1e-3, 2, 3, 4, 1e-4, 1, 12, 1, rows=8, thought=40),
    "cpu": Scale(128, 3, 900, 4000, 250, 800, 400, 3e-3, 100, 10, 8, 3e-4, 20, 200, 2, thought=240),
    "gpu": Scale(512, 8, 10_000, 20_000, 2000, 1000, 300, 3e-4, 250, 64, 16, 2e-5, 10, 500, 8, rows=128, thought=240),
}
"""``cpu``: 0.5M parameters, one core; ``gpu``: 25M parameters."""

SECONDS = {
    "smoke": {"base": 4.0, "priming": 2.0, "text": 2.0, "rl": 2.0, "judge": 10.0},
    "cpu": {"base": 700.0, "priming": 270.0, "text": 200.0, "rl": 200.0, "judge": 120.0},
    "gpu": {"base": 900.0, "priming": 60.0, "text": 240.0, "rl": 600.0, "judge": 120.0},
}
"""Declared cost per kind of piece."""
