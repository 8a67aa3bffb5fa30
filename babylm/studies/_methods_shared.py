"""What the arms of the study of interaction methods share: sizes, the student before it learns, teacher, texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from babylm.lazy import torch
from babylm.studies._methods_texts import Texts

if TYPE_CHECKING:
    from babylm.hardware import Precision
    from babylm.interaction.episodes import Turn
    from babylm.interaction.teachers import Teacher
    from babylm.studies._subjects import Subject


class Scale(NamedTuple):
    """Sizes of the study."""

    rounds: int
    contexts: int
    """Completions, or pairs, of a round."""
    steps: int
    """Of the method, per round."""
    corpus_steps: int
    """Of plain sentences after them; the arm ``plain`` has both kinds of steps on plain sentences."""
    rows: int
    """Sequences per step."""
    tests: int
    """Held-out sentences, pairs and contexts."""
    new_tokens: int
    """Longest completion."""


@dataclass
class SharedInputs:
    """Everything that the arms share: the student before it learns, the teacher, the texts."""

    base: Subject
    folder: Path
    """Of the base's tokenizer."""
    teacher: Teacher | None
    learnt: Texts
    held_out: Texts
    scale: Scale
    precision: Precision = "fp32"
    """In which students learn."""
    reward_models: dict[Any, Any] = field(default_factory=dict)
    """Those of caregivers, as they are first needed."""

    @cached_property
    def line_ends(self) -> list[int]:
        """The tokens that end a line, and so a completion."""
        from babylm.corpora import tokenizer

        return list(map(int, tokenizer.line_ends(self.folder).nonzero()[0]))

    @property
    def bos(self) -> list[int]:
        """The token that texts begin with, if there is one."""
        token = self.base.tokenizer.bos_token_id
        return [] if token is None else [token]

    def ids(self, text: str, follows: bool = False) -> list[int]:
        """Tokens of a text; ``follows``: of one that stands behind a space."""
        return self.base.ids(f" {text}" if follows else text, begin=False)

    def sequence(self, prompt: Sequence[int], text: str, reward: float, follows: bool = False) -> Turn:
        """A text after a prompt (token ids, BOS left out) as an example."""
        from babylm.interaction.finetune import demonstration

        return demonstration([*self.bos, *prompt], self.ids(text, follows), reward)

    def complete(
        self, model: Any, contexts: Sequence[str], samples: int, seed: int, new_tokens: int = 0
    ) -> list[list[Turn]]:
        """Completions by ``model``, which end with the line; the text of each is set.

        ``new_tokens``: at most; 0 for the scale's.
        """
        from babylm.interaction.finetune import sample_groups

        tokenizer = self.base.tokenizer
        groups = sample_groups(
            model,
            [[*self.bos, *self.ids(context)] for context in contexts],
            samples=samples,
            ends={*self.base.ends, *self.line_ends},
            pad=self.base.pad,
            max_new_tokens=new_tokens or self.scale.new_tokens,
            seed=seed,
        )
        for context, group in zip(contexts, groups, strict=True):
            for turn in group:
                turn.prompt, turn.text = context, tokenizer.decode(turn.ids, skip_special_tokens=True).strip()
        return groups

    def add_reference(self, groups: Sequence[Sequence[Turn]]) -> None:
        """Give each turn the log-probabilities under the student before it learns, in the precision of its learning."""
        from babylm.interaction import finetune

        device = self.base.model.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.precision == "bf16"):
            finetune.add_reference(self.base.model, groups, self.base.pad)
