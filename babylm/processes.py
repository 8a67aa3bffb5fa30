"""The processes that train one run together: how many there are, and which one this is.

torchrun and srun start all of them and say so in the environment; else the command starts the others itself, as
`training.devices` says (Lightning, on this machine alone).
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """Processes that torchrun or srun has started."""

    launcher: str
    processes: int
    nodes: int


def launched() -> Launch | None:
    """What torchrun or srun has started, with this process among it; None if this process was started alone."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        processes = _number("WORLD_SIZE")
        return Launch("torchrun", processes, processes // _number("LOCAL_WORLD_SIZE"))
    # Of the step that srun started: SLURM_NTASKS and SLURM_PROCID are also set in a job script that starts one process.
    if _number("SLURM_STEP_NUM_TASKS") > 1:
        return Launch("srun", _number("SLURM_STEP_NUM_TASKS"), _number("SLURM_STEP_NUM_NODES"))
    return None


def global_rank() -> int:
    """The number of this process among those of the run; 0 if it is alone."""
    launch = launched()
    if launch is not None and launch.launcher == "srun":
        return _number("SLURM_PROCID", 0)
    return _number("RANK", 0) or local_rank()


def local_rank() -> int:
    """The number of this process among those of the run on this machine; 0 if it is alone."""
    launch = launched()
    if launch is not None and launch.launcher == "srun":
        return _number("SLURM_LOCALID", 0)
    return _number("LOCAL_RANK", 0)


def layout(devices: int | None, nodes: int | None) -> tuple[int, int]:
    """(processes per node, nodes) of the run, for the settings ``training.devices`` and ``training.nodes``.

    Raises:
        ValueError: The settings are not what torchrun or srun has started, or several nodes were not started by them.
    """
    launch = launched()
    if launch is None:
        if nodes is not None and nodes > 1:
            raise ValueError(
                f"training.nodes={nodes}: the processes of several nodes are started by srun, or by torchrun on each "
                "node; this one was started alone (docs/cluster.md)"
            )
        return devices or 1, 1
    if launch.processes % launch.nodes:
        raise ValueError(
            f"{launch.launcher} has started {launch.processes} processes on {launch.nodes} nodes: every node must have "
            "as many (srun --ntasks-per-node)"
        )
    per_node = launch.processes // launch.nodes
    for key, value, count in (("devices", devices, per_node), ("nodes", nodes, launch.nodes)):
        if value is not None and value != count:
            raise ValueError(
                f"training.{key}={value}: {launch.launcher} has started {per_node} processes per node on "
                f"{launch.nodes} nodes; leave the setting out, or start as many"
            )
    return per_node, launch.nodes


def world_size(devices: int | None, nodes: int | None) -> int:
    """Processes of the run, over all nodes; errors as of `layout`."""
    per_node, nodes = layout(devices, nodes)
    return per_node * nodes


def _number(name: str, default: int = 1) -> int:
    """A number in the environment; ``default`` if it is not there, ValueError if it is none."""
    value = os.environ.get(name) or default
    try:
        return int(value)
    except ValueError:
        raise ValueError(
            f"{name}={value} in the environment: must be a whole number; unset it, or let srun or torchrun set it"
        ) from None
