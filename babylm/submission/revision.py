"""A revision: a complete Hugging Face folder of one moment of a run.

``model.safetensors`` (fp32, tied weights once), ``config.json``, the model's code as it trained (remote code), the
tokenizer's files, ``babylm.json`` (what it is: words, step, hash of the weights) and, written last, ``manifest.json``
with size and hash of every file. It appears under its name whole or not at all, and loads with ``trust_remote_code``
under transformers 4 and 5.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from babylm import files, revisions
from babylm.console import first_line
from babylm.models.configuration_babylm import AUTO_MAP, BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.revisions import CONFIG, FACTS, WEIGHTS


def save(
    folder: Path,
    model: BabyLMForCausalLM,
    tokenizer_folder: Path,
    facts: dict[str, Any],
    state_dict: dict[str, Tensor] | None = None,
) -> None:
    """Write the revision of ``model``, or of ``state_dict`` (averaged weights) in its shape; an older one is replaced.

    ``facts`` go into ``babylm.json`` beside the weights' hash. ``ValueError`` when a weight is missing, unknown, of
    another shape or not finite: a broken revision is never written.
    """
    weights = checked_weights(model, model.state_dict() if state_dict is None else state_dict)
    with files.atomic_folder(Path(folder)) as work:
        _write_weights(weights, work / WEIGHTS)
        described = {"parameters": sum(w.numel() for w in weights.values()), **facts}
        files.write_json(work / FACTS, {**described, "weights_sha256": files.sha256_file(work / WEIGHTS)})
        _complete(work, model, Path(tokenizer_folder))


def _write_weights(weights: dict[str, Tensor], file: Path) -> None:
    """The weights in safetensors' format; ``OSError`` on a full disk, not the library's own error."""
    try:
        save_file(weights, file, metadata={"format": "pt"})
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(file)) from None


def replace_code(folder: Path) -> None:
    """Write a revision once more with this package's code and configuration; weights, facts and tokenizer stay.

    ``ValueError`` when the weights do not fit this package's network. Whether it computes the same is for the caller to
    compare, before.
    """
    folder = Path(folder)
    model, _ = load(folder)
    with files.atomic_folder(folder) as work:
        for name in (WEIGHTS, FACTS):
            shutil.copyfile(folder / name, work / name)
        _complete(work, model, folder)


def _complete(work: Path, model: BabyLMForCausalLM, tokenizer_folder: Path) -> None:
    """What a revision holds beside weights and facts; the manifest comes last."""
    files.write_json(work / CONFIG, _config(model))
    shutil.copymode(work / CONFIG, work / WEIGHTS)  # safetensors gives no one else the right to read
    for name, file in revisions.code_files().items():
        shutil.copyfile(file, work / name)
    for name in revisions.TOKENIZER_FILES:
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, work / name)
    entries = {
        file.name: {"bytes": file.stat().st_size, "sha256": files.sha256_file(file)} for file in sorted(work.iterdir())
    }
    files.write_json(work / files.MANIFEST, {"files": entries})


def load(folder: Path) -> tuple[BabyLMForCausalLM, Any]:
    """The model, in evaluation mode, and its tokenizer; ``ValueError`` when the revision is damaged."""
    from transformers import PreTrainedTokenizerFast  # the auto class would ask whether to trust the remote code

    folder = Path(folder)
    revisions.check_whole(folder)
    model = BabyLMForCausalLM(BabyLMConfig.from_pretrained(folder))
    try:
        weights = checked_weights(model, load_file(folder / WEIGHTS))
    except ValueError as error:
        raise ValueError(f"{folder / WEIGHTS}: {error}") from error
    model.load_state_dict(weights, strict=False)  # checked_weights has seen that only tied names are absent
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(folder)


def facts(folder: Path) -> dict[str, Any]:
    """What ``babylm.json`` says of the revision; `files.DamagedFile` when it cannot be read."""
    return files.read_json(Path(folder) / FACTS, revisions.RESTORE)


def verify(folder: Path) -> list[str]:
    """Everything wrong with a revision: missing or altered files, weights that are not finite; empty when sound."""
    folder = Path(folder)
    problems = revisions.find_damage(folder)
    if not problems:
        try:
            with safe_open(folder / WEIGHTS, framework="pt") as stored:
                problems += [
                    f"{folder / WEIGHTS}: {name} is not finite"
                    for name in stored.keys()  # noqa: SIM118 (not a dict)
                    if not torch.isfinite(stored.get_tensor(name)).all()
                ]
        except SafetensorError as error:  # a manifest can fit anything
            problems.append(f"{folder / WEIGHTS}: not a safetensors file ({first_line(error)})")
    return sorted(problems)


def checked_weights(model: BabyLMForCausalLM, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights to store, fp32 on the CPU, tied ones once."""
    expected = dict(model.named_parameters())
    aliases = set(model._tied_weights_keys) if model.config.tie_embeddings else set()
    unknown = sorted(set(state) - set(expected) - aliases)
    missing = sorted(set(expected) - set(state))
    if unknown or missing:
        raise ValueError(f"weights do not fit the model: missing {missing or 'none'}, unknown {unknown or 'none'}")
    weights = {}
    for name, parameter in expected.items():
        weight = state[name].detach().to("cpu", torch.float32).contiguous()
        if weight.shape != parameter.shape:
            raise ValueError(f"{name} has the shape {tuple(weight.shape)}, the model wants {tuple(parameter.shape)}")
        if not torch.isfinite(weight).all():
            raise ValueError(f"{name} is not finite")
        weights[name] = weight
    return weights


def _config(model: BabyLMForCausalLM) -> dict[str, Any]:
    config = json.loads(model.config.to_json_string())
    config.update(architectures=["BabyLMForCausalLM"], auto_map=dict(AUTO_MAP), torch_dtype="float32")
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # without it, pipelines of transformers 4 load no tokenizer
    config.pop("dtype", None)
    return config
