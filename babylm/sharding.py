"""Tensors of which every process has a shard (FSDP2): what is computed on shards, and what needs the whole tensor.

Every function takes plain tensors too, and returns them as they are: a run on one device computes what it always did.
Those marked *collective* must be called by all processes, in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate, Shard


def local(tensor: Tensor) -> Tensor:
    """The memory of this process's shard: changing it changes the tensor. Without gradients."""
    with torch.no_grad():
        return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def full(tensor: Tensor) -> Tensor:
    """The whole tensor (collective)."""
    with torch.no_grad():
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gather(tree: Any, keep: bool = True) -> Any:
    """Nested dicts and lists with all tensors whole, on the host if they were shards (collective).

    ``keep``: False for a process that only helps to gather, which gets None in their place.
    """
    if isinstance(tree, DTensor):
        whole = full(tree)
        return whole.cpu() if keep else None
    if isinstance(tree, Mapping):
        return {key: gather(value, keep) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(gather(value, keep) for value in tree)
    return tree


def like(value: Tensor, parameter: Tensor) -> Tensor:
    """The whole ``value``, in the dtype, on the device and, if ``parameter`` is sharded, in the shards of it."""
    value = value.to(parameter.device, parameter.dtype)
    if not isinstance(parameter, DTensor):
        return value
    # Every process has the whole value, so each takes its part of it and nothing is sent.
    replicated = DTensor.from_local(value, parameter.device_mesh, [Replicate()], run_check=False)
    return replicated.redistribute(placements=parameter.placements)


def load(module: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """`torch.nn.Module.load_state_dict` from whole tensors."""
    parameters = dict(module.named_parameters(remove_duplicate=False))
    module.load_state_dict(
        {name: like(value, parameters[name]) if name in parameters else value for name, value in state.items()}
    )


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """`torch.optim.Optimizer.load_state_dict` from whole tensors: those of a parameter's shape are sharded like it."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    by_parameter = {
        number: {
            name: like(value, parameters[number])
            if isinstance(value, Tensor) and value.shape == parameters[number].shape
            else value
            for name, value in values.items()
        }
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": by_parameter})


def is_sharded(tensor: Tensor) -> bool:
    """Whether this process has a shard of it alone."""
    return isinstance(tensor, DTensor)


def gather_stack(stacked: Tensor, parameter: Tensor) -> Tensor:
    """(n, *shape) of n whole tensors, sharded as ``parameter``, from this process's shards (n, ...) (collective)."""
    if not isinstance(parameter, DTensor):
        return stacked
    shape = torch.Size((len(stacked), *parameter.shape))
    stride = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(
        stacked, parameter.device_mesh, _stacked(parameter), run_check=False, shape=shape, stride=stride
    ).full_tensor()


def unstack(whole: Tensor, parameter: Tensor) -> list[Tensor]:
    """This process's shards of n whole tensors (n, *shape), sharded as ``parameter``."""
    if isinstance(parameter, DTensor):
        replicated = DTensor.from_local(whole, parameter.device_mesh, [Replicate()], run_check=False)
        whole = replicated.redistribute(placements=_stacked(parameter)).to_local()
    return list(whole.unbind())


def norms(shards: Sequence[Tensor], parameter: Tensor) -> Tensor:
    """(n,) Euclidean norms of n whole tensors, sharded as ``parameter``, from this process's shards (collective)."""
    lengths = torch.stack(torch._foreach_norm(list(shards)))
    if not isinstance(parameter, DTensor):
        return lengths
    squares = lengths.square()
    dist.all_reduce(squares, group=parameter.device_mesh.get_group())
    return squares.sqrt()


def _stacked(parameter: DTensor) -> list[Shard]:
    """The placements of tensors like ``parameter`` with one more dimension in front."""
    (placement,) = parameter.placements
    assert isinstance(placement, Shard)
    return [Shard(placement.dim + 1)]
