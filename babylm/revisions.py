"""A revision: a complete Hugging Face folder of one moment of a run; saved, loaded and verified here.

It holds ``model.safetensors`` (fp32, tied weights once), ``config.json``, the code of the model as it trained (remote
code), the tokenizer's files, ``babylm.json`` (the facts: words, step, hash of the weights) and, written last,
``manifest.json`` with size and hash of every file. It appears under its name whole or not at all, and loads with
``trust_remote_code`` under transformers 4 and 5.

Only `save`, `load` and `verify` need torch, and import it when they are called. The checks never run or import what a
folder holds: a manifest says that files are as they were written, not who wrote them, so whether code may run is
decided by `find_foreign_code` or by the user.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babylm import files, models, tracks
from babylm.console import first_line

if TYPE_CHECKING:
    from torch import Tensor

    from babylm.models.modeling_babylm import BabyLMForCausalLM

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
FACTS = "babylm.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_SETTINGS = "tokenizer_config.json"
TOKENIZER_FILES = (TOKENIZER, TOKENIZER_SETTINGS, "special_tokens_map.json", "added_tokens.json", "chat_template.jinja")
"""Files of a tokenizer that a revision may hold."""
KNOWN = frozenset({WEIGHTS, CONFIG, FACTS, *TOKENIZER_FILES})
"""Every file of a revision but its code and its manifest."""
MODEL_TYPE = "babylm"
CODE = Path(models.__file__).parent
"""The package's own code of the model, which is copied into every revision."""

RESTORE = "restore the folder from a copy, or train again"


def revision_names(run: Path) -> list[str]:
    """Names of the revisions in a run's folder, by words, ``main`` last."""
    names = (path.parent.name for path in Path(run).glob(f"*/{CONFIG}"))
    return sorted(names, key=lambda name: (tracks.milestone_words(name), name))


def code_files() -> dict[str, Path]:
    """The files of code that a revision of this package holds, by name."""
    return {file.name: file for file in sorted(CODE.glob("*.py")) if file.name != "__init__.py"}


def save(
    folder: Path,
    model: BabyLMForCausalLM,
    tokenizer_folder: Path,
    facts: dict[str, Any],
    state_dict: dict[str, Tensor] | None = None,
) -> None:
    """Write the revision of ``model``, or of ``state_dict`` (averaged weights) in its shape; an older one is replaced.

    ``facts`` go into ``babylm.json`` beside the hash of the weights.

    Raises:
        ValueError: a weight is missing, unknown, of another shape or not finite; a broken revision is never written.
    """
    weights = checked_weights(model, model.state_dict() if state_dict is None else state_dict)
    with files.atomic_folder(Path(folder)) as work:
        _write_weights(weights, work / WEIGHTS)
        described = {"parameters": sum(w.numel() for w in weights.values()), **facts}
        files.write_json(work / FACTS, {**described, "weights_sha256": files.sha256_file(work / WEIGHTS)})
        _complete(work, model, Path(tokenizer_folder))


