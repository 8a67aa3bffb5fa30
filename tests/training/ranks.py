"""Ranks of one run on this machine, started as torchrun does, but forked: torch is imported once for all of them.

    python -m tests.training.ranks WORLD GROUPS

GROUPS is a JSON file: lists of jobs. Every group has ranks of its own, which make its jobs one after the other. A job
is {"words": the command's words, "rank": the one (default: the last) that gets SIGUSR1 after step "stop", SIGKILL
before step "kill", raises before step "fail", or whose loss is NaN at step "nan", "nodes": of the first job, those that
torchrun would say they are on}. Prints the exit codes of each group's ranks as JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from babylm import config as configuration
from babylm import train
from babylm.training.pretrain import pretrain


def started(rank: int, world: int, nodes: int, port: int) -> dict[str, str]:
    """What torchrun sets in the environment of a rank."""
    per_node = world // nodes
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank % per_node),
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(per_node),
        "GROUP_RANK": str(rank // per_node),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }


def make(job: dict[str, Any], chosen: bool) -> int:
    """One job in this rank; its exit code."""
    config = configuration.load(job["words"][0], job["words"][1:])
    log = train.Log(quiet=os.environ["RANK"] != "0")

    def prepared(setup: Any, module: Any) -> None:
        plain_step = module.optimizer_step

        def step(*args: Any, **kwargs: Any) -> None:
            if chosen and module.completed == job.get("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            if chosen and module.completed == job.get("fail"):
                raise KeyError("planted")
            plain_step(*args, **kwargs)
            if chosen and module.completed == job.get("stop"):
                os.kill(os.getpid(), signal.SIGUSR1)

        plain_loss = module.batch_loss

        def batch_loss(*args: Any, **kwargs: Any) -> Any:
            loss = plain_loss(*args, **kwargs)
            if chosen and module.completed == job.get("nan"):
                loss.total = loss.total * float("nan")
            return loss

        module.optimizer_step, module.batch_loss = step, batch_loss

    return train.exit_code(lambda: pretrain(config, log, prepared=prepared), config, log)


def rank(number: int, world: int, port: int, jobs: list[dict[str, Any]]) -> None:
    os.environ.update(started(number, world, jobs[0].get("nodes", 1), port))
    code = 0
    for job in jobs:
        code = make(job, chosen=number == job.get("rank", world - 1))
    sys.exit(code)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def main(world: int, jobs: list[dict[str, Any]]) -> list[int | None]:
    fork, port = multiprocessing.get_context("fork"), free_port()
    ranks = [fork.Process(target=rank, args=(number, world, port, jobs)) for number in range(world)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    return [process.exitcode for process in ranks]


if __name__ == "__main__":
    print(json.dumps([main(int(sys.argv[1]), jobs) for jobs in json.loads(Path(sys.argv[2]).read_text())]))
