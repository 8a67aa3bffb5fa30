"""How several devices share a run: DDP (each has all parameters) or FSDP2 (each has a shard of every parameter).

Both make the step that one device makes: the same rows, the sum of all gradients, the same update up to rounding.
"""

from __future__ import annotations

import datetime
import os
from typing import Any

from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from babylm import processes
from babylm.models.transformer import BabyLMModel

TIMEOUT = datetime.timedelta(days=2)
"""Longest wait for another process: the first one may score tasks for hours. A dead one is noticed by
`babylm.training.peers`, not by this."""


def build(name: str, devices: int, nodes: int) -> Strategy | str:
    """Lightning's strategy for ``training.strategy``; one device needs none."""
    if devices * nodes == 1:
        return "auto"
    if name == "fsdp":
        return ModelParallelStrategy(data_parallel_size=devices * nodes, tensor_parallel_size=1, timeout=TIMEOUT)
    return DDPStrategy(timeout=TIMEOUT)


def cluster_environment() -> ClusterEnvironment:
    """Who has started the processes. Lightning's own guess takes any job of SLURM for one that srun has started."""
    launch = processes.launched()
    if launch is None:
        return LightningEnvironment()
    if launch.launcher == "torchrun":
        return TorchElasticEnvironment()
    # Lightning wants the number that srun leaves out if the user gave the number of all tasks.
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(launch.processes // launch.nodes))
    return SLURMEnvironment(auto_requeue=False)


def shard(module: Any, mesh: DeviceMesh) -> None:
    """Shard the parameters of a `Pretraining` over the processes of ``mesh``.

    Each block is gathered when it computes; embedding, head (often one tensor) and all else for the whole step. The
    names of the parameters stay what they are.
    """
    for model in module.network.modules():
        # DenseFormer calls the halves of its blocks, which FSDP's hooks do not see: it is gathered as a whole.
        if not isinstance(model, BabyLMModel) or model.depth_mix is not None:
            continue
        for number, block in enumerate(model.blocks):
            if model.compiled is not None:  # the hooks stay outside of what is compiled
                (block.forward,) = model.compiled[number]
            fully_shard(block, mesh=mesh)
        model.compiled = None
    # The root is the whole step, not the network's forward: objectives call other methods of the network.
    fully_shard(module, mesh=mesh)
    register_fsdp_forward_method(module, "training_step")
