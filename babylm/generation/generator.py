"""Seeded continuations of texts by any causal model folder.

Each continuation draws its own random numbers, from the seed, its prompt and its number among those of the prompt. So a
prompt has the same continuations alone and in a batch, padded on the left, and in any order; and other prompts have
other random numbers: with the same ones, hundreds of prompts are continued by a handful of texts.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from babylm import files, registry, returned, revisions
from babylm.config.schema import ObjectiveConfig
from babylm.evaluation.scoring import foreign_tokenizer, load_model, weight_files
from babylm.generation.beam_search import beam_search
from babylm.generation.sampler import ROWS, sample
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.randomness import Purpose, derive_seed


@dataclass(frozen=True)
class Sampling:
    """How continuations are chosen; the names are those of transformers."""

    max_new_tokens: int = 50
    temperature: float = 1.0
    """0: the likeliest token each time."""
    top_k: int = 0
    """Only the k likeliest tokens; 0: all."""
    top_p: float = 1.0
    """Only the likeliest tokens that have this probability together."""
    num_return_sequences: int = 1
    beams: int = 1
    """More than 1: beam search, without sampling."""
    seed: int = 1
    stop: str = ""
    """Ends a continuation, and is left out of it."""


@dataclass(frozen=True)
class Generator:
    """A causal model with its tokenizer, ready to continue texts."""

    model: Any
    tokenizer: Any
    longest: int | None
    """Positions that the model can read; None for any number."""

    def continuations(self, prompts: Sequence[str], sampling: Sampling) -> Iterator[list[str]]:
        """For each prompt its continuations, ``num_return_sequences`` of them, without the prompt.

        An empty prompt continues from BOS. ``ValueError`` for a prompt that is longer than the model can read, or no
        UTF-8.
        """
        ids = [self._ids(prompt) for prompt in prompts]
        if sampling.beams > 1:
            for prompt in ids:
                yield self._beams(prompt, sampling)
            return
        rows = [(prompt, number) for prompt in range(len(prompts)) for number in range(sampling.num_return_sequences)]
        done: list[str] = []
        for first in range(0, len(rows), ROWS):
            part = rows[first : first + ROWS]
            done += self._batch([ids[prompt] for prompt, _ in part], [number for _, number in part], sampling)
            while len(done) >= sampling.num_return_sequences:
                yield done[: sampling.num_return_sequences]
                del done[: sampling.num_return_sequences]

    def room(self, prompt: str) -> int | None:
        """How many tokens may follow a prompt; None for any number."""
        return None if self.longest is None else self.longest - len(self._encode(prompt))

    def _encode(self, prompt: str) -> list[int]:
        ids = self.tokenizer(prompt)["input_ids"]
        if ids:
            return ids
        begin = self.tokenizer.bos_token_id
        begin = self.tokenizer.eos_token_id if begin is None else begin
        if begin is None:
            raise ValueError("an empty prompt continues from BOS, and this tokenizer has none: give a prompt")
        return [begin]

    def _ids(self, prompt: str) -> list[int]:
        if not returned.is_text(prompt):
            raise ValueError(f"the prompt {prompt[:40]!a} is not UTF-8")
        ids = self._encode(prompt)
        quoted = repr(prompt if len(prompt) < 40 else prompt[:37] + "...")
        if self.longest is not None and len(ids) + 1 > self.longest:
            raise ValueError(
                f"the prompt {quoted} has {len(ids):,} tokens, and the model reads {self.longest:,}: shorten it by at "
                f"least {len(ids) + 1 - self.longest:,}"
            )
        entries = self.model.get_input_embeddings().num_embeddings
        if max(ids) >= entries:
            raise ValueError(
                f"the prompt {quoted} holds token {max(ids)}, and the model has {entries:,}: the tokenizer in the "
                "folder belongs to another model"
            )
        return ids

    def _batch(self, prompts: list[list[int]], numbers: list[int], sampling: Sampling) -> list[str]:
        completions = sample(
            self.model,
            prompts,
            max_new_tokens=[self._steps(ids, sampling) for ids in prompts],
            ends=self._ends(),
            seeds=[
                derive_seed(sampling.seed, Purpose.SAMPLING, number, *ids)
                for ids, number in zip(prompts, numbers, strict=True)
            ],
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            stop=stop_at_text(self.tokenizer, sampling.stop) if sampling.stop else None,
            with_figures=False,
        )
        return [self._text(ids, made.ids, sampling) for ids, made in zip(prompts, completions, strict=True)]

    def _beams(self, ids: list[int], sampling: Sampling) -> list[str]:
        hypotheses = beam_search(
            self.model,
            self.tokenizer,
            ids,
            beams=sampling.beams,
            count=sampling.num_return_sequences,
            max_new_tokens=self._steps(ids, sampling),
            ends=self._ends(),
            stop=sampling.stop,
        )
        return [self._text(ids, row, sampling) for row in hypotheses]

    def _steps(self, ids: list[int], sampling: Sampling) -> int:
        """Tokens that may follow a prompt."""
        room = sampling.max_new_tokens if self.longest is None else self.longest - len(ids)
        return min(sampling.max_new_tokens, room)

    def _text(self, prompt: list[int], new: list[int], sampling: Sampling) -> str:
        """The text of a continuation, without what ends it."""
        ends = self._ends()
        end = next((at for at, token in enumerate(new) if token in ends), len(new))
        before = self.tokenizer.decode(prompt, skip_special_tokens=True)
        # Together with the prompt: a token alone may be decoded otherwise, and part of a letter not at all.
        text = self.tokenizer.decode(prompt + new[:end], skip_special_tokens=True).removeprefix(before)
        return str(text.partition(sampling.stop)[0] if sampling.stop else text)

    def _ends(self) -> list[int]:
        """The tokens that end a text."""
        ends = getattr(self.model.generation_config, "eos_token_id", None)
        ends = self.tokenizer.eos_token_id if ends is None else ends
        return [] if ends is None else ends if isinstance(ends, list) else [ends]


def stop_at_text(tokenizer: Any, *texts: str) -> Callable[[Sequence[int]], bool]:
    """Whether a completion (token ids) holds one of ``texts``; for ``stop`` of `sampler.sample`.

    Only the last tokens are read: every token but a special one has at least a byte of text.
    """
    tail = max(len(text.encode()) for text in texts) + 8

    def stop(ids: Sequence[int]) -> bool:
        text = tokenizer.decode(list(ids[-tail:]))
        return any(ending in text for ending in texts)

    return stop


@functools.cache
def _warn_once(text: str) -> None:
    """Print a warning, once per process: a study loads a model for each of its pieces."""
    print(f"warning: {text}", file=sys.stderr)


def load(folder: Path, device: str = "auto", trust: bool = False) -> Generator:
    """The model of a folder: a revision of ours, with this package's code, or any causal Hugging Face model.

    ``device``: ``auto`` (a GPU if there is one), ``cpu`` or ``cuda``; ``trust``: run the code that a foreign model
    brings. ``ValueError`` for a damaged revision, a model that cannot generate, and a GPU that is not there.
    """
    from transformers.utils import logging

    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: torch sees no GPU; use device=auto or device=cpu")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    described = files.read_json(folder / "config.json", "give a model's folder")
    if not (folder / foreign_tokenizer.FILE).is_file():
        raise ValueError(
            f"{folder} has no {foreign_tokenizer.FILE}: generating needs the model's fast tokenizer beside it "
            "(AutoTokenizer.from_pretrained(...).save_pretrained(folder) writes it)"
        )
    typed = described.get("model_type") == revisions.MODEL_TYPE
    foreign = revisions.brings_code(folder, described)
    if foreign and not trust:
        _warn_once(f"{folder}: {foreign}; this package's is used (trust=true runs its own)")
    ours = typed and not (foreign and trust)
    if typed and (folder / files.MANIFEST).is_file() and (problems := revisions.verify(folder)):
        raise ValueError(f"{folder} is damaged: {problems[0]}; restore it, or make the revision again")
    if described.get("auto_map") and not (ours or trust):
        raise ValueError(f"{folder}: this model brings code of its own; trust=true runs it")
    weight_files.weight_files(folder)
    with load_model.told_in_one_line(folder):
        model = _load(
            BabyLMForCausalLM if ours else transformers.AutoModelForCausalLM, folder, described, trust and not ours
        )
        tokenizer = foreign_tokenizer.load(folder, trust and not ours)
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    limit = next((described[key] for key in ("max_position_embeddings", "n_positions") if key in described), None)
    return Generator(model.float().eval().to(chosen), tokenizer, limit)


def _load(loader: Any, folder: Path, described: dict[str, Any], trust: bool) -> Any:
    names = load_model.architectures(folder)
    if names and all("MaskedLM" in name for name in names):
        raise ValueError(f"{folder}: {', '.join(names)} is a masked model, which fills gaps and cannot generate")
    if described.get("is_encoder_decoder"):
        raise ValueError(
            f"{folder}: a model of type {described.get('model_type')} has an encoder; only causal ones generate here"
        )
    options: dict[str, Any] = {} if loader is BabyLMForCausalLM else {"trust_remote_code": trust}
    try:
        model, loaded = loader.from_pretrained(folder, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if "Unrecognized configuration class" in reason:
            reason = f"a model of type {described.get('model_type')} is not causal, so it cannot generate"
        raise ValueError(f"{folder}: {reason[:300]}") from error
    if missing := sorted(loaded["missing_keys"]):
        raise ValueError(
            f"{folder}: its weights lack {', '.join(missing[:3])} ({len(missing)} in all) of {type(model).__name__}, "
            "so they would be random: it is no causal language model, or its weights are not whole"
        )
    load_model.check_numbers(model, folder)
    _check_causal(model.eval(), folder)
    return model


@torch.no_grad()
def _check_causal(model: Any, folder: Path) -> None:
    """Raise ValueError if the prediction for a token depends on later tokens (an encoder that loads)."""
    entries = model.get_input_embeddings().num_embeddings
    ids = torch.arange(4)[None] % entries
    other = ids.clone()
    other[0, -1] = (ids[0, -1] + 1) % entries
    before, after = (model(input_ids=row).logits[0, :-1] for row in (ids, other))
    if not torch.allclose(before, after, rtol=1e-3, atol=1e-4):
        raise ValueError(f"{folder}: {type(model).__name__} looks at the tokens to come, so it cannot generate")


def warn_if_masked(folder: Path) -> None:
    """Say on stderr that a revision has never learnt to continue a text."""
    facts = folder / revisions.FACTS
    name = files.read_json(facts).get("objective") if facts.is_file() else None
    if name not in registry.names("objectives"):  # nothing is known, or a plug-in that is not here
        return
    if registry.settings("objectives", name, ObjectiveConfig)(name=name).backend != "causal":
        print(f"warning: {folder} was trained with masks alone and continues texts badly", file=sys.stderr)
