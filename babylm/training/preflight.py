"""Checks, before training, of what is read only after it: a wrong path is reported in a second, not after a day."""

from __future__ import annotations

from babylm import places
from babylm.config.schema import Config
from babylm.evaluation.scoring import device
from babylm.evaluation.task_registry import expand, load_task


def check(config: Config) -> None:
    """Raise ValueError if a task that will be scored lacks its data or its device. Held-out text: `prepare`."""
    settings = config.evaluation
    if settings.when == "none" or not settings.tasks:
        return
    device.choose(settings.device)
    for name in expand(settings.tasks):
        load_task(name, settings).items(places.given(settings.data), 1, suite="fast", rules=config.rules)
