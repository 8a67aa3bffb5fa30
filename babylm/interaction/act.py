"""One round of acting: the student completes prompts, the teacher answers, and each turn is recorded.

In a dialogue this is done several times: all episodes advance together. At each turn the student completes the dialogue
so far ``interaction.samples`` times, so that a group has one prompt at every turn; the teacher answers all of them, and
the dialogue goes on with the first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import torch
from tokenizers import Tokenizer

from babylm.config.interaction import InteractionConfig
from babylm.corpora.word_count import count as count_words
from babylm.generation import sampler
from babylm.generation.sampler import Completion
from babylm.interaction import rewards
from babylm.interaction.environments import Environment
from babylm.interaction.episodes import SHOWN_WORDS, Turn
from babylm.interaction.sequence_rows import record_values
from babylm.interaction.teachers import Teacher
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import Objective
from babylm.randomness import Purpose, derive_seed

TEST = 0
"""Round number of the test prompts."""


class Actor:
    """Student, reference, teacher and environment of a run."""

    def __init__(
        self,
        student: BabyLMForCausalLM,
        reference: BabyLMForCausalLM,
        tokenizer: Tokenizer,
        special: Mapping[str, int],
        teacher: Teacher,
        environment: Environment,
        settings: InteractionConfig,
        seed: int,
        name: str = "",
    ) -> None:
        self.student, self.reference = student, reference.eval()
        self.tokenizer, self.special = tokenizer, special
        self.teacher, self.environment, self.settings, self.seed = teacher, environment, settings, seed
        self.name = name
        """What the student began as, for the record."""
        self.objective: Objective | None = None
        """What the student learns by, if values of it are to be recorded with the turns."""
        self.positions: int = student.config.max_position_embeddings
        stop, entries = environment.stop, range(tokenizer.get_vocab_size())
        stops = [token for token in entries if stop and tokenizer.decode([token]).endswith(stop)]
        self.ends = {special["eos"], *stops}
        """Tokens that end a completion."""
        seed = derive_seed(seed, Purpose.EPISODES, TEST)
        self.test_prompts = environment.prompts(seed, settings.test_prompts) if settings.test_prompts else []
        self.held_out = set(self.test_prompts)

    def act(self, round_number: int, count: int, new_words: float = math.inf) -> list[Turn]:
        """The turns of a round over ``count`` prompts: the student's and, with corrections, the teacher's.

        Fewer prompts if they are no corpus text and have more than ``new_words`` words together; at least one.
        Dialogues end early where replies would be more.
        """
        prompts = self.prompts(round_number, count)
        if not self.environment.corpus_text:
            so_far = list(itertools.accumulate(map(count_words, prompts)))
            prompts = prompts[: max(1, sum(words <= new_words for words in so_far))]
            new_words -= so_far[len(prompts) - 1]
        self.teacher.begin_round(round_number)
        open_episodes, turns = dict(enumerate(prompts)), list[Turn]()
        for number in range(self.environment.turns):
            students = self._completions(round_number, open_episodes, self.settings.samples, number)
            # The seed of the first turn is that of the round.
            seed = derive_seed(self.seed, Purpose.TEACHER, round_number, *[number] * (number > 0))
            turns += [*students, *self._answer(students, seed)]
            if number + 1 < self.environment.turns:
                open_episodes, new_words = self._go_on(students, seed, new_words)
            if not open_episodes:
                break
        usage = self.teacher.usage(round_number)
        if usage is not None:
            turns[0].meta["teacher_usage"] = asdict(usage)
        for turn, completion in zip(turns, self._log_probs(self.reference, turns), strict=True):
            turn.meta["reference_logp"] = completion.logp
        if self.objective is not None:
            record_values(self.objective, self.student, turns, self.special["pad"])
        return turns

    def prompts(self, round_number: int, count: int) -> list[str]:
        """Prompts of a round, none of which is a test prompt.

        Raises:
            ValueError: The environment has hardly any other prompts.
        """
        seed = derive_seed(self.seed, Purpose.EPISODES, round_number)
        drawn: list[str] = []
        for factor in (1, 4, 16, 64):
            drawn = [prompt for prompt in self.environment.prompts(seed, factor * count) if prompt not in self.held_out]
            if len(drawn) >= count:
                return drawn[:count]
        raise ValueError(
            f"interaction.test_prompts={self.settings.test_prompts}: of {64 * count:,} prompts that the environment "
            f"made, {len(drawn):,} are no test prompts, and a round has {count:,}; lower test_prompts or prompts"
        )

    def test(self) -> dict[str, float]:
        """Mean words and mean gold quality of completions of the test prompts, which no round has."""
        if not self.test_prompts:
            return {}
        turns = self._completions(TEST, dict(enumerate(self.test_prompts)), 1)
        texts = [turn.text for turn in turns]
        results = {"words": sum(count_words(text) for text in texts) / len(texts)}
        gold = self.environment.gold(self.test_prompts, texts)
        if gold is not None:
            results["gold"] = sum(gold) / len(gold)
        return results

    def _completions(self, round_number: int, prompts: Mapping[int, str], samples: int, number: int = 0) -> list[Turn]:
        """``samples`` turns of the student per episode, whose prompts these are; its ``number``-th in the episode."""
        encoded = {episode: self._encode(prompt) for episode, prompt in prompts.items()}
        longest, room = max(map(len, encoded.values())) + 1 + self.settings.max_new_tokens, self.positions
        if longest > room:
            raise ValueError(
                f"interaction.max_new_tokens={self.settings.max_new_tokens}: with the longest prompt that is {longest} "
                f"tokens, and the model has {room} positions (model.max_position_embeddings)"
            )
        bos, pad, later = self.special["bos"], self.special["pad"], [number] * (number > 0)
        jobs = [(episode, sample) for episode in prompts for sample in range(samples)]
        seeds = [derive_seed(self.seed, Purpose.SAMPLING, round_number, *job, *later) for job in jobs]
        completions: list[Completion] = []
        training = self.student.training
        self.student.eval()
        try:
            for first in range(0, len(jobs), sampler.ROWS):
                completions += sampler.sample(
                    self.student,
                    [[bos, *encoded[episode]] for episode, _ in jobs[first : first + sampler.ROWS]],
                    max_new_tokens=self.settings.max_new_tokens,
                    ends=self.ends,
                    pad=pad,
                    seeds=seeds[first : first + sampler.ROWS],
                    temperature=self.settings.temperature,
                    top_p=self.settings.top_p,
                    top_k=self.settings.top_k,
                )
        finally:
            self.student.train(training)
        return [
            Turn(
                round=round_number,
                episode=episode,
                sample=sample,
                speaker="student",
                prompt=prompts[episode],
                text=self._text(completion.ids),
                prompt_ids=[bos, *encoded[episode]],
                ids=completion.ids,
                logp=completion.logp,
                entropy=completion.entropy,
                turn=number,
                model=self.name,
                seed=seed,
            )
            for (episode, sample), seed, completion in zip(jobs, seeds, completions, strict=True)
        ]

    def _answer(self, turns: Sequence[Turn], seed: int) -> list[Turn]:
        """Give the student's turns their rewards; returns the teacher's corrections."""
        feedback, prompts, texts = (
            self.settings.feedback,
            [turn.prompt for turn in turns],
            [turn.text for turn in turns],
        )
        gold = self.environment.gold(prompts, texts)
        for index, turn in enumerate(turns):
            turn.feedback = feedback
            turn.gold = None if gold is None else gold[index]
        if feedback == "correction":
            return self._corrections(turns, self.teacher.correct(prompts, texts, seed), seed)
        rewards.receive(self.teacher, feedback, turns, seed)
        return []

    def _go_on(self, turns: Sequence[Turn], seed: int, new_words: float) -> tuple[dict[int, str], float]:
        """The next prompt of each dialogue, and how many new words may still be shown.

        A dialogue ends where the teacher says nothing, or more than may be shown.
        """
        first = [turn for turn in turns if turn.sample == 0]
        if self.settings.feedback != "reply":
            replies = self.teacher.reply([turn.prompt for turn in first], [turn.text for turn in first], seed)
            for turn, reply in zip(first, replies, strict=True):
                turn.reply = reply
        prompts = {}
        for turn in first:
            prompt, shown = self._following(turn)
            if 0 < shown <= new_words:
                turn.meta[SHOWN_WORDS], prompts[turn.episode] = shown, prompt
                new_words -= shown
        return prompts, new_words

    def _following(self, turn: Turn) -> tuple[str, int]:
        """The dialogue after a turn and its reply, as far as it fits into the model, and words shown of the reply.

        The earliest lines are left out first, then the end of the reply.
        """
        room = self.positions - 1 - self.settings.max_new_tokens
        words = (turn.reply or "").split()[:room]  # a word has a token or more
        prompt = self.environment.following(turn.prompt, turn.text, " ".join(words))
        while prompt.count("\n") > 1 and len(self._encode(prompt)) > room:
            prompt = prompt.partition("\n")[2]
        while words and len(self._encode(prompt)) > room:
            words.pop()
            prompt = self.environment.following("", "", " ".join(words)).lstrip()
        return prompt, len(words)

    def _corrections(self, turns: Sequence[Turn], corrected: Sequence[str | None], seed: int) -> list[Turn]:
        """The teacher's turns: none for a completion that it leaves as it is, which is then a good one.

        None either where it gave no usable answer; nothing is said about such a completion.
        """
        made = []
        for turn, text in zip(turns, corrected, strict=True):
            if text is None:
                turn.reward, turn.meta["unusable"] = 0.5, True
                continue
            if text.split() == turn.text.split():
                turn.reward = 1.0
                continue
            turn.reward = 0.0
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            ids = ids if ids and ids[-1] in self.ends else [*ids, self.special["eos"]]
            if len(turn.prompt_ids) + len(ids) > self.positions:  # as much as the student can read
                ids = ids[: self.positions - len(turn.prompt_ids)]
                text = self._text(ids)
            made.append(
                Turn(
                    round=turn.round,
                    episode=turn.episode,
                    sample=turn.sample,
                    speaker="teacher",
                    prompt=turn.prompt,
                    text=text,
                    prompt_ids=turn.prompt_ids,
                    ids=ids,
                    logp=[],
                    entropy=[],
                    reward=1.0,
                    feedback="correction",
                    turn=turn.turn,
                    model=self.teacher.identity.name,
                    seed=seed,
                )
            )
        for turn, completion in zip(made, self._log_probs(self.student, made), strict=True):
            turn.logp, turn.entropy = completion.logp, completion.entropy
        return made

    def _log_probs(self, model: torch.nn.Module, turns: Sequence[Turn]) -> list[Completion]:
        training = model.training
        model.eval()
        try:
            pairs = [(turn.prompt_ids, turn.ids) for turn in turns]
            return sampler.log_probs(model, pairs, self.special["pad"])
        finally:
            model.train(training)

    def _encode(self, prompt: str) -> list[int]:
        return list(self.tokenizer.encode(prompt, add_special_tokens=False).ids)

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode([token for token in ids if token != self.special["eos"]])).strip()
