"""A run made longer: the same command with a larger budget continues after the old budget's last word.

The steps already made stay as planned; the new ones have the last phase's shape, and every schedule keeps its final
value. So it is not the run that the larger budget would have given from the start, and it is allowed only if the
schedule ended with a rate above zero.
"""

from __future__ import annotations

from typing import Any

from babylm import files, schedules
from babylm.config.schema import Config
from babylm.run_folder import RunFolder

EARLIER = "earlier budgets"
"""Key of ``identity.json``: earlier budgets of the run in words, ascending."""


def earlier_budgets(folder: RunFolder, identity: dict[str, Any]) -> list[int]:
    """The budgets, in words, that the run in ``folder`` had before that of ``identity``; empty for a new run.

    The present budget is included if ``identity`` differs from the stored identity in the budget alone.
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
    """Raise ValueError, with what to do instead, if a run of ``earlier`` budgets cannot continue to ``words`` words."""
    if not earlier:
        return
    reasons = []
    if schedules.shape(config.schedule, 1.0) == 0:
        reasons.append(f"schedule.name={config.schedule.name} has brought the learning rate to zero at the end")
    if config.averaging.name == "tail":
        reasons.append("averaging.name=tail has averaged the end of the run")
    if reasons:
        raise ValueError(
            f"budget: the run cannot continue to {words:,} words: {' and '.join(reasons)}. Start another run from its "
            f"weights (name=... init_from={config.checkpoints}/{config.name}/main), or plan it with a schedule that "
            "does not end at zero (schedule.name=constant, or schedule.final_lr_factor above 0)"
        )


def describe(earlier: list[int], words: int) -> str:
    """The line logged before a run continues with a larger budget."""
    return (
        f"made longer: from {earlier[-1]:,} to {words:,} words, with the learning rate and mask rate that the schedule "
        "ended with. By the rules this is one run: all its words count, as does the choice to make it longer if it was "
        "made by a test score. main is the model of the shorter run until the longer one ends"
    )
