"""Training speed: ours against Hugging Face's Trainer with GPT-2, on one machine, same shape, batch and tokens.

    python benchmarks/train_speed.py [--device cuda] [--rounds 5] [--steps 2] [--only ours,gpt2-best]

Each contender trains in a process of its own, through its own Trainer with its real loop (loader, loss, optimizer,
logging), and waits between turns: turns are interleaved, so a busy machine slows all alike, and ratios are medians over
rounds. All read packed rows of random tokens, and a step is the same number of tokens for all.

ours       the package's defaults (hybrid objective, Muon; precision and attention chosen by probe, no compile)
ours-best  with training.compile
ours-causal  the same with every row causal: all its positions are asked, as GPT-2's are
gpt2       transformers' Trainer and GPT-2 at their defaults (fp32)
gpt2-best  the same with bf16, torch_compile and the fused optimizer

transformers' Trainer needs the package accelerate, which this project does not: pip install -e .[bench].
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONTENDERS = ("ours", "ours-best", "ours-causal", "gpt2", "gpt2-best")
SHAPES = {"cpu": (12, 384, 6, 1024), "cuda": (12, 512, 8, 1408)}
"""Layers, width, heads, inner width of our gated feed-forward; GPT-2's own of 4 x width has as many weights."""
WARM_UP = 3
BOS, PAD, MASK, FIRST = 0, 2, 3, 16


def arguments() -> argparse.Namespace:
    """The command line; sizes not given follow the device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="optimizer steps a turn")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=16_384, help="tokens per step")
    parser.add_argument("--accumulate", type=int, help="batches a step is cut into")
    parser.add_argument("--vocabulary", type=int, default=16_384)
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--only", default=",".join(CONTENDERS), help="contenders, in order")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.steps = given.steps or (1 if given.device == "cpu" else 100)
    given.accumulate = given.accumulate or (4 if given.device == "cpu" else 1)
    return given


class Turns:
    """Inside a contender: after the warm-up, wait for the parent before each turn and report its seconds."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.done = given, 0

    def after_step(self) -> None:
        """Call after each optimizer step."""
        self.done += 1
        turned = self.done - WARM_UP
        if turned < 0 or turned % self.given.steps:
            return
        self._synchronize()
        if turned:
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(f"seconds {time.perf_counter() - self.begin} {time.process_time() - self.cpu} {peak}", flush=True)
        else:
            print("ready", flush=True)
        if sys.stdin.readline().strip() != "go":
            os._exit(0)
        self.begin, self.cpu = time.perf_counter(), time.process_time()

    def _synchronize(self) -> None:
        if self.given.device == "cuda":
            import torch

            torch.cuda.synchronize()


