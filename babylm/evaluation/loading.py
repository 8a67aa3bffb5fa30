"""Scorers of model folders: ours, or any Hugging Face model with a fast tokenizer.

What cannot be scored as asked is refused before it gives numbers: a class that does not exist for the model, an encoder
read from left to right, weights without the head that predicts.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
import transformers

from babylm import files, registry, revisions
from babylm.evaluation import forward, narrow, reader
from babylm.evaluation.scorer import BACKENDS, Scorer
from babylm.models.modeling import BabyLMForCausalLM, BabyLMForMaskedLM

TOKENIZER = reader.FILE
IN_LAYER = re.compile(r"\.(layers?|h|blocks?)\.\d+\.")
BUFFER = re.compile(r"(inv_freq|masked_bias|attn\.bias|attention\.bias|position_ids)$")
"""Parts of old checkpoints that newer classes compute."""


def resolve(folder: Path, backend: str, dtype: str = "auto") -> str:
    """``auto`` as the backend the model's class asks for; any other name as it is, checked. With the mark of bf16."""
    registry.check(backend, (*BACKENDS, "auto"), "evaluation.scorer")
    if backend == "auto":
        backend = "mlm" if any("MaskedLM" in name for name in _architectures(folder)) else "causal"
    return narrow.named(backend, dtype)


def load_scorer(folder: Path, backend: str, *, trust: bool = False, dtype: str = "auto") -> Scorer:
    """A scorer of a model folder: a revision of ours, or any local Hugging Face model.

    ``backend``: one of `BACKENDS`, or ``auto`` (see `resolve`); ``trust``: run the code that a foreign model brings;
    ``dtype``: of weights and activations, whatever the file holds (``auto``: fp32, as the official pipeline).
    ``ValueError`` for a folder that cannot be scored this way, with what can be done.
    """
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedTokenizerFast
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    backend = resolve(folder, backend)
    described = read_json(folder / "config.json")
    check_tokenizer(folder)
    if described.get("model_type") == "babylm":
        # The auto classes would ask whether to trust the code in the folder, which is ours and is imported already.
        model = _load_ours(BabyLMForCausalLM if backend == "causal" else BabyLMForMaskedLM, folder)
        scorer = Scorer(model.float().eval(), PreTrainedTokenizerFast.from_pretrained(folder), backend)
    else:
        if described.get("auto_map") and not trust:
            raise ValueError(f"{folder}: this model brings code of its own; trust=true runs it")
        loader = AutoModelForCausalLM if backend == "causal" else AutoModelForMaskedLM
        model = _load(loader, folder, backend, described.get("model_type"), trust)
        forward.fuse(model)
        scorer = Scorer(model.float().eval(), reader.load(folder, trust), backend)
        scorer.gives_types = reader.gives_types(folder, str(described.get("model_type", "")))
        if backend == "causal" and scorer.network.looks_ahead():
            raise ValueError(
                f"{folder}: what it predicts for a token depends on the tokens after it, so read causally every token "
                "would see itself; score it with scorer=mlm (or mntp)"
            )
    return narrow.narrowed(scorer) if dtype == "bf16" else scorer


def _load_ours(kind: Any, folder: Path) -> Any:
    """A model of this package, whole and with every weight; the code in the folder is not run."""
    if (folder / files.MANIFEST).is_file():
        revisions.check_whole(folder)
    model, loaded = kind.from_pretrained(folder, output_loading_info=True)
    differing = sorted({*loaded["missing_keys"], *loaded["unexpected_keys"]})
    if differing:
        raise ValueError(
            f"{folder}: its weights are not those of {kind.__name__} ({', '.join(differing[:3])}; {len(differing)} in "
            "all differ), so it would be another model: a classifier cannot be scored, and other code needs its package"
        )
    return model


def _load(loader: Any, folder: Path, backend: str, kind: Any, trust: bool) -> Any:
    names = _architectures(folder)
    if backend == "causal" and names and all("MaskedLM" in name for name in names):
        # Such classes load, but look both ways: every token would see itself.
        raise ValueError(f"{folder}: {', '.join(names)} is a masked model; score it with scorer=mlm (or mntp)")
    try:
        # In fp32 from the start: what a class computes when it is made would else be in the file's type.
        wide: Any = {"torch_dtype" if transformers.__version__.startswith("4.") else "dtype": torch.float32}
        model, loaded = loader.from_pretrained(folder, trust_remote_code=trust, output_loading_info=True, **wide)
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        way = "causally: use scorer=mlm" if backend == "causal" else "with masks: use scorer=causal"
        raise ValueError(f"{folder}: a model of type {kind} cannot be scored {way}") from None
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise ValueError(
            f"{folder}: its weights lack {', '.join(missing[:3])} ({len(missing)} in all) of {type(model).__name__}, "
            f"so they would be random; another scorer, or a checkpoint with its head"
        )
    unused = [key for key in loaded["unexpected_keys"] if IN_LAYER.search(key) and not BUFFER.search(key)]
    if unused:
        raise ValueError(
            f"{folder}: transformers {transformers.__version__} has no use for {', '.join(sorted(unused)[:3])} "
            f"({len(unused)} in all) in {type(model).__name__}, so it would be another model; install an older version"
        )
    return model


def check_tokenizer(folder: Path) -> None:
    """``ValueError`` where no fast tokenizer lies beside the model."""
    if not (folder / TOKENIZER).is_file():
        raise ValueError(
            f"{folder} has no {TOKENIZER}: scoring needs the model's fast tokenizer beside it "
            "(AutoTokenizer.from_pretrained(...).save_pretrained(folder) writes it)"
        )


def read_json(file: Path) -> dict[str, Any]:
    """A file of a model's folder; ``ValueError`` when it is not there."""
    if not file.is_file():
        raise ValueError(f"{file.parent} is not a model folder: it has no {file.name}")
    return json.loads(file.read_text(encoding="utf-8"))


def _architectures(folder: Path) -> list[str]:
    return read_json(folder / "config.json").get("architectures") or []
