"""One number of many: the official averages of both years, with what is missing named.

The columns are tasks; ``glue`` is the mean over the seven fine-tuning tasks, of which one that is missing counts as a
missing column does. Values are shares, as the tasks' scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NLP = ("blimp", "supplement", "ewok", "entity_tracking", "comps", "glue")
GLUE = ("boolq", "mnli", "mrpc", "multirc", "qqp", "rte", "wsc")
HUMAN_LIKENESS = {2025: ("wug_adj", "wug_past", "reading", "aoa"), 2026: ("reading", "aoa")}


def expand(tasks: Sequence[str]) -> list[str]:
    """``tasks`` with ``glue`` as the seven that it stands for."""
    return [task for name in tasks for task in (GLUE if name == "glue" else (name,))]


@dataclass(frozen=True)
class Aggregate:
    """An average and how complete it is."""

    value: float | None
    """The official number. A missing column counts 0 in 2026, as on the leaderboard; in 2025 there is none then."""
    present: float | None
    """The mean over the columns that are there."""
    missing: tuple[str, ...]


def aggregates(columns: Mapping[str, float | None], rules: int) -> dict[str, Aggregate]:
    """Official averages of task scores: ``nlp``, ``human_likeness``, and ``macro`` (2025) or ``overall`` (2026).

    2025 (Findings): the macro average is the mean of the two others. 2026 (leaderboard): the mean of all nine columns.
    """
    language = (*NLP, "global_piqa") if rules == 2026 else NLP
    people = HUMAN_LIKENESS[rules]
    found = {"nlp": _mean(columns, language, rules), "human_likeness": _mean(columns, people, rules)}
    if rules == 2026:
        return {**found, "overall": _mean(columns, (*language, *people), rules)}
    both = found.values()
    missing = tuple(name for part in both for name in part.missing)
    values = [part.value for part in both if part.value is not None]
    present = [part.present for part in both if part.present is not None]
    return {
        **found,
        "macro": Aggregate(
            value=sum(values) / 2 if len(values) == 2 else None,
            present=sum(present) / len(present) if present else None,
            missing=missing,
        ),
    }


def _mean(columns: Mapping[str, float | None], names: tuple[str, ...], rules: int) -> Aggregate:
    official: list[float] = []
    present: list[float] = []
    missing: list[str] = []
    for name in names:
        value = columns.get(name)
        if value is None and name == "glue" and any(columns.get(task) is not None for task in GLUE):
            part = _mean(columns, GLUE, rules)
            official.append(part.value or 0.0)
            present.append(part.present or 0.0)
            missing += part.missing
        elif value is None:
            missing.append(name)
        else:
            official.append(value)
            present.append(value)
    return Aggregate(
        value=None if missing and rules == 2025 else sum(official) / len(names),
        present=sum(present) / len(present) if present else None,
        missing=tuple(missing),
    )
