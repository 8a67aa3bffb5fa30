"""Files and folders as a person names them, on a command line or in a configuration."""

from __future__ import annotations

import difflib
import os
from pathlib import Path


def given(text: str | Path) -> Path:
    """The path that ``text`` names; ``~`` is home (no shell reads a configuration, and not each one ``key=~/x``)."""
    return Path(os.path.expanduser(text))  # unlike Path.expanduser, no error for ~nobody


def nearest(path: Path, parents: tuple[str, ...] = (), glob: str = "*") -> str:
    """What may have been meant by a ``path`` that is not there: ``; did you mean ...?``, or nothing.

    The same name in one of ``parents`` (``smoke`` for ``checkpoints/smoke``), or similar names of ``glob`` beside it;
    else, where its folder is not there either, the working directory.
    """
    found = [place for parent in parents if path.name and (place := Path(parent, path.name)) != path and place.exists()]
    for parent in [path.parent, *(map(Path, parents) if len(path.parts) == 1 else [])]:
        if parent.is_dir():
            names = [place.name for place in parent.glob(glob) if not place.name.startswith(".")]
            found += [parent / name for name in difflib.get_close_matches(path.name, names, n=2, cutoff=0.55)]
    known = list(dict.fromkeys(str(place) for place in found))[:2]
    if known:
        return f"; did you mean {' or '.join(known)}?"
    if path.is_absolute() or path.parent.is_dir():
        return "" if path.parent.is_dir() else f" (nor {path.parent})"
    return f" (nor {path.parent}, in the working directory {Path.cwd()})"  # the command was given somewhere else


def no_folder(path: Path) -> str:
    """Says of a run's or a model's folder that it is not there."""
    if path.is_file():
        return f"{path} is a file, not a folder"
    return f"no folder {path}{nearest(path, ('checkpoints',), '*/')}"
