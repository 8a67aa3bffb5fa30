"""Paths as users write them, on a command line or in a configuration."""

from __future__ import annotations

import difflib
import os
from pathlib import Path


def given(text: str | Path) -> Path:
    """The path that ``text`` names; ``~`` is home (no shell reads a configuration, and not each one ``key=~/x``)."""
    if not isinstance(text, (str, Path)):
        raise ValueError(f"{text!r} is no path: give a text or a Path")
    return Path(os.path.expanduser(text))  # unlike Path.expanduser, no error for ~nobody


def nearest(path: Path, parents: tuple[str, ...] = (), glob: str = "*") -> str:
    """A hint for a missing ``path``: ``; did you mean ...?``, or empty.

    Candidates are the same name in one of ``parents`` (``checkpoints/smoke`` for ``smoke``), and similar names of
    ``glob`` beside it. If its folder is missing too, the hint names the working directory.
    """
    candidates = [Path(parent, path.name) for parent in parents if path.name]
    candidates = [candidate for candidate in candidates if candidate != path and candidate.exists()]
    for parent in [path.parent, *(map(Path, parents) if len(path.parts) == 1 else [])]:
        if parent.is_dir():
            names = [file.name for file in parent.glob(glob) if not file.name.startswith(".")]
            candidates += [parent / name for name in difflib.get_close_matches(path.name, names, n=2, cutoff=0.55)]
    nearest_two = list(dict.fromkeys(map(str, candidates)))[:2]
    if nearest_two:
        return f"; did you mean {' or '.join(nearest_two)}?"
    if path.is_absolute() or path.parent.is_dir():
        return "" if path.parent.is_dir() else f" (nor {path.parent})"
    return f" (nor {path.parent}, in the working directory {Path.cwd()})"  # the command was given somewhere else


def check_folder(path: str | Path, key: str) -> None:
    """ValueError if something that is no folder is in the way of the folder ``path``, which need not be there yet."""
    folder = given(path).absolute()
    for part in (folder, *folder.parents):
        if part.is_symlink() and not part.exists():
            raise ValueError(f"{key}: {part} is a link to nothing")
        if part.exists():
            if not part.is_dir():
                raise ValueError(f"{key}: {part} is a file, not a folder")
            return


def output(text: str | Path, ending: str, begin: str, key: str = "out") -> Path:
    """The file to write that a user names; an older one is replaced only if it begins as ours do, with ``begin``.

    Raises:
        ValueError: It has another ending, is a link, a device or the like, or is a file of somebody else's.
    """
    path = given(text)
    if path.suffix.lower() != ending:
        raise ValueError(f"{key}={text}: name a file that ends in {ending}")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ValueError(f"{key}={text}: is no regular file; name another one")
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(begin)) != begin.encode():
                raise ValueError(f"{key}={text}: holds something that this command has not written; name another file")
    return path


def no_folder(path: Path) -> str:
    """The message for a missing folder of a run or model."""
    if path.is_file():
        return f"{path} is a file, not a folder"
    return f"no folder {path}{nearest(path, ('checkpoints',), '*/')}"
