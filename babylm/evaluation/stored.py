"""Results on disk: which there are of a model, and how they are named to a person."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm.evaluation import evidence
from babylm.tracks import milestone_words

SAME = ("task", "suite", "rules")
"""What two results must share to be results of one thing."""


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

    def evidence(self) -> evidence.Evidence | None:
        """What is kept of its items; none where the task keeps none, or an older version wrote the result."""
        file = self.file.parent / evidence.FOLDER / self.file.name
        return evidence.read(file) if file.is_file() else None


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
    folder = Path(text)
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}")
    name = text.rstrip("/")
    if (folder / "config.json").is_file():
        # Of a run's revision, results made through the run lie with the run.
        places = [folder.parent / "evaluation" / folder.name, folder / "evaluation" / folder.name]
        return Model(folder, next((place for place in places if read(place)), places[0]), name)
    if not (folder / "main" / "config.json").is_file():
        found = sorted((path.parent.name for path in folder.glob("*/config.json")), key=milestone_words)
        hint = f"; name one of its revisions ({', '.join(found)})" if found else ""
        raise ValueError(f"{folder} has no main{hint}")
    return Model(folder / "main", folder / "evaluation" / "main", name)


def read(folder: Path) -> list[Stored]:
    """The results of tasks in ``folder``, by file name; files that are something else are passed over."""
    found = [Stored(file, json.loads(file.read_text(encoding="utf-8"))) for file in sorted(folder.glob("*.json"))]
    return [one for one in found if isinstance(one.content, dict) and "items_sha256" in one.content]


def revisions(results: Path) -> list[tuple[str, list[Stored]]]:
    """(revision, its results) below ``results``, by words, ``main`` last; revisions without results are left out."""
    folders = sorted(results.glob("*/"), key=lambda path: (milestone_words(path.name), path.name))
    found = [(folder.name, read(folder)) for folder in folders]
    return [(name, own) for name, own in found if own]


def command(folder: Path, keys: Sequence[tuple[str, str, int]], scorer: str | None = None) -> str:
    """The command that makes results of these (task, suite, rules), which share suite and rules with the first."""
    _, suite, rules = keys[0]
    tasks = ",".join(dict.fromkeys(task for task, *_ in keys))
    inside = folder.parent if (folder.parent / "config.yaml").is_file() else folder
    words = [str(inside), f"tasks={tasks}", f"suite={suite}", f"rules={rules}"]
    words += [f"revisions={folder.name}"] if inside != folder else []
    words += [f"scorer={scorer}"] if scorer else []
    return f"python -m babylm.evaluate {' '.join(words)}"
