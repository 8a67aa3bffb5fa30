"""Settings as they were named before 0.1.0: found here, so that errors can name ``python -m babylm.convert FOLDER``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from babylm.config.synonyms import RENAMED

RENAMED_OF_MODEL = {
    "rotary_base": "rope_theta",
    "input_skip": "x0_skip",
    "depth": "layer_connections",
    "soft_cap": "logit_softcap",
    "inner_norm": "sub_norm",
}
"""Keys of the model's section and of a revision's ``config.json`` -> their names now."""


def old_keys(sections: Mapping[str, Any]) -> list[str]:
    """The old names among the settings of a run, as sections or as flat keys (``tokenizer.vocabulary``).

    >>> old_keys({"tokenizer": {"vocabulary": 320}, "seed": 1})
    ['tokenizer.vocabulary']
    """
    names = {*RENAMED, *(f"model.{key}" for key in RENAMED_OF_MODEL)}
    present = set(sections)
    for section, content in sections.items():
        for part in content if isinstance(content, list) else [content]:
            present |= {f"{section}.{key}" for key in part} if isinstance(part, Mapping) else set()
    return sorted(names & present)


def hint(folder: Path, sections: Mapping[str, Any]) -> str:
    """What to do about a run with old settings, as one line; empty if it has none."""
    if not old_keys(sections):
        return ""
    return f"{folder} was written by an older version: python -m babylm.convert {folder} brings it over"


def hint_of_file(file: Path) -> str:
    """The `hint` for the ``config.yaml`` of a run's folder; empty for any other file."""
    if file.name != "config.yaml" or not (file.parent / "environment.json").is_file():
        return ""
    try:
        sections = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    return hint(file.parent, sections) if isinstance(sections, dict) else ""
