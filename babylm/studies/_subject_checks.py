"""Can a study use the model at a path, and are the packages that it needs installed: told before the first piece.

Nothing here runs what a folder holds, and torch is imported for models of this codebase alone; what a model computes is
seen when it is loaded.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from babylm import files, places, revisions


def check_subject(path: str, key: str, *packages: str) -> None:
    """ValueError, naming ``key``, if there is no model at ``path`` or a package that it needs is missing."""
    file = places.given(path)
    is_gguf = file.suffix == ".gguf"
    if not (file.is_file() if is_gguf else (file / "config.json").is_file()):
        hint = "" if file.is_dir() else places.nearest(file)
        if (file / "main" / "config.json").is_file():
            hint = f"; it is a run, whose last model is {path.rstrip('/')}/main"
        raise ValueError(f"{key}={path}: no model's folder (with config.json) and no .gguf file is there{hint}")
    for package in (*packages, *(["gguf"] if is_gguf else [])):
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"{key}={path}: this needs {package}: pip install 'babylm[studies]'")


def check_usable(path: str, key: str, *packages: str, revision: bool = False, gguf: bool = True) -> None:
    """`check_subject`, and ValueError if what is there is damaged or cannot continue a text.

    ``revision``: it must be a revision of this codebase, whose tokenizer and objectives the study uses. ``gguf``:
    whether a .gguf file will do.
    """
    folder = places.given(path)
    if folder.suffix == ".gguf" and not gguf:
        raise ValueError(f"{key}={path}: give a model's folder (with config.json), not a .gguf file")
    check_subject(path, key)
    try:
        described = {} if folder.suffix == ".gguf" else files.read_json(folder / "config.json", "give a model's folder")
        if described.get("model_type") == revisions.MODEL_TYPE:
            _check_version(described)
            if revision or (folder / files.MANIFEST).is_file():
                revisions.check_whole(folder)
        elif revision:
            raise ValueError("this is no revision of this codebase (a folder that training writes, such as main)")
        if folder.suffix != ".gguf":
            _check_causal(folder, described)
    except ValueError as error:
        raise ValueError(f"{key}={path}: {error}") from error
    check_subject(path, key, *packages)


def _check_version(described: dict[str, object]) -> None:
    from babylm.models.configuration_babylm import OLD_KEYS

    if old := sorted(OLD_KEYS & described.keys()):
        raise ValueError(
            f"config.json is from an older version of babylm (it has {', '.join(old)}): "
            "python -m babylm.convert FOLDER brings it over"
        )


def _check_causal(folder: Path, described: dict[str, object]) -> None:
    from babylm.evaluation.scoring.weight_files import weight_files

    is_ours = described.get("model_type") == revisions.MODEL_TYPE
    if described.get("auto_map") and not is_ours:
        raise ValueError("this model brings code of its own, which a study does not run")
    names = described.get("architectures") or []
    masked = isinstance(names, list) and names and all("MaskedLM" in str(name) for name in names)
    if masked or described.get("is_encoder_decoder"):
        raise ValueError(f"a model of type {described.get('model_type')} that is not causal: it cannot continue a text")
    if not (folder / revisions.TOKENIZER).is_file():
        raise ValueError(
            f"there is no {revisions.TOKENIZER}, the model's fast tokenizer "
            "(AutoTokenizer.from_pretrained(...).save_pretrained(folder) writes it)"
        )
    weight_files(folder)
