"""What a revision's folder holds: its manifest, whether every file is whole, and whose code is in it.

Nothing here runs or imports what the folder holds. A manifest says that files are as they were written, not who wrote
them: whether code may run is decided by `find_foreign_code` or by the user.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babylm import files, models

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


def code_files() -> dict[str, Path]:
    """The files of code that a revision of this package holds, by name."""
    return {file.name: file for file in sorted(CODE.glob("*.py")) if file.name != "__init__.py"}


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """``{name: {"bytes": size, "sha256": hash}}`` of every file; `files.DamagedFile` for anything else.

    Names are those of files inside the folder: a manifest that names another place is refused.
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
    """What must not be uploaded with a revision, one line each: links, folders, dot-files and everything unknown."""
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
    """What of a folder's code is not this package's: names of files, or of settings that make other code run.

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
    """What code a folder of our ``model_type`` has that is not this package's, in one phrase; empty when there is none.

    ``described``: its config.json. Weights that fit our classes do not say that they were trained with our code.
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
    """Whether a name is one of a visible file in the folder itself."""
    return bool(name) and not name.startswith(".") and not re.search(r"[/\\\0]", name)


def _is_of_the_format(name: str) -> bool:
    return name in KNOWN or re.fullmatch(r"[a-z][a-z0-9_]*\.py", name) is not None
