"""A causal language model as teacher: any Hugging Face folder, or a revision of ours (``interaction.teacher_model``).

It scores a completion by its mean log-probability per token, one number for the whole completion: probabilities of
tokens never leave it. It corrects by continuing the prompt itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from babylm import places
from babylm.config.interaction import InteractionConfig
from babylm.generation import Generator, Sampling, load
from babylm.interaction import rollouts
from babylm.interaction.teachers._types import Teacher

EMPTY = -100.0
"""Score of a completion without a word."""


class ModelTeacher(Teacher):
    """A model that answers; its weights do not change."""

    def __init__(self, generator: Generator, sampling: Sampling) -> None:
        self.generator, self.sampling = generator, sampling

    def correct(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[str]:
        """The model's own continuation of each prompt, cut to as many words as the completion has (at least one)."""
        made = self.generator.continuations(prompts, replace(self.sampling, seed=seed % 2**31))
        texts = []
        for (text,), completion in zip(made, completions, strict=True):
            texts.append(" ".join(text.split()[: max(1, len(completion.split()))]))
        return texts

    def score(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[float]:
        """Mean log-probability per token of each completion after its prompt, in nats; an empty one gets -100."""
        pairs = [self._split(prompt, text) for prompt, text in zip(prompts, completions, strict=True)]
        pad = self.generator.tokenizer.pad_token_id or 0  # pads are masked, so any token will do
        by_token = rollouts.log_probs(self.generator.model, pairs, pad)
        return [sum(read.logp) / len(read.logp) if read.logp else EMPTY for read in by_token]

    def _split(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        """Tokens of the prompt and of what follows; a token that spans both belongs to the completion."""
        alone = self.generator.tokenizer(prompt)["input_ids"]
        if not completion.strip():
            return alone, []
        whole = self.generator.tokenizer(f"{prompt} {completion}")["input_ids"]
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
    return ModelTeacher(load(folder), Sampling(max_new_tokens=config.max_new_tokens, temperature=0.7, top_p=0.95))
