"""What a run reads only after its training, looked at before it: a wrong path is told in a second, not after a day."""

from __future__ import annotations

from babylm import places
from babylm.config.schema import Config
from babylm.evaluation import suite
from babylm.evaluation.results.averages import expand
from babylm.evaluation.scoring import device


def check(config: Config) -> None:
    """``ValueError`` when a task that will be scored lacks its data or its device; `prepare` looks at held-out text."""
    wanted = config.evaluation
    if wanted.at == "none" or not wanted.tasks:
        return
    device.choose(wanted.device)
    for name in expand(wanted.tasks):
        suite.task(name, wanted).items(places.given(wanted.data), 1, suite="fast", rules=config.rules)
