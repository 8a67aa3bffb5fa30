"""What the official evaluation expects of a submission: item counts, and the list of its results.

Everything about a task is read from the task (`babylm.evaluation.task.Official`). Sources: the official pipeline's
collator and size tables (2025), and the leaderboard's rules of 2026. UIDs are compared in lower case, as by the
collator.
"""

from __future__ import annotations

from babylm.config.schema import Config
from babylm.evaluation.task_registry import combined_task, load_task, plugin_tasks, suite_names

WITHOUT_TEXT = ("devbench",)
"""Tasks of the multimodal track that have no form without images."""


def counts(task: str, suite: str, rules: int) -> dict[str, int] | None:
    """Official number of items per UID (lower case), or per part; None if the official pipeline has no such task."""
    official = load_task(task).official
    return None if official is None else official.counts(suite, rules)


def vision_tasks() -> list[str]:
    """Tasks of the multimodal track that need images."""
    return [*(task.name for task in plugin_tasks() if task.needs_images), *WITHOUT_TEXT]


def required(config: Config, rules: int, revisions: list[str]) -> list[tuple[str, str, str]]:
    """(revision, task, suite) of every result in a submission: the fast suite of each milestone, all of ``main``.

    A run of the track ``free``, which is no track of the challenge, has the tasks of its configuration. Users' tasks
    are no part of the suites of other tracks.
    """
    if config.track == "free":
        return [(name, task, "fast") for name in [*revisions, "main"] for task in config.evaluation.tasks]
    fast, full = (suite_names(suite, rules, official=True) for suite in ("fast", "full"))
    combined = combined_task(rules).name
    milestones = [(name, task, "fast") for name in revisions for task in fast]
    surprisals = [(name, combined, "full") for name in revisions]
    return [*milestones, *surprisals, *(("main", task, "full") for task in full if task != combined)]
