"""Weights to start from (``init_from``): a revision, a run, or a file of weights in this model's names and shapes."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from babylm import files, places, revisions
from babylm.config.schema import ModelConfig
from babylm.console import first_line
from babylm.models.modeling_babylm import BabyLMForCausalLM

PICKLES = (".bin", ".pt", ".pth")


@dataclass(frozen=True)
class InitialWeights:
    """Checked weights and where they come from."""

    path: Path
    sha256: str
    words: int | None
    """Words that they have read; None if their folder does not say."""
    state: dict[str, Tensor]
    """By parameter name, float32 on the CPU."""
    foreign_code: str = ""
    """Code in their folder that is not this package's, described; it is not run. Empty if there is none."""

    def facts(self) -> dict[str, Any]:
        """What a revision records about its initial weights."""
        return {"path": str(self.path), "sha256": self.sha256, "words": self.words}


def weights_file(path: str) -> Path:
    """The file of weights that ``init_from`` names; ``ValueError`` if there is none."""
    source = places.given(path)
    for folder in (source, source / "main"):
        for name in (revisions.WEIGHTS, "pytorch_model.bin"):
            if (folder / name).is_file():
                return folder / name
    if source.is_file() and source.suffix in (".safetensors", *PICKLES):
        return source
    if source.is_dir():
        raise ValueError(
            f"init_from={path}: no weights there; name a revision (a folder with {revisions.WEIGHTS}), a finished run, "
            "or a file"
        )
    raise ValueError(f"init_from={path}: no such folder and no file of weights (.safetensors, {', '.join(PICKLES)})")


def load(path: str, model: BabyLMForCausalLM, vocabulary: dict[str, int]) -> InitialWeights:
    """The weights that ``init_from`` names, checked against ``model`` (which may be on the meta device).

    ``vocabulary``: token -> id of the run's tokenizer. ``ValueError`` for weights of other names or shapes, a revision
    that is damaged, or one whose tokenizer gives other ids.
    """
    file = weights_file(path)
    folder = file.parent
    if (folder / files.MANIFEST).is_file() and (problems := revisions.verify(folder)):
        raise ValueError(f"init_from={path}: {problems[0]}")
    _check_tokenizer(path, folder, vocabulary)
    try:
        state = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"init_from={path}: {file} cannot be read: {first_line(error)}") from None
    except Exception as error:  # what the unpickler raises for anything that is not plain tensors
        raise ValueError(f"init_from={path}: {file} holds more than tensors ({type(error).__name__})") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"init_from={path}: {file} does not hold tensors by name")
    for name, value in state.items():
        dense = value.layout == torch.strided and not (value.is_nested or value.is_meta)
        if not (dense and value.is_floating_point()):
            form = value.layout if value.layout != torch.strided else value.dtype
            kind = "nested" if value.is_nested else "meta" if value.is_meta else str(form).removeprefix("torch.")
            raise ValueError(f"init_from={path}: {name} in {file} is of type {kind}, not dense real numbers")
    try:
        checked = revisions.checked_weights(model, state)
    except ValueError as error:
        raise ValueError(f"init_from={path}: {error}{_differing(folder, model)}") from None
    facts = files.read_json(folder / revisions.FACTS) if (folder / revisions.FACTS).is_file() else {}
    words, before = facts.get("words"), (facts.get("init_from") or {}).get("words") or 0
    read = None if words is None else words + before
    return InitialWeights(file, files.sha256_file(file), read, checked, _foreign_code(folder))


def describe(weights: InitialWeights, challenge: bool) -> str:
    """The line about initial weights that the plan shows."""
    line = f"starts from {weights.path}"
    if weights.words is not None:
        line += f", which has read {weights.words:,} words"
    if weights.foreign_code:
        line += f"; {weights.foreign_code}, and it is not run"
    if challenge:
        line += (
            ": by the rules those words count towards the budget, too"
            if weights.words is not None
            else ": by the rules what they were trained on counts as training data of this run; declare it"
        )
    return line


def _foreign_code(folder: Path) -> str:
    file = folder / revisions.CONFIG
    return revisions.brings_code(folder, files.read_json(file)) if file.is_file() else ""


def _check_tokenizer(path: str, folder: Path, vocabulary: dict[str, int]) -> None:
    file = folder / "tokenizer.json"
    if not file.is_file():
        return
    from tokenizers import Tokenizer

    try:
        theirs = Tokenizer.from_file(str(file)).get_vocab()
    except Exception as error:  # the library raises bare exceptions
        raise ValueError(f"init_from={path}: {file} cannot be read: {error}") from None
    if theirs != vocabulary:
        raise ValueError(
            f"init_from={path}: its tokenizer is another ({len(theirs):,} entries; the run's has {len(vocabulary):,}), "
            f"so its embeddings belong to other tokens; tokenizer.path={file} takes it over"
        )


def _differing(folder: Path, model: BabyLMForCausalLM) -> str:
    """The settings that differ, if the folder's config is one of ours; else empty."""
    try:
        theirs = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if theirs.get("model_type") != model.config.model_type:
        return ""
    ours = model.config.to_dict()
    shape = {field.name for field in fields(ModelConfig)} - {"preset", "dropout", "attention_dropout"} | {"vocab_size"}
    names = sorted(name for name in shape & theirs.keys() if theirs[name] != ours.get(name))
    pairs = [f"{name} {theirs[name]} (here {ours.get(name)})" for name in names]
    return f"; its shape: {', '.join(pairs)}" if pairs else ""
