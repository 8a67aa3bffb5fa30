"""Beam search, which is transformers' own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList


@torch.no_grad()
def beam_search(
    model: Any,
    tokenizer: Any,
    prompt: Sequence[int],
    *,
    beams: int,
    count: int,
    max_new_tokens: int,
    ends: Sequence[int],
    stop: str,
) -> list[list[int]]:
    """The ``count`` best continuations of a prompt, token ids; each may contain pad tokens after its end."""
    input_ids = torch.tensor([list(prompt)], device=model.device)
    pad = next((token for token in (tokenizer.pad_token_id, *ends) if token is not None), 0)
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=beams,
        num_return_sequences=count,
        pad_token_id=pad,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=list(ends) or None,
    )
    criteria = StoppingCriteriaList([_Stop(tokenizer, stop, len(prompt))] if stop else [])
    made = model.generate(
        input_ids,
        attention_mask=torch.ones_like(input_ids),
        generation_config=settings,
        stopping_criteria=criteria,
    )
    rows: list[list[int]] = made[:, len(prompt) :].tolist()
    return rows


class _Stop(StoppingCriteria):
    """Ends a row whose continuation holds a text; transformers' ``stop_strings`` also looks into the prompt."""

    def __init__(self, tokenizer: Any, stop: str, width: int) -> None:
        self.tokenizer, self.stop, self.width = tokenizer, stop, width

    def __call__(self, input_ids: Tensor, scores: Any) -> Tensor:
        """(rows,) bool."""
        texts = self.tokenizer.batch_decode(input_ids[:, self.width :])
        return torch.tensor([self.stop in text for text in texts], device=input_ids.device)
