"""Results, curves and metrics: keys and names of tasks under their names of now; every number stays.

A result is bound to weights, tokenizer and items, none of which change, so it is read afterwards, not computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from babylm import checksums, files
from babylm.conversion.changes import Changes, link_or_copy
from babylm.conversion.settings import TASKS
from babylm.evaluation import task_registry
from babylm.evaluation.results import store
from babylm.evaluation.results.learning_curves import PREFIX

BACKEND = "backend"
OLD_BACKEND = "scorer"
OF_PARTS = ("reading",)
"""Tasks, beside those with fine-tuning and the user's reading times, whose ``by_uid`` was by other parts."""


def result(old: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a result or of a curve under its names of now, without its checksum.

    >>> result({"task": "grammar", "scorer": "causal", "by_uid": {}})
    {'task': 'toy_pairs', 'backend': 'causal', 'by_uid': {}}
    """
    new = {BACKEND if key == OLD_BACKEND else key: value for key, value in old.items() if key != checksums.KEY}
    if "task" in new:
        new["task"] = TASKS.get(new["task"], new["task"])
    if "items_sha256" not in new:
        return new
    of_parts = new["task"] in OF_PARTS or task_registry.is_finetuned(new["task"]) or "reading_csv" in new
    ordered: dict[str, Any] = {}
    for key, value in new.items():
        ordered[key] = {} if key == "by_uid" and of_parts else value
        if key == "by_uid":
            ordered["by_part"] = value if of_parts else {}
    return ordered


def convert(folder: Path, changes: Changes) -> None:
    """Bring the results in ``folder`` (``evaluation/``) and its folders over; damaged ones are refused by name."""
    for parent in [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]:
        old: dict[Path, dict[str, Any]] = {}
        for file in sorted(parent.glob("*.json")):
            try:
                content = _read(file)
            except files.DamagedFile as error:
                changes.refuse(str(error))
                continue
            if OLD_BACKEND in content and BACKEND not in content:
                old[file] = content
        if old:
            changes.change(f"{parent}: {len(old)} results and curves", partial(_rewrite_all, old))
        if leftovers := _leftovers(parent):
            changes.change(f"{parent}: {len(leftovers)} old names", partial(_remove_all, leftovers))


def new_name(file: Path) -> Path:
    """The file of a result, a curve or what is beside it, with the task's name of now.

    >>> new_name(Path("main/grammar.fast.2026.causal.json")).name
    'toy_pairs.fast.2026.causal.json'
    """
    prefix = PREFIX if file.name.startswith(PREFIX) else ""
    task, dot, rest = file.name.removeprefix(prefix).partition(".")
    return file.with_name(f"{prefix}{TASKS.get(task, task)}{dot}{rest}")


def convert_metrics(file: Path, changes: Changes) -> None:
    """Names of tasks in ``metrics.jsonl``; a last line that a kill has cut stays as it is."""
    if not file.is_file():
        return
    text = file.read_bytes()
    new = text
    for old_task, task in TASKS.items():
        new = new.replace(f'"task/{old_task}":'.encode(), f'"task/{task}":'.encode())
    if new != text:
        changes.change(f"{file}: names of tasks", partial(_write_bytes, file, new))


def _read(file: Path) -> dict[str, Any]:
    """A file of results whose checksum, if it has one, is right; `files.DamagedFile` otherwise."""
    content: dict[str, Any] = files.read_json(file, store.AGAIN)
    checksums.verify(content, file, store.AGAIN)
    return content


def _rewrite_all(old: Mapping[Path, Mapping[str, Any]]) -> None:
    for file, content in old.items():
        _rewrite(file, content)


def _rewrite(file: Path, old: Mapping[str, Any]) -> None:
    """Write one result anew. Files under a new name are there before the old ones go, the result last and first."""
    target = new_name(file)
    beside = [(file.parent / folder / file.name, file.parent / folder / target.name) for folder in store.BESIDE]
    renamed = [(source, copy) for source, copy in beside if source.is_file()] if target != file else []
    for source, copy in renamed:
        copy.unlink(missing_ok=True)  # of a conversion that was killed
        link_or_copy(source, copy)
    files.remove_partial(target.parent, target.name)
    content = result(old)
    if checksums.KEY in old:  # the first versions wrote none
        content = checksums.add(content)
    files.write_json(target, content)
    if target != file:
        _remove_all([file, *(source for source, _ in renamed)])


def _leftovers(parent: Path) -> list[Path]:
    """Files beside results that were renamed, which a kill has left under their old names."""
    beside = [file for folder in store.BESIDE for file in sorted((parent / folder).glob("*.json"))]
    return [
        file
        for file in beside
        if new_name(file) != file and new_name(file).is_file() and not (parent / file.name).exists()
    ]


def _remove_all(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _write_bytes(file: Path, content: bytes) -> None:
    with files.atomic_file(file) as opened:
        opened.write(content)
