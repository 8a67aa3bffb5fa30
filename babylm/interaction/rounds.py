"""Rounds of an interaction as a `babylm.batches.feed.Feed`: act, receive, and give what was said to the learner.

1. At the first step of a round the student completes prompts, the teacher answers, and the turns are written to
   ``rounds/round_0001.jsonl``; a round whose file exists is read from it, so nothing is asked twice.
2. Sequences of one prompt (or of one completion and its correction) are a group; groups are shuffled and cut into
   steps. After each step of sequences come steps of corpus text.
3. After the last step of a round the next one begins, with the weights that the student has then; with
   ``interaction.restart=each_round`` it learns anew from the initial weights, from the turns of all rounds so far.

Every word is in the `Ledger`; the feed is over at the last round or when a budget is reached, in the middle of a round
if need be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from babylm import checksums, files
from babylm.batches.feed import Milestone, TokenBatch
from babylm.batches.stream import TokenStream
from babylm.config.schema import Config
from babylm.console import Log
from babylm.corpora.word_count import count as count_words
from babylm.interaction import episodes
from babylm.interaction.act import Actor
from babylm.interaction.base import Base
from babylm.interaction.groups import Groups
from babylm.interaction.ledger import Ledger, Room
from babylm.interaction.sequence_rows import sequence_rows
from babylm.objectives._sequences import SequenceSettings
from babylm.runs import LABELS, ROUNDS
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
        base: Base,
    ) -> None:
        self.config, self.stream, self.flops_per_token, self.folder = config, stream, flops_per_token, folder
        fingerprint = getattr(stream.corpus, "fingerprint", "")
        self.ledger = Ledger(corpus=base.unique_words(fingerprint, stream.epoch_words), base_read=base.words)
        self.round = 0
        """Rounds begun."""
        self.words, self.tokens, self.flops, self.shares = [base.words], [0], [base.flops], [0.0]
        """After each number of steps: exposure, tokens read, FLOPs, progress; from those of the base on."""
        self.nominal = config.milestones or TRACKS[config.track].milestones
        """Words at which a revision is due."""
        names = {milestone_name(words) for words in self.nominal}
        self.inherited = [milestone for milestone in base.milestones if milestone.name in names]
        """Revisions of the base, which are the first of this run."""
        self._corpus_position = 0
        self._waiting: list[tuple[str, int]] = []
        """Steps of the round that are still to come: (``sequences`` or ``corpus``, number)."""
        self._groups = Groups([], paired=False, passes=0, per_step=1, seed=0)
        self._last: TokenBatch | None = None
        self._spent_flops = 0.0
        """Of generation, since the last step."""
        self._forgotten = 0
        """Words that were read before the last restart, and are not in the weights any more."""
        self._longest_prompt = 0
        """Words of the longest prompt so far."""
        self.actor: Actor | None = None

    def bind(self, actor: Actor, log: Log, restart: Callable[[], None]) -> None:
        """Give the feed its student, teacher and environment; ``restart`` gives the student its initial weights."""
        self.actor, self.log, self.restart = actor, log, restart

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
        """FLOPs of generation and learning; the ledger has a teacher's, which do not count."""
        return self.flops[step]

    def epochs_after(self, step: int) -> float:
        """Exposure over the words of the corpus."""
        return self.words[step] / self.stream.epoch_words

    def progress(self, step: float) -> float:
        """Share of the rounds that are learnt; of this round, if each begins from the initial weights."""
        return self.shares[min(int(step), len(self.shares) - 1)]

    def due(self, step: int) -> Sequence[Milestone]:
        """Milestones passed by the last of ``step`` steps."""
        if not 0 < step < len(self.words):
            return []
        passed = [words for words in self.nominal if self.words[step - 1] < words <= self.words[step]]
        return [Milestone(milestone_name(words), words, step, self.words[step]) for words in passed]

    def facts(self) -> dict[str, Any]:
        """With restarts, ``words_in_weights``: those that the present weights have read."""
        if not self._restarts:
            return {}
        return {"words_in_weights": self.ledger.input_words - self._forgotten}

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
            "forgotten": self._forgotten,
            "longest_prompt": self._longest_prompt,
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
        self.ledger, self._forgotten = Ledger.from_dict(state["ledger"]), state["forgotten"]
        self._longest_prompt = state["longest_prompt"]
        if self._waiting:
            self._take()

    def as_dict(self) -> dict[str, Any]:
        """The facts of ``plan.json``, as far as they are known."""
        steps = len(self.words) - 1
        passed = [*self.inherited, *(milestone for step in range(steps + 1) for milestone in self.due(step))]
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
            groups = self._groups.of_step(number)
            batch = sequence_rows(groups, pad=self.stream.pad, step=step, divisor=float(len(groups)))
        else:
            self.ledger.corpus_read += exposure
            batch = self._corpus(step)
        rows, length = batch.shape
        per_token = self.flops_per_token(length)
        self.words.append(self.ledger.exposure)
        self.tokens.append(self.tokens[-1] + rows * length)
        learning = rows * length * per_token
        self.ledger.learning_flops += learning
        self.flops.append(self.flops[-1] + learning + self._spent_flops)
        self._spent_flops = 0.0
        settings = self.config.interaction
        steps = self._groups.steps * (1 + settings.corpus_steps)
        of_round = 1 - len(self._waiting) / max(steps, 1)
        self.shares.append(of_round if self._restarts else min(1.0, (self.round - 1 + of_round) / settings.rounds))
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
        self._spent_flops += self.ledger.add_round(
            turns,
            feedback=self.config.interaction.feedback,
            corpus_prompts=self.actor.environment.corpus_text,
            flops_per_token=self.flops_per_token,
            teacher_parameters=self.actor.teacher.identity.parameters,
        )
        self._take()
        assert isinstance(self.config.objective, SequenceSettings)
        if why := self.config.objective.teaches_nothing(self._groups.rewards()):
            self.log.warn(f"nothing good is learnt from round {self.round}: {why}")
        if self._restarts and self.round > 1:
            self.restart()
            self._forgotten = self.ledger.input_words - self.ledger.base_read
        self._waiting = [
            step
            for number in range(self._groups.steps)
            for step in (("sequences", number), *[("corpus", number)] * self.config.interaction.corpus_steps)
        ]

    def _measure(self) -> None:
        """Score the student on the test prompts, and keep it with the words so far; once per number of rounds."""
        assert self.actor is not None
        file = self.folder / ROUNDS
        file.parent.mkdir(exist_ok=True)
        # Before the results, whose presence says that a round was measured: a kill between the two loses nothing.
        files.write_json(self.folder / "ledger.json", self.ledger.as_dict())
        results = checksums.verify(files.read_json(file), file)["rounds"] if file.is_file() else []
        if len(results) > self.round:
            return
        result = {"round": self.round, "exposure": self.ledger.exposure, **self.actor.test()}
        files.write_json(file, checksums.add({"rounds": [*results, result]}))
        tested = [f"{LABELS.get(name, name)} {value:.3f}" for name, value in result.items() if isinstance(value, float)]
        shown = f"; on test prompts: {', '.join(tested)}" if tested else ""
        of_all = f"round {self.round} of {self.config.interaction.rounds}"
        self.log(f"{of_all}: exposure {self.ledger.exposure:,} words{shown}")

    def finish(self) -> None:
        """Measure the student after the last step."""
        self._measure()

    def _room(self) -> Room:
        """What is left of the budgets."""
        return self.ledger.room(TRACKS[self.config.track], self.config.budget.words)

    def _prompts_in_budget(self) -> int:
        """Prompts of the next round: as many as can be answered and learnt from for a step, a word per token."""
        assert self.actor is not None
        settings, room = self.config.interaction, self._room()
        turns_each = self.actor.environment.turns
        answers = turns_each * settings.samples * settings.max_new_tokens
        prompts = self.actor.prompts(self.round + 1, settings.prompts) if math.isfinite(min(room)) else [""]
        self._longest_prompt = max(self._longest_prompt, *map(count_words, prompts))
        if turns_each > 1:  # the dialogue so far, as much of it as the model can read
            self._longest_prompt = self.actor.positions - 1 - settings.max_new_tokens
        turns = settings.samples * (2 if settings.feedback == "correction" else 1)
        first_step = settings.groups_per_step * turns * (self._longest_prompt + settings.max_new_tokens)
        return int(
            min(settings.prompts, max(0, room.exposure - first_step) // answers, max(0, room.generated) // answers)
        )

    def _cost(self, kind: str, number: int) -> tuple[int, int]:
        """Words of exposure of a step of the round, and words of the teacher that it shows for the first time."""
        if kind == "corpus":
            rows, width = self._corpus_shape()
            ends = np.array([self._corpus_position, self._corpus_position + rows * width])
            before, after = self.stream.words_before(ends).tolist()
            return after - before, 0
        return self._groups.words(number)

    @property
    def _restarts(self) -> bool:
        return self.config.interaction.restart == "each_round"

    def _take(self) -> None:
        """Group the turns of the round, with restarts of all rounds so far."""
        settings = self.config.interaction
        first = 1 if self._restarts else self.round
        turns = [turn for n in range(first, self.round + 1) for turn in episodes.read(self.round_file(n))]
        self._groups = Groups(
            turns,
            paired=settings.feedback == "correction",
            passes=settings.epochs,
            per_step=settings.groups_per_step,
            seed=self.config.seed,
        )

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
