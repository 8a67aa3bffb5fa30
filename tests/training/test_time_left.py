"""The time that a run still takes is told right within a third from a tenth of the run on."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from babylm.training.callbacks.throughput import log_interval
from babylm.training.time_left import TimeLeft

from . import runs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("state", [0.0, 5.0])
@pytest.mark.parametrize("tasks", [0.0, 30.0])
@pytest.mark.parametrize("compiling", [0.0, 40.0])
@pytest.mark.parametrize("slower", [1.0, 2.0])
def test_left_is_right_within_a_third_from_a_tenth_of_the_run_on(state, tasks, compiling, slower):
    """Milestones as the strict-small track has them: ten in the first tenth, nine in the rest; a machine that slows."""
    steps = 1000
    due = {*range(10, 110, 10), *range(200, 1100, 100)}
    flops = np.concatenate([[0.0], np.cumsum(np.where(np.arange(steps) < 600, 1.0, 1.2))])
    clock = Clock()
    left = TimeLeft(lambda step: float(flops[step]), steps, {"state": due, "tasks": due, "never seen": {steps}}, clock)
    left.mark(0)
    told = {}
    for step in range(1, steps + 1):
        clock.now += (flops[step] - flops[step - 1]) * (slower if step > 50 else 1.0) + (compiling if step == 1 else 0)
        if step == 1 or step % 10 == 0:
            left.mark(step)
            told[step] = (clock.now, left.seconds(step))
        if step in due:
            with left.pause("state"):
                clock.now += state
                with left.pause("inner"):
                    clock.now += 0.5 * state
            with left.pause("tasks"):
                clock.now += tasks
    for step, (when, seconds) in told.items():
        true = clock.now - when
        # The milestone of the step itself comes after its line.
        if 0.1 * steps < step < 0.97 * steps and not (slower > 1 and step < 300):
            assert abs(seconds - true) <= true / 3, (step, seconds, true)
    assert told[steps][1] == 0


def test_the_first_step_does_not_count_for_the_speed():
    clock = Clock()
    left = TimeLeft(float, 10, {}, clock)
    left.mark(0)
    assert left.seconds(0) == 0
    clock.now += 100
    left.mark(1)
    assert left.seconds(1) == 900
    clock.now += 1
    left.mark(2)
    assert left.seconds(2) == 8


def test_the_first_step_is_logged_and_the_interval_follows_the_length(tmp_path):
    folder = runs.run(tmp_path, "training.log_every=null")
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 18))
    text = (folder / "log.txt").read_text()
    assert re.search(r"^ +1/17 .* \d+s$", text, flags=re.MULTILINE)
    assert [log_interval(None, n) for n in (1, 59, 161, 640, 1000, 2500, 9690, 10**6)] == [1, 1, 5, 20, 20, 50, 50, 50]
    assert log_interval(7, 10**6) == 7
