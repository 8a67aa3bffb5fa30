"""A causal language model as teacher: any Hugging Face folder, or a revision of ours (``interaction.teacher_model``).

It needs no instructions, so a base model serves: it continues prompts (which are its corrections) and texts (which are
its replies), scores a completion by its mean log-probability per token, one number for the whole completion, and
prefers the completion with the better score. Probabilities of tokens never leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from babylm import places
from babylm.config.interaction import InteractionConfig
from babylm.generation import Generator, Sampling, load, log_probs
from babylm.interaction.teachers._asked import AskedTeacher
from babylm.interaction.teachers._replies import Done, Question
from babylm.interaction.teachers._types import Identity

EMPTY = -100.0
"""Score of a completion without a word."""


class ModelTeacher(AskedTeacher):
    """A model that answers; its weights do not change."""

    def __init__(self, config: InteractionConfig, generator: Generator, name: str, weights: str = "") -> None:
        super().__init__(config)
        self._generator = generator
        self._weights = weights
        teaching = config.teaching
        parameters = teaching.parameters or int(generator.model.num_parameters())
        self.identity = Identity(teaching.name or name, "model", parameters, teaching.inside_budget)

    def asked_as(self) -> dict[str, Any]:
        """See `AskedTeacher`. Answers that were drawn with the same random numbers for all prompts are not used."""
        return {**super().asked_as(), "weights": self._weights, "random numbers": "of each prompt"}

    def correct(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> Sequence[str | None]:
        """The model's own continuation of each prompt, cut to as many words as the completion has (at least one)."""
        made = self.complete(prompts, seed)
        cut = [max(1, len(completion.split())) for completion in completions]
        return [" ".join(text.split()[:words]) for text, words in zip(made, cut, strict=True)]

    def judge_pair(self, prompts: Sequence[str], first: Sequence[str], second: Sequence[str], seed: int) -> list[float]:
        """1 if the model finds the first likelier per token, 0 if the second, 0.5 if neither."""
        scores = zip(self.score(prompts, first, seed), self.score(prompts, second, seed), strict=True)
        return [0.5 if a == b else float(a > b) for a, b in scores]

    def parse(self, kind: str, answer: str) -> str | float | None:
        """See `AskedTeacher`; scores are log-probabilities."""
        return float(answer) if kind == "score" else answer

    def answer(self, questions: Sequence[Question], done: Done) -> None:
        """See `AskedTeacher`."""
        scored = [question for question in questions if question.kind == "score"]
        pairs = [self._split(question.prompt, question.completion) for question in scored]
        for question, pair, score in zip(scored, pairs, self._scores(pairs), strict=True):
            done(question, repr(score), sum(map(len, pair)))
        by_seed: dict[int, list[Question]] = {}
        for question in questions:
            if question.kind != "score":
                by_seed.setdefault(question.seed, []).append(question)
        teaching = self.teaching
        sampling = Sampling(self.max_tokens, temperature=teaching.temperature, top_p=teaching.top_p)
        for seed, group in by_seed.items():
            texts = [f"{question.prompt} {question.completion}".strip() for question in group]
            made = self._generator.continuations(texts, replace(sampling, seed=seed % 2**31))
            for question, shown, (text,) in zip(group, texts, made, strict=True):
                done(question, text.strip(), len(self._generator.tokenizer(f"{shown}{text}")["input_ids"]))

    def _scores(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
        """Mean log-probability per token of each completion after its prompt, in nats; an empty one gets -100."""
        by_token = log_probs(self._generator.model, pairs, self._generator.tokenizer.pad_token_id or 0)
        return [sum(read.logp) / len(read.logp) if read.logp else EMPTY for read in by_token]

    def _split(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        """Tokens of the prompt and of what follows; a token that spans both belongs to the completion."""
        tokenizer = self._generator.tokenizer
        alone = tokenizer(prompt)["input_ids"]
        if not completion.strip():
            return alone, []
        whole = tokenizer(f"{prompt} {completion}")["input_ids"]
        common = next((i for i, (a, b) in enumerate(zip(alone, whole, strict=False)) if a != b), len(alone))
        begin = max(1, common)  # a first token is predicted from nothing
        return whole[:begin], whole[begin:]


def build(config: InteractionConfig) -> ModelTeacher:
    """The teacher in the folder ``interaction.teacher_model``."""
    if config.teacher_model is None:
        raise ValueError("interaction.teacher_model: name the folder of the model that teaches")
    folder = places.given(config.teacher_model)
    if not folder.is_dir():
        raise ValueError(f"interaction.teacher_model: {places.no_folder(folder)}")
    if not (folder / "config.json").is_file() and (folder / "main" / "config.json").is_file():
        folder = folder / "main"  # a finished run
    name = folder.resolve().parent.name if folder.resolve().name == "main" else folder.resolve().name
    return ModelTeacher(config, load(folder), name, _fingerprint(folder))


def _fingerprint(folder: Any) -> str:
    """Size and time of each file of weights: replies of other weights are not used."""
    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*.bin"))
    return " ".join(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files)
