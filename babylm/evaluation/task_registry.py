"""Tasks by name, suites and averages: lists that are read from the tasks themselves, without torch."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from babylm import registry
from babylm.config.evaluation import EvaluationConfig, task_path
from babylm.evaluation.task import FINETUNED, Task
from babylm.evaluation.tasks import _user

FOLDER = "evaluation/tasks"


def load_task(name: str, settings: EvaluationConfig | None = None) -> Task:
    """The task ``name``: a plug-in, or the path of a user's own data, whose fields ``settings`` name.

    Raises: ``ValueError`` with the nearest names if there is no such task.

    >>> load_task("blimp").title
    'BLiMP'
    """
    if task_path(name) is not None:
        return _user.task(name, settings or EvaluationConfig())
    registry.check(name, registry.names(FOLDER), "evaluation.tasks")
    return _plugin(name)


@functools.cache
def _plugin(name: str) -> Task:
    task = getattr(registry.load(FOLDER, name), "TASK", None)
    if not isinstance(task, Task) or task.name != name:
        raise ValueError(f"evaluation.tasks: the file {name}.py must hold a TASK whose name is {name}")
    return task


def plugin_tasks() -> list[Task]:
    """Every task that is a plug-in, in the order of tables."""
    return sorted((_plugin(name) for name in registry.names(FOLDER)), key=lambda task: (task.order, task.name))


def suite_tasks(suite: str, rules: int, *, official: bool = False) -> list[Task]:
    """The tasks of a suite by the rules of a year, those with fine-tuning last; with ``official``, no user's tasks.

    >>> [task.name for task in suite_tasks("fast", 2026)][:3]
    ['blimp', 'supplement', 'ewok']
    """
    tasks = [task for task in plugin_tasks() if (suite, rules) in task.suites]
    return sorted((t for t in tasks if t.official or not official), key=lambda task: task.finetuned)


def suite_names(suite: str, rules: int, *, official: bool = False) -> list[str]:
    """The names of `suite_tasks`."""
    return [task.name for task in suite_tasks(suite, rules, official=official)]


def groups() -> dict[str, list[Task]]:
    """The tasks of each group.

    >>> len(groups()["glue"])
    7
    """
    members: dict[str, list[Task]] = {}
    for task in plugin_tasks():
        if task.group:
            members.setdefault(task.group, []).append(task)
    return members


def known_names() -> list[str]:
    """Names that can be asked for: tasks and groups."""
    return [*groups(), *registry.names(FOLDER)]


def expand(names: Sequence[str]) -> list[str]:
    """``names`` with the tasks of a group in its place.

    >>> expand(["blimp", "glue"])[:3]
    ['blimp', 'boolq', 'mnli']
    """
    by_group = groups()
    return [name for given in names for name in ([t.name for t in by_group[given]] if given in by_group else [given])]


def combined_task(rules: int) -> Task:
    """The official task whose score is made of all revisions: age of acquisition."""
    [task] = [task for task in suite_tasks("full", rules, official=True) if task.over_revisions]
    return task


def title(name: str) -> str:
    """A task's name in tables; of a path, and of a task that is not there any more, its last part.

    >>> title("my/pairs/verbs")
    'verbs'
    """
    if name in registry.names(FOLDER):
        return _plugin(name).title or name
    return name.rstrip("/").rsplit("/", 1)[-1]


def is_finetuned(name: str) -> bool:
    """Whether a task, or what was one, is a plug-in that fine-tunes the model."""
    return name in registry.names(FOLDER) and _plugin(name).finetuned


def result_stem(task: str, suite: str, rules: int, backend: str) -> str:
    """Name of a result's files without ``.json``; a task with fine-tuning has one suite and no backend.

    >>> result_stem("my/pairs", "fast", 2026, "causal")
    'my_pairs.fast.2026.causal'
    """
    if is_finetuned(task):
        suite, backend = "full", FINETUNED
    return f"{task.strip('/').replace('/', '_')}.{suite}.{rules}.{backend}"