def train_ours(given: argparse.Namespace, best: bool, objective: str = "hybrid") -> None:
    """The package's own module, plan and trainer over random tokens."""
    import numpy as np
    import torch

    from babylm import console, hardware, objectives, registry, run_folder
    from babylm.batches import plan
    from babylm.batches.stream import TokenStream
    from babylm.config.schema import Config, ObjectiveConfig, PhaseConfig
    from babylm.models.configuration_babylm import BabyLMConfig
    from babylm.models.flops import training_flops_per_token
    from babylm.training.attention_backend import choose
    from babylm.training.callbacks.base import StepCallback
    from babylm.training.setup import TrainingSetup
    from babylm.training.trainer import build_module, build_trainer, fit

    layers, width, heads, inner = SHAPES[given.device]
    shape = BabyLMConfig(
        vocab_size=given.vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner, max_position_embeddings=given.length,
    )  # fmt: skip

    class Corpus:
        generator = np.random.default_rng(0)
        offsets = np.concatenate(([0], np.cumsum(generator.integers(20, 400, 10_000))))
        tokens = generator.integers(FIRST, given.vocabulary, int(offsets[-1])).astype(np.uint16)
        words = generator.integers(0, 2, int(offsets[-1])).astype(np.uint8)

    class Watch(StepCallback):
        def after_step(self, *_: Any) -> None:
            turns.after_step()

    turns = Turns(given)
    config = Config(track="free", phases=[PhaseConfig(1.0, given.length, given.tokens)])
    config.objective = registry.settings("objectives", objective, ObjectiveConfig)(name=objective)
    config.training.compile, config.training.accumulate_grad_batches = best, given.accumulate
    config.training.revisions = config.evaluation.when = config.evaluation.held_out_loss_when = "none"
    config.budget.epochs = 50
    device = torch.device(given.device)
    special = objectives.SpecialTokens(BOS, PAD, MASK, given.vocabulary, FIRST)
    planned = plan.build(
        TokenStream(Corpus(), bos=BOS, pad=PAD, seed=1),
        phases=config.phases,
        budget=config.budget,
        track=config.track,
        flops_per_token=lambda length: training_flops_per_token(shape, length),
    )
    arithmetic, _ = hardware.choose_precision("auto", device)
    dtype = torch.bfloat16 if arithmetic == "bf16" else torch.float32
    attention, why = choose(shape, device, dtype, length=given.length)
    print(f"note {arithmetic}, attention {attention}: {why}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        quiet = console.Log(quiet=True)
        setup = TrainingSetup(
            config=config,
            corpus=None,  # type: ignore[arg-type]
            special=special,
            shape=shape,
            objective=objectives.build(config.objective, special),
            feed=planned,
            folder=run_folder.RunFolder(Path(folder)),
            log=quiet,
            device=device,
            precision=arithmetic,
            attention=attention,
        )
        module = build_module(setup)
        trainer, _ = build_trainer(setup, module)
        trainer.callbacks.append(Watch())
        fit(trainer, setup, module)


def train_gpt2(given: argparse.Namespace, best: bool) -> None:
    """transformers' Trainer with GPT-2 of the same shape."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

    layers, width, heads, _ = SHAPES[given.device]
    shape = GPT2Config(
        vocab_size=given.vocabulary, n_positions=given.length, n_embd=width, n_layer=layers, n_head=heads,
        bos_token_id=BOS, eos_token_id=BOS,
    )  # fmt: skip
    model = GPT2LMHeadModel(shape)

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 10_000_000

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            generator = torch.Generator().manual_seed(index)
            row = torch.randint(FIRST, given.vocabulary, (given.length,), generator=generator)
            return {"input_ids": row, "labels": row}

    turns = Turns(given)

    class Watch(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            turns.after_step()

    fast: dict[str, Any] = {"bf16": True, "torch_compile": True, "optim": "adamw_torch_fused"} if best else {}
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder,
            use_cpu=given.device == "cpu",
            per_device_train_batch_size=given.tokens // given.length // given.accumulate,
            gradient_accumulation_steps=given.accumulate,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_steps=50,
            max_steps=1_000_000,
            **fast,
        )
        print(f"note optimizer {settings.optim}", flush=True)
        Trainer(model=model, args=settings, train_dataset=Rows(), callbacks=[Watch()]).train()


def compete(given: argparse.Namespace) -> None:
    """The parent: start the contenders one after the other, then give them turns."""
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")])
    children: dict[str, subprocess.Popen[str]] = {}
    try:
        for name in given.only.split(","):
            begin = time.perf_counter()
            child = children[name] = subprocess.Popen(
                [sys.executable, *sys.argv, "--contender", name],
                env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            notes = _answer(child, "ready")
            print(f"{name}: ready after {time.perf_counter() - begin:.0f} s; {notes}", flush=True)
        results: dict[str, list[list[float]]] = {name: [] for name in children}
        for turn in range(given.rounds):
            for name, child in children.items():
                assert child.stdin is not None
                child.stdin.write("go\n")
                child.stdin.flush()
                values = [float(value) for value in _answer(child, "seconds").split()]
                results[name].append(values)
                speed = given.tokens * given.steps / values[0]
                print(f"round {turn + 1} {name:10} {speed:12,.0f} tokens/s, {values[1]:8.2f} CPU s", flush=True)
    finally:
        for child in children.values():
            child.kill()
    _report(given, results)


def _answer(child: subprocess.Popen[str], word: str) -> str:
    """What the child says after ``word``, or its notes before it."""
    notes = ""
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(word):
            return line[len(word) :].strip() or notes
        if line.startswith("note "):
            notes = line[5:].strip()
    sys.exit(f"a contender ended without {word!r}; run it with --contender NAME to see why")


def _report(given: argparse.Namespace, results: dict[str, list[list[float]]]) -> None:
    layers, width, heads, _ = SHAPES[given.device]
    print(
        f"\n{layers}x{width}, {heads} heads, vocabulary {given.vocabulary}, rows of {given.length}, "
        f"{given.tokens} tokens per step, {given.accumulate} batches, {given.device}; median of {given.rounds} rounds"
    )
    tokens = given.tokens * given.steps
    peak = _peak() if given.device == "cuda" else None
    # Per token, for both: six times the weights, and the full square of attention.
    flops = 6 * (layers * (12 * width * width + 2 * given.length * width) + width * given.vocabulary)
    for name, turns in results.items():
        speed = statistics.median(tokens / wall for wall, _, _ in turns)
        line = f"{name:10} {speed:12,.0f} tokens/s   {turns[-1][2]:5.1f} GB"
        if peak:
            line += f"   MFU {100 * speed * flops / peak:4.1f} % (full head counted)"
        print(line)
    for ours, theirs in itertools.product(CONTENDERS[:3], CONTENDERS[3:]):
        if ours in results and theirs in results:
            pairs = list(zip(results[ours], results[theirs], strict=True))
            wall, cpu = (statistics.median(right[i] / left[i] for left, right in pairs) for i in (0, 1))
            print(f"{ours} / {theirs}: {wall:.2f}x by the clock, {cpu:.2f}x by CPU time")


def _peak() -> float | None:
    import torch

    from babylm.training.callbacks.throughput import peak_flops

    return peak_flops(torch.device("cuda"))


def main() -> None:
    """Run the parent, or one contender."""
    given = arguments()
    if given.contender is None:
        return compete(given)
    if given.contender.startswith("ours"):
        from babylm import cli

        cli.share_cores()  # as the package's commands do; torch's own setting is left to the others
    import torch

    if given.threads:
        torch.set_num_threads(given.threads)
    if given.contender == "ours-causal":
        train_ours(given, best=True, objective="causal")
    elif given.contender.startswith("ours"):
        train_ours(given, best=given.contender == "ours-best")
    else:
        train_gpt2(given, best=given.contender == "gpt2-best")


if __name__ == "__main__":
    main()
