"""Seeded sampling from any causal model folder, over transformers' ``generate``.

Each continuation draws its own random numbers, from the seed and its number among those of its prompt. So a prompt has
the same continuations alone and in a batch, padded on the left, and in any order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation import logits_process

from babylm import files, registry, revisions
from babylm.config.schema import ObjectiveConfig
from babylm.evaluation.scoring import foreign_tokenizer, load_model, weight_files
from babylm.models.modeling_babylm import BabyLMForCausalLM

ROWS = 16
"""Continuations that are made at once."""


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

        An empty prompt continues from BOS. ``ValueError`` for a prompt that is longer than the model can read.
        """
        ids = [self._ids(prompt, sampling) for prompt in prompts]
        repeated = 1 if sampling.beams > 1 else sampling.num_return_sequences
        rows = [(prompt, number) for prompt in range(len(prompts)) for number in range(repeated)]
        done: list[str] = []
        cut = self.longest is not None and max(map(len, ids), default=0) + sampling.max_new_tokens > self.longest
        at_once = 1 if cut else ROWS  # rows of a batch end together, and these would end at different places
        for first in range(0, len(rows), at_once):
            part = rows[first : first + at_once]
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

    def _ids(self, prompt: str, sampling: Sampling) -> list[int]:
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

    @torch.no_grad()
    def _batch(self, prompts: list[list[int]], numbers: list[int], sampling: Sampling) -> list[str]:
        width = max(map(len, prompts))
        ends = self._ends()
        pad = next((i for i in (self.tokenizer.pad_token_id, *ends) if i is not None), 0)
        input_ids = torch.tensor([[pad] * (width - len(ids)) + ids for ids in prompts], device=self.model.device)
        mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=self.model.device)
        steps = sampling.max_new_tokens
        if self.longest is not None:
            steps = min(steps, self.longest - width)
        settings = GenerationConfig(
            max_new_tokens=steps,
            do_sample=False,
            num_beams=sampling.beams,
            num_return_sequences=sampling.num_return_sequences if sampling.beams > 1 else 1,
            pad_token_id=pad,
            bos_token_id=self.tokenizer.bos_token_id,
            eos_token_id=ends or None,
        )
        choose = LogitsProcessorList()
        if sampling.beams == 1 and sampling.temperature > 0:
            seeds = [sampling.seed * 1_000_003 + number for number in numbers]
            choose.append(GumbelNoise(seeds, sampling.temperature, sampling.top_k, sampling.top_p))
        made = self.model.generate(
            input_ids,
            attention_mask=mask,
            generation_config=settings,
            logits_processor=choose,
            stopping_criteria=StoppingCriteriaList(
                [_Stop(self.tokenizer, sampling.stop, width)] if sampling.stop else []
            ),
        )
        lengths = [len(ids) for ids in prompts for _ in range(settings.num_return_sequences)]
        texts = []
        for row, length in zip(made.tolist(), lengths, strict=True):
            read, new = row[width - length : width], row[width:]
            end = next((at for at, token in enumerate(new) if token in ends), len(new))
            before = self.tokenizer.decode(read, skip_special_tokens=True)
            # Together with the prompt: a token alone may be decoded otherwise, and part of a letter not at all.
            text = self.tokenizer.decode(read + new[:end], skip_special_tokens=True).removeprefix(before)
            texts.append(text.partition(sampling.stop)[0] if sampling.stop else text)
        return texts

    def _ends(self) -> list[int]:
        """The tokens that end a text."""
        ends = getattr(self.model.generation_config, "eos_token_id", None)
        ends = self.tokenizer.eos_token_id if ends is None else ends
        return [] if ends is None else ends if isinstance(ends, list) else [ends]


class _Stop(StoppingCriteria):
    """Ends a row whose continuation holds a text; transformers' ``stop_strings`` also looks into the prompt."""

    def __init__(self, tokenizer: Any, stop: str, width: int) -> None:
        self.tokenizer, self.stop, self.width = tokenizer, stop, width

    def __call__(self, input_ids: Tensor, scores: Any) -> Tensor:
        """(rows,) bool."""
        texts = self.tokenizer.batch_decode(input_ids[:, self.width :])
        return torch.tensor([self.stop in text for text in texts], device=input_ids.device)


class GumbelNoise(LogitsProcessor):
    """Samples by Gumbel noise, from a generator per row: the largest of (scores + noise) is a sample of the softmax."""

    def __init__(self, seeds: Iterable[int], temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.warpers: list[Any] = []
        if temperature != 1:
            self.warpers.append(logits_process.TemperatureLogitsWarper(float(temperature)))
        if top_k:
            self.warpers.append(logits_process.TopKLogitsWarper(top_k))
        if top_p < 1:
            self.warpers.append(logits_process.TopPLogitsWarper(top_p))

    def keep(self, rows: Iterable[int]) -> None:
        """Continue with some of the rows, each with its generator."""
        self.generators = [self.generators[row] for row in rows]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(rows, vocabulary) scores with the noise of this step."""
        scores = scores.float()
        for warper in self.warpers:
            scores = warper(input_ids, scores)
        uniform = torch.stack([torch.rand(scores.shape[1], generator=g, dtype=torch.float64) for g in self.generators])
        noise = -torch.log(-torch.log(uniform.clamp(min=1e-300)))
        return scores + noise.to(scores)


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
        print(f"warning: {folder}: {foreign}; this package's is used (trust=true runs its own)", file=sys.stderr)
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
