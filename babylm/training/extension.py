"""A run made longer: the same command with a larger budget goes on after the old budget's last word.

What was read and learnt by then stays as it was planned; what follows is read in the last phase's shape, and every
schedule keeps the value that it ended with. So it is not the run that the larger budget would have given from the
start, and it is allowed only where the schedule ended with a rate above zero.
"""

from __future__ import annotations

from typing import Any

from babylm import files, schedules
from babylm.config.schema import Config
from babylm.run_folder import RunFolder

EARLIER = "earlier budgets"
"""Key of ``identity.json``: words of the budgets that the run had before, ascending."""


def earlier_budgets(folder: RunFolder, identity: dict[str, Any]) -> list[int]:
    """The budgets, in words, that the run in ``folder`` had before the one of ``identity``; empty for a new run.

    The budget it has now is among them when ``identity`` differs from the stored one in nothing but a budget.
    """
    if not folder.known:
        return []
    # In this order: another rank may be making the run longer now, and it writes the identity before the plan.
    plan_file = folder.path / "plan.json"
    words = int(files.read_json(plan_file)["words"]) if plan_file.is_file() else None
    stored = files.read_json(folder.identity)
    earlier = list(stored.pop(EARLIER, []))
    differing = {key for key in stored.keys() | identity.keys() if stored.get(key) != identity.get(key)}
    if words is not None and differing and all(key.startswith("budget.") for key in differing):
        earlier.append(words)
    return earlier


def check(config: Config, earlier: list[int], words: int) -> None:
    """``ValueError`` when a run of ``earlier`` budgets cannot go on to ``words`` words, with what to do instead."""
    if not earlier:
        return
    reasons = []
    if schedules.shape(config.schedule, 1.0) == 0:
        reasons.append(f"schedule.name={config.schedule.name} has brought the learning rate to zero at the end")
    if config.averaging.name == "tail":
        reasons.append("averaging.name=tail has averaged the end of the run")
    if reasons:
        raise ValueError(
            f"budget: the run cannot go on to {words:,} words: {' and '.join(reasons)}. Start another run from its "
            f"weights (name=... init_from={config.checkpoints}/{config.name}/main), or plan it with a schedule that "
            "does not end at zero (schedule.name=constant, or schedule.final_lr_factor above 0)"
        )


def describe(earlier: list[int], words: int) -> str:
    """What a person is told before a run goes on with a larger budget."""
    return (
        f"made longer: from {earlier[-1]:,} to {words:,} words, with the learning rate and mask rate that the schedule "
        "ended with. By the rules this is one run: all its words count, as does the choice to make it longer if it was "
        "made by a test score. main is the model of the shorter run until the longer one ends"
    )
