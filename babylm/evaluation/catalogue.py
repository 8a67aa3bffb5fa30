"""All tasks as a table: their suites, the score of guessing, whether their data is there, and how to get it."""

from __future__ import annotations

import os
from pathlib import Path

from babylm import places
from babylm.config.evaluation import EvaluationConfig
from babylm.evaluation.results import tables
from babylm.evaluation.task import Task
from babylm.evaluation.task_registry import plugin_tasks
from babylm.evaluation.tasks import _data
from babylm.tables import text_table

HEADER = ("task", "suites", "chance %", "data", "there")
OWN_DATA = (
    "your own data is a task too: tasks=FOLDER or FILE of minimal pairs (*.jsonl, *.csv, *.tsv), or a table of reading "
    "times; python -m babylm.evaluate --help"
)


def main(given: dict[str, str]) -> int:
    """Print the table for ``data=FOLDER``; returns the exit code. OSError where stdout cannot be written."""
    data = places.given(given.get("data", EvaluationConfig().data))
    rows, damaged = [], []
    lacking: dict[str, list[str]] = {}
    for task in sorted(plugin_tasks(), key=lambda task: task.name):
        states: dict[str, str] = {}
        for suite in dict.fromkeys(suite for suite, _ in task.suites) or ("full",):
            states[suite], problem = _state(task, data, suite)
            if states[suite] == "missing":  # one line for all tasks with the same source
                what, _, source = problem.rpartition("; ")
                lacking.setdefault(source, []).append(what.rpartition(" has no ")[2])
            elif problem:
                damaged.append(f"{task.name}, {suite}: {problem}")
        state = "; ".join(dict.fromkeys(states.values() if len(set(states.values())) == 1 else _by_suite(states)))
        needed = ", ".join(filter(None, dict.fromkeys(_needed(task, suite) for suite in states))) or "none"
        suites = ", ".join(f"{suite} {rules}" for suite, rules in task.suites) or "none"
        rows.append((task.name, suites, tables.percent(task.chance or None, 1), needed, state))
    print(f"tasks, with the data in {data} (another folder: data=...)")
    print(text_table(HEADER, rows), flush=True)
    for source, names in lacking.items():
        print(f"missing: {', '.join(names)}; {source}")
    for line in damaged:
        print(line)
    print(OWN_DATA, flush=True)
    return 0


def _state(task: Task, data: Path, suite: str) -> tuple[str, str]:
    """(whether the data is there, what is wrong with it and how to solve that)."""
    rules = 2025  # the files are the same in both years, or their absence is
    try:
        items = task.items(data, None, suite=suite, rules=rules)
    except _data.MissingData as error:
        return "missing", str(error)
    except ValueError as error:
        return "damaged", str(error)
    return f"{len(items):,} items", ""


def _needed(task: Task, suite: str) -> str:
    """What the task reads below ``<suite>_eval``: what it names as missing in a folder that does not exist."""
    try:
        task.items(Path(os.devnull), 1, suite=suite, rules=2026)
    except _data.MissingData as error:
        return error.needed
    return ""


def _by_suite(states: dict[str, str]) -> list[str]:
    return [f"{suite}: {state}" for suite, state in states.items()]
