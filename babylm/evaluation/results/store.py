"""Results on disk: written, verified, listed, and named for people."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import checksums, files, places
from babylm.evaluation.results import item_results
from babylm.revisions import revision_names
from babylm.tracks import milestone_words

"""Key of the hash of everything else in a result's file."""
BESIDE = {"predictions": "predictions_sha256", item_results.FOLDER: "items_file_sha256"}
"""Folder of files with the same name beside a result -> key of their hash in the result."""
NUMBER = (int, float)
TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("task", "model", "suite", "backend", "items_sha256", "weights_sha256"), (str,)),
    **dict.fromkeys(("rules", "version", "n", "ties"), (int,)),
    **dict.fromkeys(("official", "tie_aware"), (*NUMBER, type(None))),
    **{"chance": NUMBER, "seconds": NUMBER, "interval": (list, type(None))},
    **dict.fromkeys(("by_uid", "by_part", "details"), (dict,)),
}
"""Keys that a result's file must have, and their types."""
SCORE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("n", "ties"), (int,)),
    **dict.fromkeys(("official", "tie_aware"), (*NUMBER, type(None))),
}
"""The same of the score of a UID or another part."""
AGAIN = item_results.AGAIN


@dataclass(frozen=True)
class StoredResult:
    """A result and its file."""

    file: Path
    content: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        """(task, suite, rules)."""
        return self.content["task"], self.content["suite"], self.content["rules"]

    @property
    def backend(self) -> str:
        """How it was scored, with the dtype unless that is float32."""
        dtype = self.content.get("dtype", "float32")
        return self.content["backend"] + ("" if dtype == "float32" else f" {dtype}")

    def item_results(self) -> item_results.ItemResults | None:
        """The outcome of every item; None if the task stores none, or an older version wrote the result."""
        file = self.file.parent / item_results.FOLDER / self.file.name
        if not file.is_file():
            return None
        written = self.content.get(BESIDE[item_results.FOLDER])
        if written is not None and files.sha256_file(file) != written:
            raise files.DamagedFile(f"{file}: its content is not what was written; {AGAIN}")
        return item_results.read(file)


@dataclass(frozen=True)
class Model:
    """A model folder and the folder of its results."""

    folder: Path
    results: Path
    name: str
    """As given by the user."""

    def stored(self) -> list[StoredResult]:
        """Its results, by file name."""
        return read(self.results)


def model(text: str) -> Model:
    """A run (its ``main``), a run's revision, or a model folder, with the folder of its results.

    Raises: ``ValueError`` if there is no such folder, or if a run has no ``main`` yet.
    """
    folder = places.given(text)
    if not folder.is_dir():
        raise ValueError(places.no_folder(folder))
    name = text.rstrip("/")
    if (folder / "config.json").is_file():
        # A run's revision that was scored through the run has its results in the run's folder.
        candidates = [folder.parent / "evaluation" / folder.name, folder / "evaluation" / folder.name]
        return Model(folder, next((path for path in candidates if any(path.glob("*.json"))), candidates[0]), name)
    if not (folder / "main" / "config.json").is_file():
        names = revision_names(folder)
        hint = f"; name one of its revisions ({', '.join(names)})" if names else ""
        raise ValueError(f"{folder} has no main{hint}")
    return Model(folder / "main", folder / "evaluation" / "main", name)


def write(file: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write a result with a checksum of its content and of the files beside it; returns what was written."""
    beside = {key: file.parent / folder / file.name for folder, key in BESIDE.items()}
    hashes = {key: files.sha256_file(path) for key, path in beside.items() if path.is_file()}
    content = checksums.add({**content, **hashes})
    files.write_json(file, content)
    return content


def load(file: Path) -> dict[str, Any]:
    """A result, or another JSON object; `files.DamagedFile` if it is damaged or was changed since it was written."""
    content = files.read_json(file, AGAIN)
    checksums.verify(content, file, AGAIN)
    if "items_sha256" in content:
        _check(file, content)
    return content


def verify(file: Path) -> dict[str, Any]:
    """A result, after its files beside it were checked too; `files.DamagedFile` names the one that was changed."""
    content = load(file)
    for folder, key in BESIDE.items():
        other = file.parent / folder / file.name
        if key in content and not (other.is_file() and files.sha256_file(other) == content[key]):
            raise files.DamagedFile(f"{other}: missing, or not what was written; {AGAIN}")
    return content


def _check(file: Path, content: Mapping[str, Any]) -> None:
    """`files.DamagedFile` if the content of a result does not have the types that readers assume."""
    if "scorer" in content and "backend" not in content:
        raise files.DamagedFile(f"{file}: of an older version: python -m babylm.convert FOLDER brings it over")
    files.check_types(file, content, TYPES, AGAIN)
    for part in ("by_uid", "by_part"):
        for name, score in content[part].items():
            if not isinstance(score, dict):
                raise files.DamagedFile(f"{file}: {part} does not hold what it should; {AGAIN}")
            files.check_types(file, score, SCORE, AGAIN, name)
    interval = content["interval"]
    if interval is not None and not (len(interval) == 2 and all(map(_is_number, interval))):
        raise files.DamagedFile(f"{file}: interval does not hold what it should; {AGAIN}")


def _is_number(value: Any) -> bool:
    """Whether a value is a number, or null for one that is NaN."""
    return value is None or (isinstance(value, NUMBER) and not isinstance(value, bool))


def read(folder: Path, damaged: Callable[[str], None] | None = None) -> list[StoredResult]:
    """The results of tasks in ``folder``, by file name; other files are skipped.

    A damaged file raises `files.DamagedFile`; if ``damaged`` is given, it gets the message, and the file is skipped.
    """
    results = []
    for file in sorted(folder.glob("*.json")):
        with _skipping(damaged):
            content = load(file)
            if "items_sha256" in content:
                results.append(StoredResult(file, content))
    return results


@contextlib.contextmanager
def _skipping(damaged: Callable[[str], None] | None) -> Iterator[None]:
    try:
        yield
    except files.DamagedFile as error:
        if damaged is None:
            raise
        damaged(str(error))


def revisions(results: Path, damaged: Callable[[str], None] | None = None) -> list[tuple[str, list[StoredResult]]]:
    """(revision, its results) below ``results``, by words read, ``main`` last; those without results are left out."""
    folders = sorted(results.glob("*/"), key=lambda path: (milestone_words(path.name), path.name))
    by_revision = [(folder.name, read(folder, damaged)) for folder in folders]
    return [(name, stored) for name, stored in by_revision if stored]


def command(folder: Path, keys: Sequence[tuple[str, str, int]], backend: str | None = None) -> str:
    """The command that makes results of these (task, suite, rules); suite and rules are those of the first.

    >>> command(Path("checkpoints/s1"), [("blimp", "fast", 2026)], "mntp")
    'python -m babylm.evaluate checkpoints/s1 tasks=blimp suite=fast rules=2026 backend=mntp'
    """
    _, suite, rules = keys[0]
    tasks = ",".join(dict.fromkeys(task for task, *_ in keys))
    inside = folder.parent if (folder.parent / "config.yaml").is_file() else folder
    words = [str(inside), f"tasks={tasks}", f"suite={suite}", f"rules={rules}"]
    words += [f"revisions={folder.name}"] if inside != folder else []
    words += [f"backend={backend}"] if backend else []
    return f"python -m babylm.evaluate {' '.join(words)}"
