"""What a run reads only after its training, looked at before it: a wrong path is told in a second, not after a day."""

from __future__ import annotations

from babylm import places
from babylm.config.schema import Config
from babylm.evaluation.scoring import device
from babylm.evaluation.task_registry import expand, load_task


def check(config: Config) -> None:
    """``ValueError`` when a task that will be scored lacks its data or its device; `prepare` looks at held-out text."""
    wanted = config.evaluation
    if wanted.when == "none" or not wanted.tasks:
        return
    device.choose(wanted.device)
    for name in expand(wanted.tasks):
        load_task(name, wanted).items(places.given(wanted.data), 1, suite="fast", rules=config.rules)
