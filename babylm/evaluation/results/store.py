"""Results on disk: which there are of a model, and how they are named to a person."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import files, places
from babylm.evaluation.results import item_results
from babylm.revisions import revision_names
from babylm.tracks import milestone_words

CHECKSUM = "content_sha256"
"""Of everything else in a result's file: whatever flips a bit of it is seen."""
BESIDE = {"predictions": "predictions_sha256", item_results.FOLDER: "items_file_sha256"}
"""Files of the same name beside a result, by their folder: the key of their hash."""
NUMBER = (int, float)
TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("task", "model", "suite", "scorer", "items_sha256", "weights_sha256"), (str,)),
    **dict.fromkeys(("rules", "version", "n", "ties"), (int,)),
    **dict.fromkeys(("official", "tie_aware"), (*NUMBER, type(None))),
    **{"chance": NUMBER, "seconds": NUMBER, "interval": (list, type(None)), "by_uid": (dict,), "details": (dict,)},
}
"""What a result's file must hold."""
AGAIN = item_results.AGAIN


@dataclass(frozen=True)
class Stored:
    """A result and where it lies."""

    file: Path
    content: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        """(task, suite, rules)."""
        return self.content["task"], self.content["suite"], self.content["rules"]

    @property
    def scorer(self) -> str:
        """How it was scored; narrow types are named."""
        dtype = self.content.get("dtype", "float32")
        return self.content["scorer"] + ("" if dtype == "float32" else f" {dtype}")

    def evidence(self) -> item_results.Evidence | None:
        """What is kept of its items; none where the task keeps none, or an older version wrote the result."""
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
    """As a person writes it."""

    def stored(self) -> list[Stored]:
        """Its results, by file name."""
        return read(self.results)


def model(text: str) -> Model:
    """A run (its ``main``), a run's revision, or a model folder, and where its results lie.

    ``ValueError`` where there is no such folder, or a run that has no ``main`` yet.
    """
    folder = places.given(text)
    if not folder.is_dir():
        raise ValueError(places.no_folder(folder))
    name = text.rstrip("/")
    if (folder / "config.json").is_file():
        # Of a run's revision, results made through the run lie with the run.
        own = [folder.parent / "evaluation" / folder.name, folder / "evaluation" / folder.name]
        return Model(folder, next((place for place in own if any(place.glob("*.json"))), own[0]), name)
    if not (folder / "main" / "config.json").is_file():
        found = revision_names(folder)
        hint = f"; name one of its revisions ({', '.join(found)})" if found else ""
        raise ValueError(f"{folder} has no main{hint}")
    return Model(folder / "main", folder / "evaluation" / "main", name)


def write(file: Path, content: Mapping[str, Any]) -> None:
    """Write a result with a checksum of its content, and of the files that were written beside it."""
    beside = {key: file.parent / folder / file.name for folder, key in BESIDE.items()}
    hashes = {key: files.sha256_file(path) for key, path in beside.items() if path.is_file()}
    content = json.loads(json.dumps({**content, **hashes}, allow_nan=False))  # as it will be read
    files.write_json(file, {**content, CHECKSUM: files.sha256_json(content)})


def load(file: Path) -> dict[str, Any]:
    """A result, or another JSON object; `files.DamagedFile` where it is damaged, or not what it was when written."""
    content = files.read_json(file, AGAIN)
    checksum = content.get(CHECKSUM)  # older versions wrote none
    if checksum is not None and checksum != files.sha256_json({k: v for k, v in content.items() if k != CHECKSUM}):
        raise files.DamagedFile(f"{file}: its content is not what was written; {AGAIN}")
    if "items_sha256" in content:
        _check(file, content)
    return content


def verify(file: Path) -> dict[str, Any]:
    """A result whose files beside it are as they were written, too; `files.DamagedFile` names the one that is not."""
    content = load(file)
    for folder, key in BESIDE.items():
        other = file.parent / folder / file.name
        if key in content and not (other.is_file() and files.sha256_file(other) == content[key]):
            raise files.DamagedFile(f"{other}: missing, or not what was written; {AGAIN}")
    return content


def _check(file: Path, content: Mapping[str, Any]) -> None:
    """`files.DamagedFile` where the content of a result is not of the types that readers assume."""
    for key, types in TYPES.items():
        if not isinstance(content.get(key), types) or isinstance(content.get(key), bool):
            raise files.DamagedFile(f"{file}: {key} is {content.get(key, 'missing')!r}; {AGAIN}")
    tallies = content["by_uid"].values()
    whole = all(isinstance(tally, dict) and {"n", "official", "tie_aware", "ties"} <= set(tally) for tally in tallies)
    interval = content["interval"]
    if not whole or (interval is not None and len(interval) != 2):
        raise files.DamagedFile(f"{file}: {'interval' if whole else 'by_uid'} does not hold what it should; {AGAIN}")


def read(folder: Path, damaged: Callable[[str], None] | None = None) -> list[Stored]:
    """The results of tasks in ``folder``, by file name; files that are something else are passed over.

    A damaged file raises `files.DamagedFile`, or where ``damaged`` is given is passed over after telling it.
    """
    results = []
    for file in sorted(folder.glob("*.json")):
        with _passed_over(damaged):
            content = load(file)
            if "items_sha256" in content:
                results.append(Stored(file, content))
    return results


@contextlib.contextmanager
def _passed_over(damaged: Callable[[str], None] | None) -> Iterator[None]:
    try:
        yield
    except files.DamagedFile as error:
        if damaged is None:
            raise
        damaged(str(error))


def revisions(results: Path, damaged: Callable[[str], None] | None = None) -> list[tuple[str, list[Stored]]]:
    """(revision, its results) below ``results``, by words, ``main`` last; revisions without results are left out."""
    folders = sorted(results.glob("*/"), key=lambda path: (milestone_words(path.name), path.name))
    by_revision = [(folder.name, read(folder, damaged)) for folder in folders]
    return [(name, own) for name, own in by_revision if own]


def command(folder: Path, keys: Sequence[tuple[str, str, int]], scorer: str | None = None) -> str:
    """The command that makes results of these (task, suite, rules), which share suite and rules with the first."""
    _, suite, rules = keys[0]
    tasks = ",".join(dict.fromkeys(task for task, *_ in keys))
    inside = folder.parent if (folder.parent / "config.yaml").is_file() else folder
    words = [str(inside), f"tasks={tasks}", f"suite={suite}", f"rules={rules}"]
    words += [f"revisions={folder.name}"] if inside != folder else []
    words += [f"scorer={scorer}"] if scorer else []
    return f"python -m babylm.evaluate {' '.join(words)}"
