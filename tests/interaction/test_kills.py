"""Killed at any moment of a round (SIGKILL), an interaction that is started again ends as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from babylm.interaction.interact import interact
from tests.interaction.test_dialogue import TALK
from tests.interaction.test_interact import make, weights

KILLS = int(os.environ.get("BABYLM_KILLS", "4"))
"""How often, half of them in dialogues; set BABYLM_KILLS for more."""
CHECKED = ("ledger.json", "rounds/results.json", "rounds/round_0001.jsonl", "rounds/round_0002.jsonl", "plan.json")


def play(folder: Path, words: Sequence[str]) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / "log.txt").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        interact(make(folder, *words))


@pytest.fixture(scope="module")
def processes():
    """Processes that have imported everything already, so that a start costs no seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    first = context.Process(target=time.sleep, args=(0,))  # starts the server, which imports
    first.start()
    first.join()
    return context


@pytest.mark.parametrize("words", [(), TALK], ids=["completions", "dialogues"])
def test_a_round_that_is_killed_at_any_moment_is_finished_the_same(processes, tmp_path, words):
    began = time.monotonic()
    whole = processes.Process(target=play, args=(tmp_path / "whole", words))
    whole.start()
    whole.join(120)
    seconds = time.monotonic() - began
    assert whole.exitcode == 0, (tmp_path / "whole/log.txt").read_text()
    generator = random.Random(1)
    kills = finished = 0
    while kills < KILLS // 2 or not finished:
        folder = tmp_path / f"killed{finished}"
        process = processes.Process(target=play, args=(folder, words))
        process.start()
        process.join(generator.uniform(0, 0.9 * seconds) if kills < KILLS // 2 else 120)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
            continue
        assert process.exitcode == 0, (folder / "log.txt").read_text()[-2000:]
        finished += 1
        made, uninterrupted = folder / "checkpoints/i", tmp_path / "whole/checkpoints/i"
        assert weights(made) == weights(uninterrupted)
        for name in CHECKED:
            assert (made / name).read_bytes() == (uninterrupted / name).read_bytes(), name
