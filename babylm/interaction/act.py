"""One round of acting: the student completes prompts, the teacher answers, and each turn is recorded."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import torch
from tokenizers import Tokenizer

from babylm.config.interaction import InteractionConfig
from babylm.corpora.word_count import count as count_words
from babylm.interaction import caregiver, rollouts
from babylm.interaction.environments import Environment
from babylm.interaction.episodes import Turn
from babylm.interaction.rollouts import Completion
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
    ) -> None:
        self.student, self.reference = student, reference.eval()
        self.tokenizer, self.special = tokenizer, special
        self.teacher, self.environment, self.settings, self.seed = teacher, environment, settings, seed
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
        """
        prompts = self.prompts(round_number, count)
        if not self.environment.corpus_text:
            so_far = list(itertools.accumulate(map(count_words, prompts)))
            prompts = prompts[: max(1, sum(words <= new_words for words in so_far))]
        turns = self._completions(round_number, prompts, self.settings.samples)
        self._answer(round_number, turns)
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
        turns = self._completions(TEST, self.test_prompts, 1)
        texts = [turn.text for turn in turns]
        results = {"words": sum(count_words(text) for text in texts) / len(texts)}
        gold = self.environment.gold(self.test_prompts, texts)
        if gold is not None:
            results["gold"] = sum(gold) / len(gold)
        return results

    def _completions(self, round_number: int, prompts: Sequence[str], samples: int) -> list[Turn]:
        encoded = [self.tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in prompts]
        longest, room = max(map(len, encoded)) + 1 + self.settings.max_new_tokens, self.positions
        if longest > room:
            raise ValueError(
                f"interaction.max_new_tokens={self.settings.max_new_tokens}: with the longest prompt that is {longest} "
                f"tokens, and the model has {room} positions (model.max_position_embeddings)"
            )
        bos, pad = self.special["bos"], self.special["pad"]
        jobs = [(episode, sample) for episode in range(len(prompts)) for sample in range(samples)]
        turns = []
        training = self.student.training
        self.student.eval()
        try:
            for first in range(0, len(jobs), rollouts.ROWS):
                part = jobs[first : first + rollouts.ROWS]
                completions = rollouts.sample(
                    self.student,
                    [[bos, *encoded[episode]] for episode, _ in part],
                    max_new_tokens=self.settings.max_new_tokens,
                    ends=self.ends,
                    pad=pad,
                    seeds=[derive_seed(self.seed, Purpose.SAMPLING, round_number, *job) for job in part],
                    temperature=self.settings.temperature,
                    top_p=self.settings.top_p,
                    top_k=self.settings.top_k,
                )
                for (episode, sample), completion in zip(part, completions, strict=True):
                    turns.append(
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
                        )
                    )
        finally:
            self.student.train(training)
        return turns

    def _answer(self, round_number: int, turns: list[Turn]) -> None:
        """Rewards for the student's turns, and the teacher's corrections after them."""
        prompts, texts = [turn.prompt for turn in turns], [turn.text for turn in turns]
        seed = derive_seed(self.seed, Purpose.TEACHER, round_number)
        gold = self.environment.gold(prompts, texts)
        for index, turn in enumerate(turns):
            turn.feedback = self.settings.feedback
            turn.gold = None if gold is None else gold[index]
        self.teacher.begin_round(round_number)
        corrected: Sequence[str | None] = []
        if self.settings.feedback == "none":
            rewards = [1.0] * len(turns)
        elif self.settings.feedback == "random":
            generator = random.Random(seed)
            rewards = [float(generator.random() < 0.5) for _ in turns]
        elif self.settings.feedback == "score":
            rewards = [float(score) for score in self.teacher.score(prompts, texts, seed)]
        elif self.settings.feedback == "reply":
            replies = self.teacher.reply(prompts, texts, seed)
            for turn, reply in zip(turns, replies, strict=True):
                turn.meta["reply"] = reply
            rewards = [caregiver.OTHER if reply is None else caregiver.reply_reward(reply) for reply in replies]
        elif self.settings.feedback == "judge":
            rewards = self._judged(turns, seed)
        else:
            corrected = self.teacher.correct(prompts, texts, seed)
            rewards = [0.0] * len(turns)
        for turn, reward in zip(turns, rewards, strict=True):
            turn.reward = reward
        usage = self.teacher.usage(round_number)
        if usage is not None:
            turns[0].meta["teacher_usage"] = asdict(usage)
        turns += self._corrections(turns, corrected) if corrected else []

    def _judged(self, turns: Sequence[Turn], seed: int) -> list[float]:
        """For each turn the share of its comparisons that it wins.

        The turns of a prompt are put into a ring in random order, and neighbours are compared: two comparisons each,
        one if there are two turns.
        """
        generator = random.Random(seed)
        groups: dict[int, list[int]] = {}
        for index, turn in enumerate(turns):
            groups.setdefault(turn.episode, []).append(index)
        pairs = []
        for group in groups.values():
            ring = generator.sample(group, len(group))
            pairs += [(ring[at - 1], ring[at]) for at in range(len(ring) if len(ring) > 2 else 1) if len(ring) > 1]
        first, second = [turns[a] for a, _ in pairs], [turns[b] for _, b in pairs]
        won = self.teacher.judge_pair(
            [turn.prompt for turn in first], [turn.text for turn in first], [turn.text for turn in second], seed
        )
        results: dict[int, list[float]] = {index: [] for index in range(len(turns))}
        for (a, b), value in zip(pairs, won, strict=True):
            results[a].append(value)
            results[b].append(1 - value)
        return [sum(values) / len(values) for values in results.values()]

    def _corrections(self, turns: Sequence[Turn], corrected: Sequence[str | None]) -> list[Turn]:
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
            return rollouts.log_probs(model, pairs, self.special["pad"])
        finally:
            model.train(training)

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode([token for token in ids if token != self.special["eos"]])).strip()
