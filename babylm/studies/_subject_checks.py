"""Is there a model at a path, and are the packages that it needs installed: told before long work, without torch."""

from __future__ import annotations

import importlib.util

from babylm import places


def check_subject(path: str, key: str, *packages: str) -> None:
    """ValueError, naming ``key``, if there is no model at ``path`` or a package that it needs is missing."""
    file = places.given(path)
    is_gguf = file.suffix == ".gguf"
    if not (file.is_file() if is_gguf else (file / "config.json").is_file()):
        hint = "" if file.is_dir() else places.nearest(file)
        raise ValueError(f"{key}={path}: no model's folder (with config.json) and no .gguf file is there{hint}")
    for package in (*packages, *(["gguf"] if is_gguf else [])):
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"{key}={path}: this needs {package}: pip install 'babylm[studies]'")
