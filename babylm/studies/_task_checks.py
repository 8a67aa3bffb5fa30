"""Is the data of an evaluation task there: told before the first piece, by the name that the setting has in a study."""

from __future__ import annotations

from pathlib import Path

from babylm import places
from babylm.config.schema import EvaluationConfig

OF_RUNS = "evaluation.data"


def check_task(name: str, data: str | Path | None, suite: str = "fast", key: str = "data") -> None:
    """ValueError, naming the study's ``key`` for the folder of the data, if a task's items cannot be read."""
    from babylm.evaluation.task_registry import load_task

    folder = None if data is None else places.given(data)
    try:
        load_task(name, EvaluationConfig()).items(folder, 1, suite=suite, rules=2026)
    except ValueError as error:
        raise ValueError(str(error).replace(f"{OF_RUNS}:", f"{key}:", 1)) from error