def _write_weights(weights: dict[str, Tensor], file: Path) -> None:
    """Write the weights as safetensors; ``OSError`` on a full disk, not the error of the library."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(weights, file, metadata={"format": "pt"})
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(file)) from None


def replace_code(folder: Path) -> None:
    """Write a revision again with the code and configuration of this package; weights, facts and tokenizer stay.

    The caller compares beforehand whether both codes compute the same.

    Raises:
        ValueError: the weights do not fit the model of this package.
    """
    folder = Path(folder)
    model, _ = load(folder)
    with files.atomic_folder(folder) as work:
        for name in (WEIGHTS, FACTS):
            shutil.copyfile(folder / name, work / name)
        _complete(work, model, folder)


def _complete(work: Path, model: BabyLMForCausalLM, tokenizer_folder: Path) -> None:
    """Write the files of a revision other than weights and facts; the manifest comes last."""
    files.write_json(work / CONFIG, _config(model))
    shutil.copymode(work / CONFIG, work / WEIGHTS)  # safetensors gives no one else the right to read
    for name, file in code_files().items():
        shutil.copyfile(file, work / name)
    for name in TOKENIZER_FILES:
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, work / name)
    entries = {
        file.name: {"bytes": file.stat().st_size, "sha256": files.sha256_file(file)} for file in sorted(work.iterdir())
    }
    files.write_json(work / files.MANIFEST, {"files": entries})


def load(folder: Path) -> tuple[BabyLMForCausalLM, Any]:
    """The model, in evaluation mode, and its tokenizer; ``ValueError`` if the revision is damaged."""
    from safetensors.torch import load_file
    from transformers import PreTrainedTokenizerFast  # the auto class would ask whether to trust the remote code

    from babylm.models.configuration_babylm import BabyLMConfig
    from babylm.models.modeling_babylm import BabyLMForCausalLM

    folder = Path(folder)
    check_whole(folder)
    model = BabyLMForCausalLM(BabyLMConfig.from_pretrained(folder))
    try:
        weights = checked_weights(model, load_file(folder / WEIGHTS))
    except ValueError as error:
        raise ValueError(f"{folder / WEIGHTS}: {error}") from error
    model.load_state_dict(weights, strict=False)  # checked_weights has seen that only tied names are absent
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(folder)


def facts(folder: Path) -> dict[str, Any]:
    """The content of ``babylm.json``: words, step, parameters, hash of the weights, ...

    Raises:
        files.DamagedFile: the file is missing or cannot be read.
    """
    return files.read_json(Path(folder) / FACTS, RESTORE)


def verify(folder: Path) -> list[str]:
    """Everything that is wrong with a revision: missing or altered files, weights that are not finite."""
    import torch
    from safetensors import SafetensorError, safe_open

    folder = Path(folder)
    problems = find_damage(folder)
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
    """The weights to store: fp32 on the CPU, tied ones once; ``ValueError`` if they do not fit ``model``."""
    import torch

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
    """The content of ``config.json``, readable for transformers 4 and 5."""
    from babylm.models.configuration_babylm import AUTO_MAP

    config = json.loads(model.config.to_json_string())
    config.update(architectures=["BabyLMForCausalLM"], auto_map=dict(AUTO_MAP), torch_dtype="float32")
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # without it, pipelines of transformers 4 load no tokenizer
    config.pop("dtype", None)
    return config


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """``{name: {"bytes": size, "sha256": hash}}`` of every file; `files.DamagedFile` for anything else.

    A manifest that names a path outside the folder is refused.
    """
    file = Path(folder) / files.MANIFEST
    entries = files.read_json(file, RESTORE).get("files")
    if not isinstance(entries, dict) or not entries:
        raise files.DamagedFile(f"{file}: has no list of files; {RESTORE}")
    for name, entry in entries.items():
        if not _is_plain(name):
            raise files.DamagedFile(f"{file}: names {name!r}, which is no file of a revision; {RESTORE}")
        valid = isinstance(entry, dict) and isinstance(entry.get("bytes"), int) and isinstance(entry.get("sha256"), str)
        if not valid:
            raise files.DamagedFile(f"{file}: says neither size nor hash of {name}; {RESTORE}")
    return entries


def find_damage(folder: Path) -> list[str]:
    """Every file that is missing or not as it was written, one line each; empty for a whole revision.

    Sizes are looked at each time; hashes once per process, until a file's size or times change.
    """
    folder = Path(folder)
    try:
        entries = read_manifest(folder)
    except files.DamagedFile as error:
        return [str(error)]
    problems = []
    for name in sorted({WEIGHTS, CONFIG, FACTS, TOKENIZER} - entries.keys()):
        problems.append(f"{folder / name}: not in the manifest")
    for name, expected in sorted(entries.items()):
        file = folder / name
        if not file.is_file():
            problems.append(f"{file}: {'a folder, not a file' if file.is_dir() else 'missing'}")
        elif file.stat().st_size != expected["bytes"]:
            problems.append(f"{file}: {file.stat().st_size} bytes, not {expected['bytes']}")
        elif files.sha256_unchanged(file) != expected["sha256"]:
            problems.append(f"{file}: its hash is not the manifest's")
    return problems


def check_whole(folder: Path) -> None:
    """``ValueError`` that names the first damaged file of a revision, before it is loaded; see `find_damage`."""
    problems = find_damage(folder)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ValueError(f"damaged revision: {problems[0]}{more}; {RESTORE}")


def find_private_files(folder: Path) -> list[str]:
    """Files that must not be uploaded with a revision, one line each: links, folders, dot-files, unknown files."""
    folder = Path(folder)
    if folder.is_symlink():
        return [f"{folder} is a link: put the folder itself there"]
    try:
        entries = read_manifest(folder)
    except files.DamagedFile as error:
        return [str(error)]
    problems = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        kind = None
        if entry.is_symlink():
            kind = "a link"
        elif entry.is_dir():
            kind = "a folder"
        elif not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            kind = "not a regular file"
        elif entry.name != files.MANIFEST and (entry.name not in entries or not _is_of_the_format(entry.name)):
            kind = "no file of a revision"
        if kind:
            problems.append(f"{folder / entry.name} is {kind}, and would be uploaded: move it elsewhere")
    return problems


def find_foreign_code(folder: Path, complete: bool = True) -> list[str]:
    """Code in a folder that is not this package's: names of files, or of settings that make other code run.

    Empty only if everything that ``trust_remote_code=True`` would run is, byte for byte, what is installed here.
    ``complete=False``: code that is absent is not foreign (``save_pretrained`` writes weights and settings alone).
    """
    from babylm.models.configuration_babylm import AUTO_MAP  # imports transformers

    folder = Path(folder)
    foreign = []
    ours = code_files()
    for file in sorted(folder.rglob("*.py")):
        name = file.relative_to(folder).as_posix()
        if name not in ours or not file.is_file() or file.read_bytes() != ours[name].read_bytes():
            foreign.append(name)
    if complete:
        foreign += [f"{name} (missing)" for name in ours if not (folder / name).is_file()]
    for file in sorted(folder.glob("*.json")):
        if file.name in (files.MANIFEST, WEIGHTS, TOKENIZER, FACTS):
            continue
        content = files.read_json(file, RESTORE)
        expected = AUTO_MAP if file.name == CONFIG else None
        if content.get("auto_map") != expected and (complete or "auto_map" in content):
            foreign.append(f"auto_map of {file.name}")
        foreign += [f"{key} of {file.name}" for key in ("custom_pipelines", "custom_generate") if key in content]
    return foreign


def brings_code(folder: Path, described: Mapping[str, Any]) -> str:
    """A phrase about code that a folder of our ``model_type`` has and this package has not; empty if there is none.

    ``described``: its config.json. Weights that fit our classes need not have been trained with our code.
    """
    if described.get("model_type") != MODEL_TYPE or not (foreign := find_foreign_code(folder, complete=False)):
        return ""
    more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
    names = ", ".join(foreign[:3]) + more
    return f"the code in it is not this package's ({names}): of another version, or of somebody else"


def code_sha256(folder: Path) -> str:
    """One hash of all Python files in a folder, with their names."""
    return files.sha256_json({str(file.relative_to(folder)): files.sha256_file(file) for file in _python(folder)})


def _python(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*.py") if file.is_file())


def _is_plain(name: str) -> bool:
    """Whether a name is that of a visible file directly in the folder."""
    return bool(name) and not name.startswith(".") and not re.search(r"[/\\\0]", name)


def _is_of_the_format(name: str) -> bool:
    return name in KNOWN or re.fullmatch(r"[a-z][a-z0-9_]*\.py", name) is not None
