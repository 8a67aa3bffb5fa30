"""Where the official evaluation data lies, and what is said when it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from babylm.evaluation.results import Item, evenly

T = TypeVar("T")
SOURCE = (
    "python -m babylm.evaluate --get brings it, or unpack the official evaluation data there (https://osf.io/ryjfm, "
    "its fast_eval and full_eval folders; of 2026: huggingface.co/datasets/BabyLM-community/BabyLM-2026-Strict-Evals)"
)


class MissingData(ValueError):
    """A task's data is not there; the message names the folder and what brings it."""


def find(data: Path, suite: str, name: str, source: str = SOURCE) -> Path:
    """``data/<suite>_eval/name``, or ``data/name``; else `MissingData`."""
    for path in (Path(data) / f"{suite}_eval" / name, Path(data) / name):
        if path.exists():
            return path
    raise MissingData(f"evaluation.data: {data} has no {suite}_eval/{name}; {source}")


def read(
    folder: Path,
    build: Callable[[Mapping[str, Any], str], Item | None],
    limit: int | None = None,
    what: str = "an item",
) -> list[Item]:
    """What ``build(line, file's stem)`` makes of each line of all ``*.jsonl``, by file name; at most ``limit`` a file.

    ``None`` leaves a line out. ``ValueError`` for a folder without files and for a line that does not fit, with its
    place.
    """
    files = sorted(Path(folder).glob("*.jsonl"))
    if not files:
        raise MissingData(f"{folder}: no files there (*.jsonl)")
    items: list[Item] = []
    for file in files:
        found = []
        with open(file, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    item = build(json.loads(line), file.stem)
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(f"{file}:{number}: not {what} ({error!r})") from None
                if item is not None:
                    found.append(item)
        items += evenly(found, limit)
    return items
