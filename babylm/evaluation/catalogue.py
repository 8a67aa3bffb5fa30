"""All tasks as a table: in which suites, the score of guessing, whether their data is there, and how to get it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from babylm import places, registry
from babylm.config.evaluation import EvaluationConfig
from babylm.console import Log
from babylm.evaluation import suite
from babylm.evaluation.results import tables
from babylm.evaluation.tasks import _data
from babylm.tables import text_table

HEADER = ("task", "suites", "chance %", "data", "there")
OWN = (
    "your own data is a task too: tasks=FOLDER or FILE of minimal pairs (*.jsonl, *.csv, *.tsv), or a table of reading "
    "times; python -m babylm.evaluate --help"
)


def main(given: dict[str, str], log: Log) -> int:
    """Print the table for ``data=FOLDER``; returns the exit code."""
    data = places.given(given.get("data", EvaluationConfig().data))
    rows, damaged = [], []
    lacking: dict[str, list[str]] = {}
    for name in registry.names(suite.FOLDER):
        task = suite.task(name)
        suites = [f"{which} {rules}" for (which, rules), names in suite.SUITES.items() if name in names]
        states: dict[str, str] = {}
        for which in dict.fromkeys(entry.split()[0] for entry in suites) or ("full",):
            states[which], problem = _state(task, data, which)
            if states[which] == "missing":  # one line for all tasks that one source brings
                what, _, source = problem.rpartition("; ")
                lacking.setdefault(source, []).append(what.rpartition(" has no ")[2])
            elif problem:
                damaged.append(f"{name}, {which}: {problem}")
        shown = "; ".join(dict.fromkeys(states.values() if len(set(states.values())) == 1 else _by_suite(states)))
        needed = ", ".join(filter(None, dict.fromkeys(_needed(task, which) for which in states))) or "none"
        rows.append((name, ", ".join(suites) or "none", tables.percent(task.CHANCE or None, 1), needed, shown))
    log(f"tasks, with the data in {data} (another folder: data=...)")
    log(text_table(HEADER, rows))
    for source, names in lacking.items():
        log(f"missing: {', '.join(names)}; {source}")
    for line in damaged:
        log(line)
    log(OWN)
    return 0


def _state(task: Any, data: Path, which: str) -> tuple[str, str]:
    """(whether the data is there, what is wrong with it and how to mend that)."""
    rules = 2025  # the files are the same in both years, or their absence is
    try:
        items = task.items(data, None, suite=which, rules=rules)
    except _data.MissingData as error:
        return "missing", str(error)
    except ValueError as error:
        return "damaged", str(error)
    return f"{len(items):,} items", ""


def _needed(task: Any, which: str) -> str:
    """What the task reads below ``<which>_eval``: what it names as missing where there is nothing at all."""
    try:
        task.items(Path(os.devnull), 1, suite=which, rules=2026)
    except _data.MissingData as error:
        return error.needed
    return ""


def _by_suite(states: dict[str, str]) -> list[str]:
    return [f"{which}: {state}" for which, state in states.items()]
