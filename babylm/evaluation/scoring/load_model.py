"""Scorers of model folders: ours, or any Hugging Face model with a fast tokenizer.

A model that cannot be scored this way is refused before it gives numbers: a class that does not exist for the model, an
encoder read from left to right, weights without the head that predicts.
"""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from babylm import files, registry, revisions
from babylm.console import first_line
from babylm.evaluation.scoring import bf16, foreign_tokenizer, log_probs, weight_files
from babylm.evaluation.scoring.scorer import BACKENDS, Scorer
from babylm.models.modeling_babylm import BabyLMForCausalLM, BabyLMForMaskedLM

OURS = revisions.MODEL_TYPE
CODE = "code_sha256"
"""Key in the results of a model whose own code was run."""
TOKENIZER = foreign_tokenizer.FILE
IN_LAYER = re.compile(r"\.(layers?|h|blocks?)\.\d+\.")
BUFFER = re.compile(r"(inv_freq|masked_bias|attn\.bias|attention\.bias|position_ids)$")
"""Parts of old checkpoints that newer classes compute."""


def resolve(folder: Path, backend: str, dtype: str = "auto") -> str:
    """The backend as results name it; ``auto`` is ``mlm`` for the class of a masked model, else ``causal``."""
    registry.check(backend, (*BACKENDS, "auto"), "evaluation.backend")
    if backend == "auto":
        backend = "mlm" if any("MaskedLM" in name for name in architectures(folder)) else "causal"
    return bf16.scorer_name(backend, dtype)


def check_folder(folder: Path, *, trust: bool = False) -> None:
    """``ValueError`` if ``folder`` is no model that can be scored; quick, before its weights are read."""
    described = read_json(folder / "config.json")
    names = ", ".join(architectures(folder)) or str(described.get("model_type"))
    if not described.get("model_type") and not described.get("auto_map"):  # some versions guess, by the folder's name
        raise ValueError(f"{folder}: its config.json has no model_type; {weight_files.AGAIN}")
    if described.get("is_encoder_decoder"):
        raise ValueError(
            f"{folder}: {names} is an encoder-decoder model, which gives no probability of a text alone; score a "
            "decoder (GPT-2 and its kin) or an encoder (BERT and its kin)"
        )
    check_tokenizer(folder)
    weight_files.weight_files(folder)
    if described.get("model_type") == OURS and (folder / files.MANIFEST).is_file():
        revisions.check_whole(folder)
    if described.get("model_type") == OURS or trust:
        return
    for file, content in (("config.json", described), (foreign_tokenizer.SETTINGS, foreign_tokenizer.settings(folder))):
        if content.get("auto_map"):
            what = "model" if file == "config.json" else "tokenizer"
            raise ValueError(f"{folder}: this {what} brings code of its own; trust=true runs it")


def code_that_runs(folder: Path, trust: bool) -> dict[str, str]:
    """`CODE` and a hash of the code in the folder, if that code computes the results; else empty."""
    described = read_json(folder / "config.json")
    ours = described.get("model_type") == OURS
    runs = revisions.brings_code(folder, described) if ours else described.get("auto_map")
    return {CODE: revisions.code_sha256(folder)} if trust and runs else {}


def warn_of_code(folder: Path, trust: bool, warn: Callable[[str], None]) -> None:
    """Warn if the folder has other code than this package's, and is scored with this package's code."""
    foreign = revisions.brings_code(folder, read_json(folder / "config.json"))
    if foreign and not trust:
        warn(f"{folder}: {foreign}; it is scored with this package's code (trust=true runs its own)")


def load_scorer(
    folder: Path, backend: str, *, trust: bool = False, dtype: str = "auto", device: torch.device | None = None
) -> Scorer:
    """A scorer of a model folder: a revision of ours, or any local Hugging Face model.

    ``backend``: one of `BACKENDS`, or ``auto`` (see `resolve`). ``trust``: run the code that a foreign model brings.
    ``dtype``: of weights and activations, whatever the file holds (``auto``: fp32, as the official pipeline).
    ``device``: None for the CPU. A folder of our ``model_type`` is scored with this package's code, unless it brings
    other code that is trusted.

    Raises: ``ValueError`` for a folder that cannot be scored this way, with what can be done.
    """
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    backend = resolve(folder, backend)
    check_folder(folder, trust=trust)
    with told_in_one_line(folder), _no_load_report():
        model, tokenizer = _model_and_tokenizer(folder, backend, trust)
        check_numbers(model, folder)
        scorer = Scorer(model.float().eval().to(device or torch.device("cpu")), tokenizer, backend)
    described = read_json(folder / "config.json")
    if described.get("model_type") != OURS:
        scorer.returns_token_type_ids = foreign_tokenizer.returns_token_type_ids(
            folder, str(described.get("model_type", ""))
        )
        if backend == "causal" and scorer.log_prob_model.is_bidirectional():
            raise ValueError(
                f"{folder}: what it predicts for a token depends on the tokens after it, so scored causally, a token "
                "would see itself; score it with backend=mlm (or mntp)"
            )
    return bf16.to_bf16(scorer) if dtype == "bf16" else scorer


