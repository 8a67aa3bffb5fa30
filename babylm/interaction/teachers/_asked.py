"""Teachers that answer in text: instructions out, corrections, replies, scores and judgements back."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babylm import places
from babylm.config.interaction import InteractionConfig
from babylm.config.teaching import check_teaching
from babylm.corpora.word_count import count as count_words
from babylm.interaction.teachers._replies import Done, Question, Replies
from babylm.interaction.teachers._types import Teacher, Usage

SAMPLED = ("complete", "correct", "reply")
"""Kinds of questions whose answers are left to chance."""
THOUGHT = re.compile(r"\A\s*<think>.*?(</think>|\Z)", re.DOTALL)
"""What a reasoning model writes first; to the end if its answer was cut before."""


class AskedTeacher(Teacher):
    """Asks each question of a run once, and reads the answers strictly.

    A subclass sets ``identity`` and overrides `answer`.
    """

    def __init__(self, config: InteractionConfig) -> None:
        check_teaching(config.teaching)
        self.config, self.teaching = config, config.teaching
        self.round = 0
        self._replies: Replies | None = None
        self._memory: dict[str, str] = {}
        """Answers outside a run."""

    def answer(self, questions: Sequence[Question], done: Done) -> None:
        """Answer questions, each different, in any order; ``done`` is called as soon as each is answered."""
        raise NotImplementedError

    def asked_as(self) -> dict[str, Any]:
        """What answers depend on beside the question: name and settings, for the cache."""
        teaching = self.teaching
        sampling: dict[str, Any] = {
            "temperature": teaching.temperature,
            "top_p": teaching.top_p,
            "max_tokens": self.max_tokens,
        }
        sampling |= {"stop": teaching.stop, "score_max": teaching.score_max}
        return {"name": self.identity.name, **sampling, "instructions": vars(teaching.instructions)}

    def offers(self, method: str) -> bool:
        """All that is asked in words, if it answers, and what a subclass does in another way."""
        answers = type(self).answer is not AskedTeacher.answer
        return answers or getattr(type(self), method) is not getattr(AskedTeacher, method)

    @property
    def max_tokens(self) -> int:
        """Longest answer in words, in tokens."""
        return self.teaching.max_tokens or self.config.max_new_tokens

    def open(self, folder: Path) -> None:
        """Keep answers in ``replies.jsonl`` of the folder."""
        shared = None if self.teaching.cache is None else places.given(self.teaching.cache)
        self._replies = Replies(self.asked_as(), folder / "replies.jsonl", shared)

    def begin_round(self, number: int) -> None:
        """See `Teacher`."""
        self.round = number

    def usage(self, number: int | None = None) -> Usage:
        """What was asked first in a round, or in all. A round that is acted again after a kill counts the same."""
        total = Usage()
        for entry in [] if self._replies is None else self._replies.entries.values():
            if number in (None, entry["round"]):
                question = Question(*(entry[name] for name in ("kind", "prompt", "completion", "other", "seed")))
                usable = self.parse(question.kind, entry["answer"]) is not None
                tokens = int(entry.get("tokens", 0))
                total += Usage(1, question.words, count_words(entry["answer"]), int(not usable), tokens)
        return total

    def instruction(self, question: Question) -> str:
        """The text that asks a question."""
        template: str = getattr(self.teaching.instructions, question.kind)
        values = {"prompt": question.prompt, "completion": question.completion, "other": question.other}
        return string.Formatter().vformat(template, (), {**values, "score_max": self.teaching.score_max})

    def parse(self, kind: str, answer: str) -> str | float | None:
        """What an answer says; None if it is not what was asked for.

        Words: what is left without white space around it. A score: one number from 0 to ``score_max`` and nothing
        else, but for a full stop or the best score behind it (``7``, ``7.``, ``7/9``). A judgement: one letter. What a
        reasoning model thinks before it answers is no part of any.
        """
        stop = self.teaching.stop
        answer = THOUGHT.sub("", answer)
        text = (answer.partition(stop)[0] if stop else answer).strip()
        if kind == "score":
            best = self.teaching.score_max
            number = re.fullmatch(rf"(\d+(?:\.\d+)?)(?:\s*/\s*{best})?\.?", text)
            return float(number[1]) / best if number and float(number[1]) <= best else None
        if kind == "judge":
            letter = re.fullmatch(r"([ABab])\.?", text)
            return letter[1].upper() if letter else None
        return text or None

    # What a teacher offers

    def complete(self, prompts: Sequence[str], seed: int) -> list[str]:
        """See `Teacher`; an empty text where there was no answer."""
        return [str(text or "") for text in self._ask([Question("complete", p, seed=seed) for p in prompts])]

    def correct(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> Sequence[str | None]:
        """See `Teacher`."""
        return self._in_words("correct", prompts, completions, seed)

    def reply(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> Sequence[str | None]:
        """See `Teacher`."""
        return self._in_words("reply", prompts, completions, seed)

    def score(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[float]:
        """Scores from 0 to 1; ``teaching.unparsable`` for an answer that is no score."""
        pairs = zip(prompts, completions, strict=True)
        scores = self._ask([Question("score", prompt, completion) for prompt, completion in pairs])
        return [self.teaching.unparsable if score is None else float(score) for score in scores]

    def judge_pair(self, prompts: Sequence[str], first: Sequence[str], second: Sequence[str], seed: int) -> list[float]:
        """See `Teacher`. Asked in both orders, since models prefer a place; an answer without a letter counts half."""
        triples = list(zip(prompts, first, second, strict=True))
        forth = self._ask([Question("judge", prompt, a, b) for prompt, a, b in triples])
        back = self._ask([Question("judge", prompt, b, a) for prompt, a, b in triples])
        value = {"A": 1.0, "B": 0.0, None: 0.5}
        return [
            (
                value[None if answer is None else str(answer)]
                + 1
                - value[None if reversed_answer is None else str(reversed_answer)]
            )
            / 2
            for answer, reversed_answer in zip(forth, back, strict=True)
        ]

    def _in_words(self, kind: str, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[str | None]:
        pairs = zip(prompts, completions, strict=True)
        answers = self._ask([Question(kind, prompt, completion, seed=seed) for prompt, completion in pairs])
        return [None if text is None else str(text) for text in answers]

    def _ask(self, questions: Sequence[Question]) -> list[str | float | None]:
        """What the answers say, of old and new ones.

        Raises:
            ValueError: None of at least eight answers is what was asked for.
        """
        if self.teaching.temperature == 0:
            questions = [Question(q.kind, q.prompt, q.completion, q.other) for q in questions]
        answers = {question: answer for question in questions if (answer := self._find(question)) is not None}
        new = list(dict.fromkeys(question for question in questions if question not in answers))

        def done(question: Question, answer: str, tokens: int = 0) -> None:
            answers[question] = answer
            if self._replies is None:
                self._memory[question.key()] = answer
            else:
                self._replies.add(question, answer, self.round, tokens)

        if new:
            self.answer(new, done)
        parsed = {question: self.parse(question.kind, answer) for question, answer in answers.items()}
        if len(parsed) >= 8 and all(value is None for value in parsed.values()):
            kind, example = questions[0].kind, answers[questions[0]].strip()[:80]
            raise ValueError(
                f"interaction.teacher: none of {len(parsed)} answers of {self.identity.name} is what was asked for "
                f"({kind}); one is {example!r}; choose another model or change interaction.teaching.instructions.{kind}"
            )
        return [parsed[question] for question in questions]

    def _find(self, question: Question) -> str | None:
        if self._replies is None:
            return self._memory.get(question.key())
        return self._replies.find(question, self.round)
