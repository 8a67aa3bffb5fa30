"""How often a compiled layer passes over its activations, forward and backward, by torch inductor's count of bytes.

    python benchmarks/layer_passes.py configs/strict_small.yaml [key=value ...] [--rows 128]

A pass reads and writes one bf16 tensor of (tokens of a step, hidden size). Counted for the second layer in the rows of
the first phase, with the forms of a GPU (one product for several projections, torch's dropout), but fused by inductor's
rules for a CPU: a GPU's kernels can differ in what they fuse, and attention is one operation of torch's. Nothing is
timed. Matrix products and attention are counted apart: what is left is what hand-written kernels could save.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._inductor.graph import GraphLowering

from babylm import config as configuration
from babylm.models import blocks, layers
from babylm.models.attention import packed_layout
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM

LEAST, WIDTH = 0.3, 110
"""Passes of a kernel that is shown, and characters of what it computes."""


def project(x: Tensor, *projections: nn.Linear) -> tuple[Tensor, ...]:
    """`babylm.models.kernels.project` as on a GPU."""
    weight = torch.cat([projection.weight for projection in projections]).to(x.dtype)
    return F.linear(x, weight).split([projection.out_features for projection in projections], dim=-1)


def add_branch(residual: Tensor, branch: Tensor, dropout: float) -> Tensor:
    """`babylm.models.dropout.add_branch` as on a GPU."""
    return residual + (F.dropout(branch, dropout) if dropout else branch)


class Kernel(NamedTuple):
    """One compiled loop, or one call of a library."""

    passes: float
    library: bool
    """A matrix product or attention."""
    computes: str
    """Operations of the graph."""


def count(config: BabyLMConfig, rows: int, length: int) -> dict[str, list[Kernel]]:
    """The kernels of the second layer's forward and backward, the largest first."""
    made: list[Kernel] = []
    compile_graph = GraphLowering.compile_to_module

    def compile_and_count(graph: GraphLowering) -> Any:
        module = compile_graph(graph)
        for node in graph.scheduler.nodes:
            origins = {str(origin) for part in node.get_nodes() for origin in getattr(part.node, "origins", ())}
            passes = node.get_read_write_buffers_sizes() / one_pass
            made.append(Kernel(passes, node.is_extern(), " ".join(sorted(origins))))
        return module

    def counted() -> list[Kernel]:
        kernels = sorted(made, reverse=True)
        made.clear()
        return kernels

    model = BabyLMForCausalLM(config).model.train()
    model.compile_blocks()
    assert model.compiled is not None
    x, x0 = (torch.randn(rows, length, config.hidden_size, dtype=torch.bfloat16, requires_grad=True) for _ in range(2))
    one_pass = 2 * x.numel() * x.element_size()
    split = rows, length, config.num_attention_heads, config.head_dim
    first_value = torch.randn(split, dtype=torch.bfloat16, requires_grad=True)
    documents = torch.zeros(rows, length, dtype=torch.int32)
    layout = packed_layout(documents, torch.zeros(rows, dtype=torch.bool), "sdpa", like=x)
    shared = model._shared_inputs(x, layout, torch.arange(length)[None], None)
    with (
        torch._inductor.config.patch(force_disable_caches=True),  # what is found in a cache is not counted
        mock.patch.object(GraphLowering, "compile_to_module", compile_and_count),
        mock.patch.object(blocks, "project", project),
        mock.patch.object(layers, "project", project),
        mock.patch.object(blocks, "add_branch", add_branch),
    ):
        hidden, value = model.compiled[1][0](x, x0, first_value, None, shared)
        forward = counted()
        (hidden.float().sum() + value.float().sum()).backward()
        return {"forward": forward, "backward": counted()}


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", help="key=value")
    parser.add_argument("--rows", type=int, default=0, help="rows of a step; 0: those of the first phase")
    given = parser.parse_intermixed_args()
    config = configuration.load(given.config, given.overrides)
    fields = configuration.as_dict(config.model)
    fields.pop("preset")
    phase = config.phases[0]
    rows = given.rows or phase.tokens_per_step // phase.sequence_length
    counted = count(BabyLMConfig(**{**fields, "num_hidden_layers": 2}, vocab_size=64), rows, phase.sequence_length)
    for part, kernels in counted.items():
        ours, libraries = (sum(k.passes for k in kernels if k.library == library) for library in (False, True))
        print(f"{part}: {ours:.1f} passes in {len(kernels)} kernels, {libraries:.1f} more by products and attention")
        for kernel in kernels:
            if not kernel.library and kernel.passes >= LEAST:
                print(f"{kernel.passes:8.2f}  {kernel.computes[:WIDTH]}")


if __name__ == "__main__":
    main()
