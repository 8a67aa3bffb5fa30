"""Rounds of an interaction as a `babylm.batches.feed.Feed`: act, receive, and give what was said to the learner.

1. At the first step of a round the student completes prompts, the teacher answers, and the turns are written to
   ``rounds/round_0001.jsonl``; a round whose file exists is read from it, so nothing is asked twice.
2. Sequences of one prompt (or of one completion and its correction) are a group; groups are shuffled and cut into
   steps. After each step of sequences come steps of corpus text.
3. After the last step of a round the next one begins, with the weights that the student has then.

Every word is in the `Ledger`; the feed is over at the last round or when a budget is reached, in the middle of a round
if need be.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from babylm import files
from babylm.batches.feed import Milestone, TokenBatch
from babylm.batches.stream import TokenStream
from babylm.config.schema import Config
from babylm.console import Log
from babylm.corpora.word_count import count as count_words
from babylm.interaction import episodes
from babylm.interaction.act import Actor
from babylm.interaction.episodes import Turn
from babylm.interaction.ledger import Ledger, Room
from babylm.interaction.sequence_rows import sequence_rows
from babylm.randomness import Purpose, derive_seed
from babylm.tracks import TRACKS, milestone_name


class Rounds:
    """The feed; see the module's docstring. `bind` gives it the student before the first step."""

    length: int | None = None

    def __init__(
        self,
        config: Config,
        stream: TokenStream,
        flops_per_token: Any,
        folder: Path,
    ) -> None:
        self.config, self.stream, self.flops_per_token, self.folder = config, stream, flops_per_token, folder
        self.ledger = Ledger(corpus=stream.epoch_words)
        self.round = 0
        """Rounds begun."""
        self.words, self.tokens, self.flops, self.shares = [0], [0], [0.0], [0.0]
        """After each number of steps: exposure, tokens read, FLOPs, progress."""
        self._corpus_position = 0
        self._waiting: list[tuple[str, int]] = []
        """Steps of the round that are still to come: (``sequences`` or ``corpus``, number)."""
        self._groups: list[list[Turn]] = []
        self._order: list[int] = []
        self._last: TokenBatch | None = None
        self._spent_flops = 0.0
        """Of generation, since the last step."""
        self.actor: Actor | None = None

    def bind(self, actor: Actor, log: Log) -> None:
        """Give the feed its student, teacher and environment."""
        self.actor, self.log = actor, log

    # What training asks

    def batch(self, step: int, part: int = 0, parts: int = 1) -> TokenBatch:
        """The ``part``-th of ``parts`` equal parts of step ``step``; groups are never cut."""
        if step == len(self.words) - 1:
            self._last = self._next(step)
        assert self._last is not None
        assert self._last.step == step, "a step is read once, in order"
        count = len(self._last) // parts
        rows = self._last[part * count : (part + 1) * count]
        rows.offset, rows.first_row = part * count, self._last.first_row + part * count
        return rows

    def is_over(self, step: int) -> bool:
        """Whether the last round is learnt, or a budget has no room for the next step or round."""
        if step < len(self.words) - 1:
            return False
        if self._waiting:
            room, (exposure, unique) = self._room(), self._cost(*self._waiting[0])
            return exposure > room.exposure or unique > room.unique
        return self.round >= self.config.interaction.rounds or self._prompts_in_budget() == 0

    def words_after(self, step: int) -> int:
        """Words of exposure: corpus, episodes and own words."""
        return self.words[step]

    def tokens_after(self, step: int) -> int:
        """Tokens that were learnt from."""
        return self.tokens[step]

    def flops_after(self, step: int) -> float:
        """FLOPs of generation and learning; a teacher's are not known."""
        return self.flops[step]

    def epochs_after(self, step: int) -> float:
        """Exposure over the words of the corpus."""
        return self.words[step] / self.stream.epoch_words

    def progress(self, step: float) -> float:
        """Share of the rounds that are learnt."""
        return self.shares[min(int(step), len(self.shares) - 1)]

    def due(self, step: int) -> Sequence[Milestone]:
        """Milestones passed by the last of ``step`` steps."""
        if not 0 < step < len(self.words):
            return []
        nominal = self.config.milestones or TRACKS[self.config.track].milestones
        passed = [words for words in nominal if self.words[step - 1] < words <= self.words[step]]
        return [Milestone(milestone_name(words), words, step, self.words[step]) for words in passed]

    def describe_step(self, step: int) -> str:
        """The round that the step belongs to."""
        return f"round {self.round} of the interaction"

    def state_dict(self) -> dict[str, Any]:
        """Everything but the turns, which are in the rounds' files."""
        return {
            "round": self.round,
            "words": list(self.words),
            "tokens": list(self.tokens),
            "flops": list(self.flops),
            "shares": list(self.shares),
            "corpus_position": self._corpus_position,
            "waiting": [[kind, number] for kind, number in self._waiting],
            "ledger": self.ledger.as_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`; the turns of the round are read from its file."""
        if not state:
            return
        self.round = state["round"]
        self.words, self.tokens = list(state["words"]), list(state["tokens"])
        self.flops, self.shares = list(state["flops"]), list(state["shares"])
        self._corpus_position = state["corpus_position"]
        self._waiting = [(kind, number) for kind, number in state["waiting"]]
        self.ledger = Ledger.from_dict(state["ledger"])
        if self._waiting:
            self._take(episodes.read(self.round_file(self.round)))

    def as_dict(self) -> dict[str, Any]:
        """The facts of ``plan.json``, as far as they are known."""
        steps = len(self.words) - 1
        passed = [milestone for step in range(steps + 1) for milestone in self.due(step)]
        return {
            "words": self.words[-1],
            "epochs": self.epochs_after(steps),
            "steps": steps,
            "flops": float(self.flops[-1]),
            "corpus_words": self.stream.epoch_words,
            "milestones": [{"name": m.name, "step": m.step, "words": m.words} for m in passed],
        }

    # One step after the other

    def round_file(self, number: int) -> Path:
        """Where the turns of a round are written."""
        return self.folder / "rounds" / f"round_{number:04d}.jsonl"

    def _next(self, step: int) -> TokenBatch:
        if not self._waiting:
            self._begin_round()
        kind, number = self._waiting.pop(0)
        exposure, unique = self._cost(kind, number)
        if kind == "sequences":
            self.ledger.episodes_read += exposure
            self.ledger.teacher_shown += unique
            batch = self._sequences(number, step)
        else:
            self.ledger.corpus_read += exposure
            batch = self._corpus(step)
        rows, length = batch.shape
        per_token = self.flops_per_token(length)
        self.words.append(self.ledger.exposure)
        self.tokens.append(self.tokens[-1] + rows * length)
        self.flops.append(self.flops[-1] + rows * length * per_token + self._spent_flops)
        self._spent_flops = 0.0
        settings = self.config.interaction
        steps = self._steps_of_round()
        self.shares.append(min(1.0, (self.round - len(self._waiting) / max(steps, 1)) / settings.rounds))
        return batch

    def _begin_round(self) -> None:
        assert self.actor is not None
        self._measure()
        self.round += 1
        file = self.round_file(self.round)
        if file.is_file():
            turns = episodes.read(file)
        else:
            turns = self.actor.act(self.round, self._prompts_in_budget(), self._room().unique)
            episodes.write(file, turns)
        self._meter(turns)
        self._take(turns)
        self._waiting = [
            step
            for number in range(self._sequence_steps())
            for step in (("sequences", number), *[("corpus", number)] * self.config.interaction.corpus_steps)
        ]

    def _measure(self) -> None:
        """Score the student on the test prompts, and keep it with the words so far; once per number of rounds."""
        assert self.actor is not None
        file = self.folder / "rounds" / "results.json"
        results = files.read_json(file)["rounds"] if file.is_file() else []
        if len(results) > self.round:
            return
        result = {"round": self.round, "exposure": self.ledger.exposure, **self.actor.test()}
        file.parent.mkdir(exist_ok=True)
        files.write_json(file, {"rounds": [*results, result]})
        files.write_json(self.folder / "ledger.json", self.ledger.as_dict())
        shown = "  ".join(f"{name} {value:.3f}" for name, value in result.items() if isinstance(value, float))
        self.log(f"round {self.round} of {self.config.interaction.rounds}: {self.ledger.exposure:,} words  {shown}")

    def finish(self) -> None:
        """Measure the student after the last step."""
        self._measure()

    def _room(self) -> Room:
        """What is left of the budgets."""
        return self.ledger.room(TRACKS[self.config.track], self.config.budget.words)

    def _prompts_in_budget(self) -> int:
        """Prompts of the next round: as many as can be answered whatever is said, a word per token."""
        settings, room = self.config.interaction, self._room()
        longest = settings.samples * settings.max_new_tokens
        return int(min(settings.prompts, max(0, room.exposure) // longest, max(0, room.generated) // longest))

    def _cost(self, kind: str, number: int) -> tuple[int, int]:
        """Words of exposure of a step of the round, and words of the teacher that it shows for the first time."""
        if kind == "corpus":
            rows, width = self._corpus_shape()
            ends = np.array([self._corpus_position, self._corpus_position + rows * width])
            before, after = self.stream.words_before(ends).tolist()
            return after - before, 0
        exposure = unique = 0
        for rank, group in enumerate(self._step_groups(number), number * self.config.interaction.groups_per_step):
            for turn in _distinct(group):
                exposure += count_words(turn.prompt) + count_words(turn.text)
                if turn.speaker == "teacher" and rank < len(self._groups):  # in the first pass
                    unique += count_words(turn.text)
        return exposure, unique

    def _meter(self, turns: Sequence[Turn]) -> None:
        """Put a round's words into the ledger."""
        assert self.actor is not None
        ledger, settings = self.ledger, self.config.interaction
        prompts = {turn.episode: turn.prompt for turn in turns}
        if not self.actor.environment.corpus_text:
            ledger.teacher_shown += sum(map(count_words, prompts.values()))
        for turn in turns:
            words = count_words(turn.text)
            if turn.speaker == "student":
                ledger.generated += words
                if settings.feedback in ("score", "correction"):
                    ledger.teacher_input += count_words(turn.prompt) + words
                ledger.rewards += settings.feedback in ("score", "random")
                self._spent_flops += (
                    (len(turn.prompt_ids) + len(turn.ids))
                    * self.flops_per_token(max(len(turn.prompt_ids) + len(turn.ids), 2))
                    / 3
                )  # a forward pass is a third of a training step

    def _take(self, turns: Sequence[Turn]) -> None:
        """Turns to groups, and the order in which they are learnt."""
        by_group: dict[tuple[int, int], list[Turn]] = {}
        paired = self.config.interaction.feedback == "correction"
        for turn in turns:
            # A completion and its correction, or all completions of a prompt.
            by_group.setdefault((turn.episode, turn.sample if paired else 0), []).append(turn)
        self._groups = list(by_group.values())
        size = max(map(len, self._groups), default=0)
        for group in self._groups:  # every group has as many rows, so that parts of a step are equal
            while len(group) < size:
                group.append(group[-1])
        self._order = []
        for epoch in range(self.config.interaction.epochs):
            order = list(range(len(self._groups)))
            random.Random(derive_seed(self.config.seed, Purpose.EPISODES, self.round, epoch)).shuffle(order)
            self._order += order

    def _sequence_steps(self) -> int:
        return -(-len(self._order) // self.config.interaction.groups_per_step)

    def _steps_of_round(self) -> int:
        return self._sequence_steps() * (1 + self.config.interaction.corpus_steps)

    def _step_groups(self, number: int) -> list[list[Turn]]:
        """The groups of step ``number`` of the round's sequences; the last one is filled up from the first groups."""
        count = self.config.interaction.groups_per_step
        ranks = range(number * count, (number + 1) * count)
        return [self._groups[self._order[rank % len(self._order)]] for rank in ranks]

    def _sequences(self, number: int, step: int) -> TokenBatch:
        """The rows of step ``number`` of the round's sequences."""
        groups = self._step_groups(number)
        return sequence_rows(groups, pad=self.stream.pad, step=step, divisor=float(len(groups)))

    def _corpus_shape(self) -> tuple[int, int]:
        """Rows of a step of corpus text, and stream positions per row."""
        phase = self.config.phases[0]
        return phase.tokens_per_step // phase.sequence_length, phase.sequence_length - 1

    def _corpus(self, step: int) -> TokenBatch:
        """Rows of the corpus in the shape of the first phase, one after the other."""
        rows, width = self._corpus_shape()
        starts = self._corpus_position + np.arange(rows) * width
        self._corpus_position += rows * width
        batch = self.stream.rows(starts, width + 1)
        return TokenBatch(
            batch.tokens, batch.document_ids, batch.words, step=step, first_row=int(starts[0]) // width, step_rows=rows
        )


def _distinct(group: Sequence[Turn]) -> list[Turn]:
    """The turns of a group without the copies that fill it up."""
    return list({id(turn): turn for turn in group}.values())
