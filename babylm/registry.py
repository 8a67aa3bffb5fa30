"""Plug-ins by file name: ``babylm/objectives/hybrid.py`` is the objective ``hybrid``.

A folder's plug-ins are its modules whose name does not start with an underscore, so that listing them (and refusing an
unknown name with the nearest ones) needs no import of torch, and adding one is adding a file.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent


def names(folder: str) -> list[str]:
    """The plug-ins of ``babylm/<folder>``, sorted."""
    return sorted(file.stem for file in (PACKAGE / folder).glob("[!_]*.py"))


def check(value: str, choices: Iterable[str], key: str) -> str:
    """``value`` if it is one of ``choices``; else a ``ValueError`` with the key, the nearest and all choices."""
    known = sorted(choices)
    if value in known:
        return value
    nearest = difflib.get_close_matches(str(value), known, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    raise ValueError(f"{key}: unknown value {value!r}{hint} (one of: {', '.join(known)})")


def options(
    words: Iterable[str],
    keys: Iterable[str],
    sections: tuple[str, ...] = (),
    synonyms: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """``key=value`` words by key, each one of ``keys`` or beginning with one of ``sections``; else a ``ValueError``.

    ``synonyms``: what other tools call an option -> what we call it, for the error.

    A key that comes twice is refused: which of its values is meant?
    """
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r}: an option is written key=value, for example rules=2025")
        if key not in keys and synonyms and key in synonyms:
            raise ValueError(f"option: unknown value {key!r}; did you mean {synonyms[key]}?")
        if not key.startswith(sections):
            check(key, keys, "option")
        if key in given:
            raise ValueError(f"{key}: given twice ({key}={given[key]} and {word}); keep one")
        given[key] = value
    return given


def load(folder: str, name: str) -> ModuleType:
    """Import the plug-in ``name`` of ``babylm/<folder>``; ``ValueError`` with the nearest names when there is none."""
    check(name, names(folder), f"{folder}.name")
    return importlib.import_module(f"babylm.{folder.replace('/', '.')}.{name}")
