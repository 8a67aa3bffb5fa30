"""Jobs that ended before their run had a folder, such as for a wrong setting: what their logs say.

A job's log is in ``checkpoints/`` (``babylm-sweep-12_3.log``); its script writes the command into it, after ``$ ``.
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path

from babylm import places

COMMAND = "$ "
MODULE = "babylm.train"


def runs_without_a_folder(folder: Path) -> dict[str, str]:
    """Name -> the last line of its newest log, for every run of ``folder`` that a job should have made there."""
    logs = [*folder.glob("*.log"), *folder.resolve().parent.glob("*.log")]
    reasons: dict[str, str] = {}
    for log in sorted(logs, key=lambda log: log.stat().st_mtime):
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
        settings = next((settings for line in reversed(lines) if (settings := command_settings(line))), {})
        checkpoints = places.given(settings["checkpoints"]) if "checkpoints" in settings else log.parent
        name = settings.get("name", "")
        if name and checkpoints.resolve() == folder.resolve() and not (folder / name).exists():
            reasons[name] = next(line for line in reversed(lines) if line).removeprefix("error: ")
    return {name: reason for name, reason in reasons.items() if not reason.startswith(COMMAND)}


def command_settings(line: str) -> dict[str, str]:
    """The settings of a training command in a log; empty for any other line.

    >>> command_settings("$ '.venv/bin/python' -m 'babylm.train' 'configs/smoke.yaml' 'name=a' 'seed=1' 'name=b'")
    {'name': 'b', 'seed': '1'}
    """
    words: list[str] = []
    if line.startswith(COMMAND):
        with suppress(ValueError):  # a quote that a kill has cut
            words = shlex.split(line.removeprefix(COMMAND))
    if MODULE not in words:
        return {}
    return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}
