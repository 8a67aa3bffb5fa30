"""A causal language model as teacher: any Hugging Face folder, or a revision of ours (``interaction.teacher_model``).

It scores a completion by its mean log-probability per token, one number for the whole completion: probabilities of
tokens never leave it. It corrects by continuing the prompt itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from babylm import places
from babylm.config.interaction import InteractionConfig
from babylm.generation import Generator, Sampling, load
from babylm.interaction.teachers._types import Teacher


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

    @torch.no_grad()
    def score(self, prompts: Sequence[str], completions: Sequence[str], seed: int) -> list[float]:
        """Mean log-probability per token of each completion after its prompt, in nats; an empty one gets -100."""
        scores = []
        for prompt, completion in zip(prompts, completions, strict=True):
            before = self.generator.tokenizer(prompt)["input_ids"]
            ids = self.generator.tokenizer(f"{prompt} {completion}")["input_ids"]
            begin = next((i for i, (a, b) in enumerate(zip(before, ids, strict=False)) if a != b), len(before))
            begin = max(1, min(begin, len(before)))
            if not completion.strip() or len(ids) <= begin:
                scores.append(-100.0)
                continue
            row = torch.tensor([ids], device=self.generator.model.device)
            logits = self.generator.model(input_ids=row).logits[0, begin - 1 : -1].float()
            logp = logits.log_softmax(-1).gather(1, row[0, begin:, None])
            scores.append(float(logp.mean()))
        return scores


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
