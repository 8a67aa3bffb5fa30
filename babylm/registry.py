"""Plug-ins by file name: ``babylm/objectives/hybrid.py`` is the objective ``hybrid``.

A folder's plug-ins are its modules whose name does not begin with an underscore, so listing them (and refusing an
unknown name with the nearest ones) needs no import, and adding one is adding a file. Users add theirs without touching
the package, in two ways, never by a key of a configuration (a stranger's configuration runs nothing):

* ``--plugins PATH`` of every command: a folder laid out as the package is (``PATH/objectives/mine.py``,
  ``PATH/evaluation/tasks/mine.py``), or one file in such a folder;
* an installed package with an entry point in the group ``babylm.objectives``, ``babylm.optimizers``,
  ``babylm.evaluation.tasks``, ``babylm.corpora.cleaners`` or ``babylm.studies``, whose name is the plug-in's and whose
  value is its module.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).parent
FOLDERS = (
    "objectives",
    "optimizers",
    "evaluation/tasks",
    "corpora/cleaners",
    "interaction/teachers",
    "interaction/environments",
    "studies",
)
"""Where plug-ins are, in the package and under ``--plugins PATH``."""
_ADDED: dict[str, dict[str, Path]] = {folder: {} for folder in FOLDERS}


def add(path: str | Path) -> list[str]:
    """Add the plug-ins of a user's folder or file; returns them as ``folder/name``.

    Raises:
        ValueError: If nothing is there, the folder holds none of `FOLDERS`, or a name is taken.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise ValueError(f"--plugins: no folder or file {path}")
    if root.is_file():
        folder = next((name for name in FOLDERS if root.resolve().parent.as_posix().endswith(f"/{name}")), None)
        if folder is None or root.suffix != ".py":
            raise ValueError(f"--plugins: {path} must be a *.py file in a folder named {' or '.join(FOLDERS)}")
        files = [(folder, root)]
    else:
        files = [(folder, file) for folder in FOLDERS for file in sorted((root / folder).glob("[!_]*.py"))]
    if not files:
        raise ValueError(f"--plugins: {path} has no *.py file in {', '.join(f'{name}/' for name in FOLDERS)}")
    for folder, file in files:
        earlier = _ADDED[folder].get(file.stem)
        if earlier is not None and earlier.resolve() == file.resolve():
            continue
        if file.stem in names(folder):
            raise ValueError(f"--plugins: {file}: {folder} has a plug-in {file.stem} already; rename the file")
        _ADDED[folder][file.stem] = file
    return [f"{folder}/{file.stem}" for folder, file in files]


def names(folder: str) -> list[str]:
    """The plug-ins of ``babylm/<folder>`` and those that users added, sorted."""
    built_in = [file.stem for file in (PACKAGE / folder).glob("[!_]*.py")]
    return sorted({*built_in, *_ADDED.get(folder, {}), *_installed(folder)})


@cache
def _installed(folder: str) -> dict[str, str]:
    """Name -> module of the plug-ins that installed packages offer."""
    return {point.name: point.value for point in entry_points(group=f"babylm.{folder.replace('/', '.')}")}


def check(value: str, choices: Iterable[str], key: str) -> str:
    """``value`` if it is one of ``choices``; else ``ValueError`` with the key, the nearest choices, and all of them."""
    names = sorted(choices)
    if value in names:
        return value
    nearest = difflib.get_close_matches(str(value), names, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    raise ValueError(f"{key}: unknown value {value!r}{hint} (one of: {', '.join(names)})")


def check_all(values: Sequence[str], choices: Iterable[str], key: str) -> None:
    """`check` each of ``values``, none of which may be there twice."""
    names = list(choices)
    for value in values:
        check(value, names, key)
    check_once(values, key)


def check_once(values: Sequence[Any], key: str) -> None:
    """``ValueError`` with the key if a value is there twice."""
    if repeated := [value for value, times in Counter(values).items() if times > 1]:
        raise ValueError(f"{key}: {', '.join(map(str, repeated))} is there twice: give each once")


def switch(value: Any, key: str) -> bool:
    """A switch of the library: a truth value, or ``"true"`` or ``"false"`` as on a command line.

    ``"no"`` would count as true in Python, and trust a stranger or push.

    >>> switch("false", "trust")
    False
    """
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError(f"{key}: must be True or False, not {value!r}")


def listed(value: Any, key: str) -> list[str]:
    """Names of the library: a list of texts and paths, or one text with commas, or one path.

    >>> listed("blimp,ewok", "tasks"), listed(Path("my/pairs"), "tasks"), listed(("main",), "revisions")
    (['blimp', 'ewok'], ['my/pairs'], ['main'])
    """
    if isinstance(value, str):
        return [word.strip() for word in value.strip("[] ").split(",") if word.strip()]
    entries = [value] if isinstance(value, Path) else value
    if isinstance(entries, Iterable) and not isinstance(entries, (bytes, Mapping)):
        entries = list(entries)
        if all(isinstance(entry, (str, Path)) for entry in entries):
            return [str(entry) for entry in entries]
    raise ValueError(f"{key}: must be a list of names, not {value!r}")


def check_keywords(given: Iterable[str], known: Iterable[str], of: str) -> None:
    """``ValueError`` with the nearest name for a keyword argument that a function of the library does not have."""
    for name in given:
        check(name, known, f"{of}: argument")


def options(
    words: Iterable[str],
    keys: Iterable[str],
    sections: tuple[str, ...] = (),
    synonyms: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """``key=value`` words by key; each key is one of ``keys`` or begins with one of ``sections``.

    ``synonyms``: name of an option in other tools -> its name here, for the error.

    >>> options(["rules=2025", "glue.epochs=3"], ["rules"], ("glue.",))
    {'rules': '2025', 'glue.epochs': '3'}

    Raises:
        ValueError: A word is not ``key=value``, its key is unknown, or it is given twice.
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
    """Import the plug-in ``name`` of ``folder``; ValueError with the nearest names if there is none."""
    check(name, names(folder), f"{folder}.name")
    file = _ADDED.get(folder, {}).get(name)
    if file is not None:
        return _import_file(file, f"babylm_plugins.{folder.replace('/', '.')}.{name}")
    if not (PACKAGE / folder / f"{name}.py").exists():
        return importlib.import_module(_installed(folder)[name])
    return importlib.import_module(f"babylm.{folder.replace('/', '.')}.{name}")


def settings(folder: str, name: str, base: type) -> type:
    """The settings class of a plug-in: ``Settings`` of its module, a dataclass over ``base``, else ``base``.

    The optimizers of the package share ``base``: their modules import torch, which reading a configuration must not.
    """
    if folder == "optimizers" and (PACKAGE / folder / f"{name}.py").exists():
        return base
    settings_type = getattr(load(folder, name), "Settings", base)
    if not (isinstance(settings_type, type) and issubclass(settings_type, base)):
        raise ValueError(f"{folder}/{name}: Settings must be a dataclass that inherits from {base.__name__}")
    return settings_type


def code_sha256(folder: str, name: str) -> str:
    """The SHA-256 of a plug-in's file, for results that change with its code."""
    file = load(folder, name).__file__
    assert file is not None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _import_file(file: Path, module_name: str) -> ModuleType:
    loaded = sys.modules.get(module_name)
    if loaded is not None and loaded.__file__ == str(file):
        return loaded
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as ended:
        del sys.modules[module_name]
        raise ValueError(f"{file}: ends the program when it is imported (sys.exit({ended.code!r}))") from None
    except BaseException:
        del sys.modules[module_name]
        raise
    return module
