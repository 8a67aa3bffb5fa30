"""Subjects of studies: a causal model with its tokenizer, asked for log-probabilities, text, states and attention.

    subject = load_subject("checkpoints/s1/main")  # a revision of ours, a Hugging Face folder, or a .gguf file
    subject.next_token(["User: Is it red?\\nAssistant:"])  # (1, vocabulary)

A ``.gguf`` file needs the package gguf (``pip install 'babylm[studies]'``): its weights are dequantized to float32.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babylm import generation, places
from babylm.generation.decoders import decoder
from babylm.generation.row_batches import by_length
from babylm.lazy import torch
from babylm.models.modeling_babylm import BabyLMForCausalLM

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 16
"""Prompts that are read at once."""


@dataclass
class Subject:
    """A causal language model in evaluation mode, with its tokenizer."""

    model: Any
    tokenizer: Any
    name: str

    @property
    def pad(self) -> int:
        """Fills up rows; never attended to."""
        return self.tokenizer.pad_token_id or 0

    @property
    def ends(self) -> list[int]:
        """Tokens that end a text."""
        return [] if self.tokenizer.eos_token_id is None else [self.tokenizer.eos_token_id]

    def ids(self, text: str, begin: bool = True) -> list[int]:
        """Token ids of a text, with what the tokenizer puts in front of texts (BOS) unless ``begin`` is False."""
        return list(self.tokenizer(text, add_special_tokens=begin)["input_ids"])

    def next_token(self, prompts: Sequence[str | Sequence[int]]) -> Tensor:
        """Log-probabilities (prompts, vocabulary) of the token after each prompt, a text or token ids, on the CPU.

        Prompts of similar length are read together; only the last position's logits are computed.
        """
        rows = [self.ids(prompt) if isinstance(prompt, str) else list(prompt) for prompt in prompts]
        result: Tensor | None = None
        for numbers in by_length(list(map(len, rows)), ROWS):
            with torch.no_grad():
                logits = decoder(self.model).prefill([rows[number] for number in numbers], 1)
            log_probs = logits.log_softmax(-1).cpu()
            if result is None:
                result = log_probs.new_empty(len(rows), log_probs.shape[1])
            result[numbers] = log_probs
        return torch.empty(0, 0) if result is None else result

    def log_probs(self, texts: Sequence[tuple[str | Sequence[int], str | Sequence[int]]]) -> list[list[float]]:
        """Log-probability of each token of a continuation, given as (prompt, continuation) in texts or token ids."""
        sequences = [
            (
                self.ids(prompt) if isinstance(prompt, str) else list(prompt),
                self.ids(text, begin=False) if isinstance(text, str) else list(text),
            )
            for prompt, text in texts
        ]
        result: list[list[float]] = [[] for _ in sequences]
        # The logits of all tokens of 64 rows of a large vocabulary are gigabytes.
        for numbers in by_length([len(prompt) + len(ids) for prompt, ids in sequences], ROWS):
            completions = generation.log_probs(self.model, [sequences[number] for number in numbers], self.pad)
            for number, completion in zip(numbers, completions, strict=True):
                result[number] = completion.logp
        return result

    def generate(
        self,
        prompts: Sequence[str | Sequence[int]],
        max_new_tokens: int,
        *,
        stop: Callable[[Sequence[int]], bool] | None = None,
        temperature: float = 0.0,
        seeds: Sequence[int] | None = None,
        rows: int = 256,
    ) -> list[list[int]]:
        """Continuations (token ids) of prompts, greedy unless there is a temperature.

        ``seeds``: one per prompt; by default their numbers, as prompts that share one are continued alike.
        """
        encoded = [self.ids(prompt) if isinstance(prompt, str) else list(prompt) for prompt in prompts]
        seeds = range(len(encoded)) if seeds is None else seeds
        made: list[list[int]] = []
        for first in range(0, len(encoded), rows):
            part = slice(first, first + rows)
            completions = generation.sample(
                self.model,
                encoded[part],
                max_new_tokens=max_new_tokens,
                ends=self.ends,
                pad=self.pad,
                seeds=seeds[part],
                temperature=temperature,
                stop=stop,
                with_figures=False,
            )
            made += [completion.ids for completion in completions]
        return made

    def hidden_states(self, ids: Sequence[int]) -> Tensor:
        """Float32 (layers + 1, tokens, hidden_size): the embeddings and the output of each layer."""
        with torch.no_grad():
            output = self.model(input_ids=self._row(ids), output_hidden_states=True)
        return torch.stack([state[0].float().cpu() for state in output.hidden_states])

    def attentions(self, ids: Sequence[int]) -> Tensor:
        """Float32 (layers, heads, tokens, tokens) attention weights, by an eager pass: fast kernels give none.

        Raises:
            ValueError: The model gives no attention weights.
        """
        eager = not isinstance(self.model, BabyLMForCausalLM) and hasattr(self.model, "set_attn_implementation")
        before = self.model.config._attn_implementation if eager else ""
        if eager:
            self.model.set_attn_implementation("eager")
        try:
            with torch.no_grad():
                output = self.model(input_ids=self._row(ids), output_attentions=True)
        finally:
            if eager:
                self.model.set_attn_implementation(before)
        if not output.attentions or output.attentions[0] is None:
            raise ValueError(f"subject={self.name}: {type(self.model).__name__} gives no attention weights")
        return torch.stack([weights[0].float().cpu() for weights in output.attentions])

    def _row(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor([list(ids)], device=next(self.model.parameters()).device)


def load_subject(path: str | Path, device: str = "auto") -> Subject:
    """The subject of a path: a revision of ours, any causal Hugging Face folder, or a ``.gguf`` file.

    Raises:
        ValueError: The path holds no such model, or a package that reads it is missing.
    """
    file = places.given(path)
    if file.suffix == ".gguf":
        return _load_gguf(file, device)
    if not (file / "config.json").is_file():
        raise ValueError(f"subject={path}: give a model's folder (with config.json) or a .gguf file")
    loaded = generation.load(file, device)
    return Subject(loaded.model, loaded.tokenizer, str(path))


@functools.cache
def load_once(path: str, device: str = "auto") -> Subject:
    """`load_subject`, kept for later pieces of a command (a .gguf file takes half a minute): not to be changed."""
    return load_subject(path, device)


def optional(package: str) -> Any:
    """The module of the extra ``studies``; ValueError that says how to install it if it is missing."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ValueError(f"subject: this needs {package}: pip install 'babylm[studies]'") from None


def _load_gguf(file: Path, device: str) -> Subject:
    """Model and tokenizer of a ``.gguf`` file, of an architecture that transformers can read."""
    import transformers
    from transformers.utils import logging

    optional("gguf")
    if not file.is_file():
        raise ValueError(f"subject={file}: there is no such file")
    if not hasattr(transformers, "GgufConfig"):
        raise ValueError(
            f"subject={file}: transformers {transformers.__version__} has no GgufConfig; make env installs one"
        )
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place = {"gguf_file": file.name}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, **place)
        # Without dequantize the weights stay packed: they cannot be trained, and each product unpacks them again.
        config = transformers.GgufConfig(dequantize=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(file.parent, quantization_config=config, **place)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"subject={file}: {' '.join(str(error).split())[:300]}") from error
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    return Subject(model.float().eval().to(chosen), tokenizer, str(file))
