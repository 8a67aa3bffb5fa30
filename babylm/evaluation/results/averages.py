"""The official averages of both years, with what is missing named, and averages that a user's tasks ask for.

Which tasks enter, and in which order, is read from the tasks (`Task.average`, `Task.group`). The columns of an average
are tasks and groups; a group such as ``glue`` is the mean of its tasks, and one that is missing counts as a missing
column does. Values are shares, as the tasks' scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babylm.evaluation import task_registry

OFFICIAL = ("nlp", "human_likeness")
TITLES = {"nlp": "NLP", "human_likeness": "Human-like", "macro": "Macro", "overall": "Overall", "glue": "GLUE"}
"""Averages and groups as tables name them."""


@dataclass(frozen=True)
class Average:
    """An average and how complete it is."""

    value: float | None
    """The official number. A missing column counts 0 in 2026, as on the leaderboard; in 2025 it makes this None."""
    present: float | None
    """The mean over the columns that are there."""
    missing: tuple[str, ...]


def columns_of(rules: int) -> dict[str, list[str]]:
    """Columns (tasks and groups) by average, in the order of the tasks; the official averages first.

    >>> columns_of(2026)["human_likeness"]
    ['reading', 'aoa']
    """
    columns: dict[str, list[str]] = {name: [] for name in OFFICIAL}
    for task in task_registry.plugin_tasks():
        if not task.average or ("full", rules) not in task.suites:
            continue
        if task.average in OFFICIAL and task.official is None:
            raise ValueError(f"{task.name}: {task.average} is an official average of official tasks; name your own")
        column = task.group or task.name
        if column not in columns.setdefault(task.average, []):
            columns[task.average].append(column)
    return columns


def official_averages(scores: Mapping[str, float | None], rules: int) -> dict[str, Average]:
    """Averages of task scores: ``nlp``, ``human_likeness``, ``macro`` (2025) or ``overall`` (2026), and users' own.

    2025 (Findings): the macro average is the mean of the two others. 2026 (leaderboard): the mean of all nine columns.
    """
    columns = columns_of(rules)
    parts = {name: _mean(scores, columns[name], rules) for name in OFFICIAL}
    others = {name: _mean(scores, names, rules) for name, names in columns.items() if name not in OFFICIAL}
    if rules == 2026:
        return {**parts, "overall": _mean(scores, [n for name in OFFICIAL for n in columns[name]], rules), **others}
    values = [part.value for part in parts.values() if part.value is not None]
    present = [part.present for part in parts.values() if part.present is not None]
    macro = Average(
        value=sum(values) / 2 if len(values) == 2 else None,
        present=sum(present) / len(present) if present else None,
        missing=tuple(name for part in parts.values() for name in part.missing),
    )
    return {**parts, "macro": macro, **others}


def _mean(scores: Mapping[str, float | None], names: Sequence[str], rules: int) -> Average:
    official: list[float] = []
    present: list[float] = []
    missing: list[str] = []
    members = {group: [task.name for task in tasks] for group, tasks in task_registry.groups().items()}
    for name in names:
        value = scores.get(name)
        if value is None and any(scores.get(task) is not None for task in members.get(name, ())):
            group = _mean(scores, members[name], rules)
            official.append(group.value or 0.0)
            present.append(group.present or 0.0)
            missing += group.missing
        elif value is None:
            missing.append(name)
        else:
            official.append(value)
            present.append(value)
    return Average(
        value=None if missing and rules == 2025 else sum(official) / len(names),
        present=sum(present) / len(present) if present else None,
        missing=tuple(missing),
    )
