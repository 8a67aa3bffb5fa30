"""What decides a piece besides the values of its settings: the sizes behind a name, the files behind a path.

A study returns them as ``Settings.inputs`` or ``Condition.inputs``; they are part of a piece's key, so a piece is run
again if a scale in the code or a file of the user has changed, and kept if a file has only moved.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from babylm import files, places
from babylm.config.load import as_dict
from babylm.config.schema import Config, CorpusConfig, EvaluationConfig

NOT_LEARNT_FROM = ("name", "checkpoints", "logging", "submission")
"""Sections of a run's configuration that change neither its model nor its scores."""
TEXT_PATHS = ("path", "dev", "test")


def as_json(value: Any) -> Any:
    """Dataclasses and named tuples as dictionaries, other sequences as lists, everything else as it is.

    >>> from typing import NamedTuple
    >>> class Scale(NamedTuple):
    ...     steps: int
    ...     arms: tuple[str, ...]
    >>> as_json(Scale(3, ("warm", "cold")))
    {'steps': 3, 'arms': ['warm', 'cold']}
    """
    if is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(inner) for inner in value]
    return value


def contents(path: str | Path | None) -> str | None:
    """A hash of what is at ``path``: a file, or all files of a folder with their names; None if nothing is there.

    Hidden files are left out, and so are the folders inside a model's folder (one with config.json).
    """
    if path is None:
        return None
    target = places.given(path)
    if target.is_file():
        return files.sha256_unchanged(target)
    if not target.is_dir():
        return None
    is_model = (target / "config.json").is_file()
    hashes = {}
    for folder, subfolders, names in os.walk(target, followlinks=True):
        subfolders[:] = [] if is_model else [name for name in subfolders if not name.startswith(".")]
        for name in names:
            file = Path(folder) / name
            if not name.startswith(".") and file.is_file():
                hashes[str(file.relative_to(target))] = files.sha256_unchanged(file)
    return files.sha256_json(hashes)


def of_run(config: Config) -> dict[str, Any]:
    """What decides a run: its configuration, and its text, tokenizer and first weights by their contents."""
    from babylm.corpora import sources

    settings = {key: value for key, value in as_dict(config).items() if key not in NOT_LEARNT_FROM}
    corpus: CorpusConfig = config.corpus
    if corpus.source in ("toy", "microlanguage"):
        text: dict[str, Any] = {"path": sources.read(corpus).identity}
    else:
        text = {"path": contents(corpus.path)}
    text |= {key: contents(getattr(corpus, key)) for key in TEXT_PATHS[1:]}
    settings["corpus"] = {key: value for key, value in settings["corpus"].items() if key != "prepared"} | text
    settings["tokenizer"] = settings["tokenizer"] | {"path": contents(config.tokenizer.path)}
    settings["init_from"] = contents(config.init_from)
    return settings


def of_task(name: str, data: str | Path | None, suite: str = "fast") -> str | None:
    """A hash of the items of an evaluation task; None if its data is not there."""
    from babylm.evaluation.results.task_result import fingerprint
    from babylm.evaluation.task_registry import load_task

    folder = None if data is None else places.given(data)
    try:
        return fingerprint(load_task(name, EvaluationConfig()).items(folder, None, suite=suite, rules=2026))
    except (ValueError, AssertionError, OSError):
        return None