def _model_and_tokenizer(folder: Path, backend: str, trust: bool) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedTokenizerFast

    described = read_json(folder / "config.json")
    kind = described.get("model_type")
    if kind == OURS and not (trust and revisions.brings_code(folder, described)):
        # The auto classes would ask whether to trust the code in the folder, which is ours and is imported already.
        model = _load_ours(BabyLMForCausalLM if backend == "causal" else BabyLMForMaskedLM, folder)
        return model, PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer = foreign_tokenizer.load(folder, trust)
    model = _load(AutoModelForCausalLM if backend == "causal" else AutoModelForMaskedLM, folder, backend, kind, trust)
    log_probs.fuse_gelu(model)
    return model, tokenizer


def _load_ours(kind: Any, folder: Path) -> Any:
    """A model of this package with every weight; the code in the folder is not run."""
    model, loaded = kind.from_pretrained(folder, output_loading_info=True)
    differing = sorted({*loaded["missing_keys"], *loaded["unexpected_keys"]})
    if differing:
        raise ValueError(
            f"{folder}: its weights are not those of {kind.__name__} ({', '.join(differing[:3])}; {len(differing)} in "
            "all differ), so it would be another model: a classifier cannot be scored, and other code needs its package"
        )
    return model


@contextmanager
def told_in_one_line(folder: Path) -> Iterator[None]:
    """Turn every error of the libraries that read a foreign folder into a ``ValueError`` with the folder's name.

    Every error, as transformers, tokenizers, torch and safetensors raise a dozen classes for files that do not fit, a
    bare ``Exception`` among them, and trusted code of the folder may raise anything.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise ValueError(f"{folder}: the GPU's memory does not hold this model; use device=cpu") from None
    except Exception as error:
        told = " ".join(first_line(error).split())
        what = "" if isinstance(error, ValueError) else "it cannot be loaded: "
        raise ValueError(told if str(folder) in told else f"{folder}: {what}{told}") from None


@contextmanager
def _no_load_report() -> Iterator[None]:
    """Silence transformers' table of missing and unexpected weights: `_load` reports them in one line."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _load(loader: Any, folder: Path, backend: str, kind: Any, trust: bool) -> Any:
    names = architectures(folder)
    if backend == "causal" and names and all("MaskedLM" in name for name in names):
        # Such classes load, but look both ways: every token would see itself.
        raise ValueError(f"{folder}: {', '.join(names)} is a masked model; score it with backend=mlm (or mntp)")
    # In fp32 from the start: what a class computes when it is made would else be in the file's type.
    options: Any = {"torch_dtype" if transformers.__version__.startswith("4.") else "dtype": torch.float32}
    try:
        model, loaded = loader.from_pretrained(
            folder,
            trust_remote_code=trust,
            output_loading_info=True,
            local_files_only=True,
            weights_only=True,  # a pickle of a stranger is data, trusted or not
            ignore_mismatched_sizes=True,  # told below, in one line
            **options,
        )
    except pickle.UnpicklingError:
        raise ValueError(
            f"{folder}: its pickled weights hold more than tensors (code?), or are damaged, and are not read; "
            "take its safetensors"
        ) from None
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
            raise ValueError(f"{folder}: a model of type {kind} predicts no tokens, so it cannot be scored") from None
        way = "causally: use backend=mlm" if backend == "causal" else "with masks: use backend=causal"
        raise ValueError(f"{folder}: a model of type {kind} cannot be scored {way}") from None
    mismatched = sorted(str(entry[0] if isinstance(entry, tuple) else entry) for entry in loaded["mismatched_keys"])
    if mismatched:
        raise ValueError(
            f"{folder}: {', '.join(mismatched[:3])} ({len(mismatched)} in all) have other shapes than its config.json "
            f"says: not the weights of this configuration; {weight_files.AGAIN}"
        )
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise ValueError(
            f"{folder}: its weights lack {', '.join(missing[:3])} ({len(missing)} in all) of {type(model).__name__}, "
            f"so they would be random; another backend, or a checkpoint with its head"
        )
    unused = [key for key in loaded["unexpected_keys"] if IN_LAYER.search(key) and not BUFFER.search(key)]
    if unused:
        raise ValueError(
            f"{folder}: transformers {transformers.__version__} has no use for {', '.join(sorted(unused)[:3])} "
            f"({len(unused)} in all) in {type(model).__name__}, so it would be another model; install an older version"
        )
    return model


def check_numbers(model: torch.nn.Module, folder: Path) -> None:
    """``ValueError`` if a weight is NaN or infinite: every score would be NaN, and NaN compares as wrong."""
    for name, weight in model.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise ValueError(f"{folder}: the weights {name} hold NaN or infinite numbers: its training failed")


def check_tokenizer(folder: Path) -> None:
    """``ValueError`` if the folder has no fast tokenizer."""
    if not (folder / TOKENIZER).is_file():
        raise ValueError(
            f"{folder} has no {TOKENIZER}: scoring needs the model's fast tokenizer beside it "
            "(AutoTokenizer.from_pretrained(...).save_pretrained(folder) writes it)"
        )


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file of a model's folder; ``ValueError`` if it is missing or damaged."""
    if not file.is_file():
        raise ValueError(f"{file.parent} is not a model folder: it has no {file.name}")
    return files.read_json(file, weight_files.AGAIN)


def architectures(folder: Path) -> list[str]:
    """The model classes that a folder's ``config.json`` names; empty if it names none."""
    file = folder / "config.json"
    names = read_json(file).get("architectures") or []
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"{file}: architectures: expected a list of class names, found {str(names)[:80]}")
    return names
