"""The turns of a round as groups, in the order in which they are learnt, and what each step of them costs in words."""

from __future__ import annotations

import random
from collections.abc import Sequence

from babylm.corpora.word_count import count as count_words
from babylm.interaction.episodes import Turn
from babylm.randomness import Purpose, derive_seed


class Groups:
    """Groups of turns, shuffled for each pass and cut into steps.

    A group is all completions of a prompt or, with ``paired``, a completion and its correction. All have as many rows
    (the last turn is repeated), so that parts of a step are equal; the last step is filled up from the first groups.

    Args:
        turns: Of one round, or of several.
        paired: Whether each completion is a group with its correction.
        passes: How often all groups are read.
        per_step: Groups of a step.
        seed: Seed of the run; the order also depends on the last round of ``turns``.
    """

    def __init__(self, turns: Sequence[Turn], *, paired: bool, passes: int, per_step: int, seed: int) -> None:
        self.per_step = per_step
        self.round = max((turn.round for turn in turns), default=0)
        by_key: dict[tuple[int, int, int, int], list[Turn]] = {}
        for turn in turns:
            by_key.setdefault((turn.round, turn.episode, turn.turn, turn.sample if paired else 0), []).append(turn)
        self._groups = list(by_key.values())
        rows = max(map(len, self._groups), default=0)
        for group in self._groups:
            group += [group[-1]] * (rows - len(group))
        self._order: list[int] = []
        for number in range(passes):
            order = list(range(len(self._groups)))
            random.Random(derive_seed(seed, Purpose.EPISODES, self.round, number)).shuffle(order)
            self._order += order

    @property
    def steps(self) -> int:
        """Number of steps."""
        return -(-len(self._order) // self.per_step)

    def of_step(self, number: int) -> list[list[Turn]]:
        """The groups of step ``number``."""
        ranks = range(number * self.per_step, (number + 1) * self.per_step)
        return [self._groups[self._order[rank % len(self._order)]] for rank in ranks]

    def rewards(self) -> list[list[float]]:
        """The rewards of each group."""
        return [[turn.reward for turn in group] for group in self._groups]

    def words(self, number: int) -> tuple[int, int]:
        """Words of exposure of step ``number``, and words of the teacher that it shows for the first time."""
        exposure = unique = 0
        for rank, group in enumerate(self.of_step(number), number * self.per_step):
            for turn in {id(turn): turn for turn in group}.values():
                exposure += count_words(turn.prompt) + count_words(turn.text)
                # In the first pass over it, which an earlier round may have made.
                if turn.speaker == "teacher" and turn.round == self.round and rank < len(self._groups):
                    unique += count_words(turn.text)
        return exposure, unique
