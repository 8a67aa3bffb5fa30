"""What is to be evaluated: options that were checked, so that mistakes are told before torch is imported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from babylm import config as configuration
from babylm import places, registry
from babylm.config.evaluation import EvaluationConfig, task_path
from babylm.evaluation import model_paths
from babylm.evaluation.scoring import device as placement
from babylm.evaluation.task import SUITES, YEARS
from babylm.evaluation.task_registry import known_names

BACKENDS = ("auto", "causal", "mntp", "mlm")


@dataclass(frozen=True)
class Request:
    """What is to be scored, and how."""

    settings: EvaluationConfig
    suite: str
    rules: int
    tasks: list[str]
    """Named by the user or by the run's configuration; empty: the suite."""
    limit: int | None
    backend: str
    trust: bool
    models: list[Path]
    part: str
    last: Path
    """The last of all models, whichever part this is."""
    results: Path
    data: Path


def request(
    target: str | Path,
    *,
    tasks: str | Path | Sequence[str | Path] | None = None,
    suite: str | None = None,
    rules: int | None = None,
    revisions: str | Sequence[str] | None = None,
    backend: str | None = None,
    data: str | Path | None = None,
    limit: int | str | None = None,
    trust: bool = False,
    part: str = "",
    settings: Sequence[str] = (),
) -> Request:
    """Check what ``target`` and the options ask for.

    ``target``: ``checkpoints/<run>``, a model folder, or ``owner/name@revision`` of the Hub. ``tasks``: names or paths;
    None: those of ``suite`` (``fast`` or ``full``) if it is given, else those of the run's configuration. ``rules``:
    the year, 2025 or 2026. ``revisions``: empty for all. ``backend``: ``auto``, ``causal``, ``mntp`` or ``mlm``.
    ``limit``: at most so many items per file. ``part``: ``i/n`` for the revisions i, i + n, ... ``settings``: further
    keys of the evaluation section, as ``["dtype=bf16", "glue.epochs=3"]``.

    Raises: ``ValueError`` for the first mistake.
    """
    if not isinstance(target, (str, Path)):
        raise ValueError(f"{target!r} is no model: give a folder, or owner/name of the Hub")
    target = str(target)
    trust, limit = registry.switch(trust, "trust"), _limit(limit)
    revision_names = registry.listed(revisions or (), "revisions")
    model_paths.check(target)
    config, run_backend, run_rules = model_paths.defaults(places.given(target))
    placement.check(_value("device", settings) or config.device)
    config = configuration.change(config, list(settings))
    suite_name = registry.check(suite or "fast", SUITES, "suite")
    year = int(registry.check(str(rules or run_rules), [str(year) for year in YEARS], "rules"))
    names = registry.listed(tasks, "tasks") if tasks is not None else [] if suite is not None else config.tasks
    _check_tasks(names, suite, settings)
    chosen = registry.check(backend or run_backend, BACKENDS, "backend")
    if part:
        model_paths.part([], str(part))  # told before a model is downloaded
    models, results = model_paths.find(target, revision_names)
    return Request(
        settings=config,
        suite=suite_name,
        rules=year,
        tasks=names,
        limit=limit,
        backend=chosen,
        trust=trust,
        models=model_paths.part(models, part) if part else models,
        part=part,
        last=models[-1],
        results=results,
        data=places.given(str(data or config.data)),
    )


def _check_tasks(names: Sequence[str], suite: str | None, settings: Sequence[str]) -> None:
    choices = known_names()
    if not names and suite is None:
        raise ValueError(f"tasks: none given and none in the run's configuration (there are: {', '.join(choices)})")
    paths = [name for name in names if task_path(name) is not None]
    for name in names:
        if name not in paths:
            registry.check(name, choices, "tasks")
    for setting in settings:
        if setting.startswith(("reading_csv.", "pairs.")) and not paths:
            key = setting.partition("=")[0]
            raise ValueError(f"{key}: names a field of your own data, and tasks has no folder or file of that")


def _value(key: str, settings: Sequence[str]) -> str | None:
    """The value of ``key=value`` among ``settings``."""
    return next((word.partition("=")[2] for word in settings if word.partition("=")[0] == key), None)


def _limit(limit: Any) -> int | None:
    if isinstance(limit, str):
        return parse_limit(limit)
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, Integral) or limit < 1:
        raise ValueError(f"limit={limit}: give the largest number of items per file, 1 or more, or none for all")
    return int(limit)


def parse_limit(text: str) -> int | None:
    """A limit as it is written on the command line: a whole number, or ``none``.

    >>> parse_limit("20"), parse_limit("none")
    (20, None)
    """
    if text == "none":
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ValueError(f"limit={text}: give the largest number of items per file, 1 or more, or none for all")
    return int(text)
