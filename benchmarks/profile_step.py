"""Where a training step goes: speed of some steps of a configuration, then a table of its operations by kind.

    python benchmarks/profile_step.py configs/strict_small.yaml training.compile=true [--steps 50] [--profiled 5]
    python benchmarks/profile_step.py configs/smoke.yaml --steps 10 --profiled 2          on a CPU
    python benchmarks/profile_step.py CONFIG --profiled 0 --json speed.json               speed alone

The run's own corpus, plan and loop, but no revision, evaluation or saved state. Speed is measured without the profiler.
On a GPU the table is of kernels, each counted where the operation that launched it belongs; on a CPU of operations,
without what they call. Time from the start of this program to the end of the first step is given too: with
``training.compile`` the second start finds what the first compiled.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BEGIN = time.perf_counter()
KINDS = (
    ("clipping, guard", r"^clip"),
    ("optimizer", r"Optimizer\.step"),
    ("loss", r"_TokenLosses|log_normaliser|scaled_softmax|logsumexp|cross_entropy"),
    ("attention", r"attention|flash|varlen|fmha|softmax|::bmm|baddbmm"),
    ("matmul", r"::(add)?mm\b|::linear|::matmul|gemm|cutlass|nvjet|mkldnn"),
    ("copies", r"copy_|_to_copy|Memcpy|Memset|::cat\b|::contiguous|::clone|::index|::gather|scatter|::fill_|zero_"),
    ("random", r"random|bernoulli|uniform|normal_|::rand|bitwise|rshift"),  # dropout's bits are hashed
    (
        "norm, elementwise",
        r"[Nn]orm|Rotation|::(add|sub|mul|div|pow|gelu|silu|sigmoid|rsqrt|sum|mean|lerp|where|neg|addcmul|cos|sin)|triton",
    ),
    ("indices", r"::(arange|sort|argsort|cumsum|searchsorted|nonzero|topk|eq|ne|lt|gt|le|ge)\b"),
    (
        "views, memory",
        r"::(view|_unsafe_view|reshape|flatten|as_strided|slice|select|t|transpose|permute|expand|unsqueeze|squeeze|"
        r"split|unbind|detach|alias|empty|empty_like|resize_)\b",
    ),
)
"""Kinds of work by the names of an operation, its kernel and what called it; the first that fits counts."""
PARTS = ("forward", "backward", "clip")
"""Ranges that are marked here. Lightning calls them inside the optimizer's step: what called them says nothing."""


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """The command line: a configuration, its overrides, and options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", help="key=value")
    parser.add_argument("--steps", type=int, default=20, help="steps timed")
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--profiled", type=int, default=5, help="steps in the table; 0: no table")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--reference-kernels", action="store_true", help="the plain forms of models/kernels.py")
    given = parser.parse_intermixed_args()
    return given, given.overrides


def kind_of(names: str) -> str:
    """The kind of work that ``names`` tell of."""
    return next((kind for kind, pattern in KINDS if re.search(pattern, names)), "other")


def table_of(events: Any, on_gpu: bool) -> list[tuple[str, float, dict[str, float]]]:
    """(kind, microseconds, microseconds by name) in descending order."""
    kinds: dict[str, dict[str, float]] = {}
    for event in events:
        names, parent = event.name, None if event.name in PARTS else event.cpu_parent
        while parent is not None:
            names, parent = f"{parent.name} {names}", None if parent.name in PARTS else parent.cpu_parent
        spent = [(k.name, k.duration) for k in event.kernels] if on_gpu else [(event.name, event.self_cpu_time_total)]
        for name, microseconds in spent:
            if microseconds > 0:
                own = kinds.setdefault(kind_of(f"{names} {name}"), {})
                own[name] = own.get(name, 0.0) + microseconds
    totals = [(kind, sum(own.values()), own) for kind, own in kinds.items()]
    return sorted(totals, key=lambda row: -row[1])


def mark(module: Any) -> None:
    """Name forward, backward and clipping for the profiler."""
    from torch.profiler import record_function

    def marked(name: str, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with record_function(name):
                return function(*args, **kwargs)

        return call

    module.training_step = marked("forward", module.training_step)
    module.backward = marked("backward", module.backward)
    module.configure_gradient_clipping = marked("clip", module.configure_gradient_clipping)


def use_reference_kernels() -> None:
    """Let the model compute by the plain forms of ``models/kernels.py`` and ``token_loss.py``."""
    from babylm.models import attention, blocks, head, kernels, layers, token_loss

    for module in (attention, blocks, layers):
        for name in ("attention_scores", "mix", "project", "rms_norm", "rms_norm_and_rotate", "rotate"):
            if hasattr(module, name):
                setattr(module, name, getattr(kernels, f"{name}_reference"))
    head.token_losses = lambda *values: token_loss.token_losses_reference(*values[:5])


def measure(config: Any, steps: int, warm_up: int, profiled: int) -> dict[str, Any]:
    """Train ``warm_up + steps + profiled`` steps; speed, MFU (on a GPU whose peak is known), memory and the table."""
    import torch

    from babylm import console, run_folder
    from babylm.corpora.build import prepare
    from babylm.training import trainer
    from babylm.training.callbacks.base import StepCallback
    from babylm.training.callbacks.throughput import peak_flops, peak_memory
    from babylm.training.setup import open_run

    class Watch(StepCallback):
        def __init__(self) -> None:
            self.found: dict[str, Any] = {}
            self.profiler: Any = None

        def after_step(self, loop: Any, module: Any, step: int) -> None:
            if step == 1:
                wait()
                self.found["seconds_to_first_step"] = time.perf_counter() - BEGIN
            if step == warm_up:
                wait()
                self.begin = time.perf_counter()
            if step == warm_up + steps:
                wait()
                self.timed(module, time.perf_counter() - self.begin)
                if profiled:
                    self.profiler = torch.profiler.profile(activities=kinds, acc_events=True)
                    self.profiler.start()
            if step == warm_up + steps + profiled:
                if self.profiler is not None:
                    wait()
                    self.profiler.stop()
                loop.should_stop = True

        def timed(self, module: Any, seconds: float) -> None:
            feed = module.feed
            tokens = feed.tokens_after(last) - feed.tokens_after(warm_up)
            done = feed.flops_after(last) - feed.flops_after(warm_up)
            self.found |= {"tokens_per_second": tokens / seconds, "step_ms": 1e3 * seconds / steps}
            self.found |= {"flops_per_second": done / seconds, "memory_gb": peak_memory(setup.device) / 1e9}
            if (peak := peak_flops(setup.device)) is not None:
                self.found["mfu"] = done / seconds / peak

    def wait() -> None:
        if on_gpu:
            torch.cuda.synchronize()

    last = warm_up + steps
    log = console.Log()
    config.training.dry_run, config.training.revisions = True, "none"
    config.training.log_every = 10**9
    config.evaluation.when = config.evaluation.held_out_loss_when = "none"
    setup = open_run(config, prepare(config.corpus, config.tokenizer, log), log)
    assert setup is not None
    on_gpu = setup.device.type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU] + [torch.profiler.ProfilerActivity.CUDA] * on_gpu
    if setup.feed.length is not None and setup.feed.length < last + profiled:
        raise ValueError(f"the run has {setup.feed.length} steps, {last + profiled} are asked for: --steps, budget")
    with tempfile.TemporaryDirectory() as folder:
        setup.folder = run_folder.RunFolder(Path(folder))
        module = trainer.build_module(setup)
        mark(module)
        loop, resume = trainer.build_trainer(setup, module)
        watch = Watch()
        loop.callbacks.append(watch)  # type: ignore[attr-defined]
        trainer.fit(loop, setup, module)
        resume.release()
    found = {"device": str(setup.device), "precision": setup.precision, "attention": setup.attention, **watch.found}
    found["table"] = table_of(watch.profiler.events(), on_gpu) if profiled else []
    return found


def main() -> int:
    """Measure and print."""
    given, overrides = arguments()
    from babylm import cli, files
    from babylm import config as configuration
    from babylm.tables import text_table

    cli.share_cores()
    if given.reference_kernels:
        use_reference_kernels()
    try:
        found = measure(configuration.load(given.config, overrides), given.steps, given.warm_up, given.profiled)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return cli.EXIT_CONFIG
    total = sum(spent for _, spent, _ in found["table"])
    rows = []
    for kind, spent, own in found["table"]:
        most = ", ".join(name[:40] for name in sorted(own, key=own.__getitem__, reverse=True)[:3])
        rows.append((kind, f"{100 * spent / total:.1f} %", f"{spent / 1e3 / given.profiled:.2f}", most))
    if rows:
        print(text_table(("kind", "share", "ms a step", "most of it"), rows))
    for name, value in found.items():
        if name != "table":
            print(f"{name}: {value:,.4g}" if isinstance(value, float) else f"{name}: {value}")
    if given.json is not None:
        shares = {kind: spent / total for kind, spent, _ in found["table"]}
        files.write_json(given.json, {**found, "table": shares})
    return 0


if __name__ == "__main__":
    sys.exit(main())
