"""A run opened for submission, with the settings that the command or a script gives. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from babylm import config as configuration
from babylm import publication
from babylm.runs import Run

SELECTION = ("rules", "backend", "data")
"""Settings that choose results; all others change the section ``submission`` of the configuration."""


def open_run(folder: str | Path, settings: dict[str, str] | None = None) -> Run:
    """The finished run in ``folder`` with settings of the section ``submission``, and ``rules`` and ``backend``.

    Raises:
        ValueError: it is no run, it is not finished, or a setting cannot be published.
    """
    settings = settings or {}
    changes = [f"submission.{key}={value}" for key, value in settings.items() if key not in SELECTION]
    rules = int(settings["rules"]) if "rules" in settings else None
    run = Run(folder, changes, rules=rules, backend=settings.get("backend"))
    publication.check(run.config.submission)
    run.require_whole()
    return run


def unused_settings(run: Run, given: Sequence[str]) -> list[str]:
    """Settings ``submission.*`` of the user's file that the run does not have, as they were changed after it began.

    One line each, with the word that uses the new value. ``given`` are the keys that the command line sets; the file is
    that of the run's command, if it can still be read.
    """
    command = run.environment.get("command") or []
    if len(command) < 2 or not Path(command[1]).is_file():
        return []
    try:
        current = configuration.load(command[1], command[2:]).submission
    except ValueError:  # the user has changed more than that; it is the run that is submitted
        return []
    recorded, changed = asdict(run.config.submission), asdict(current)
    return [
        f"{command[1]} now says submission.{key}: {value!r}; the run has {recorded[key]!r}, which is used "
        f"(to use the new value, add {key}=... to this command, or change it in {run.folder / 'config.yaml'})"
        for key, value in changed.items()
        if value != recorded[key] and key not in given
    ]
