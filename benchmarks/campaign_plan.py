"""What the campaign (campaign.py) is made of: its questions and runs, what they cost, and its tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORDS, TOKENS_A_WORD = 9_949_723, 1.576
"""Of the official text with 16,384 entries (docs/results.md); for --dry-run alone."""
BOTH, CAUSAL = ("causal", "masked"), ("causal",)


@dataclass(frozen=True)
class Scale:
    """What the campaign is made of."""

    config: str
    common: tuple[str, ...]
    compare: tuple[str, ...]
    rounds: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...]
    """(question, key, values of which the first is the recipe's, modes whose loss decides)."""
    seeds: tuple[int, ...]
    final: tuple[str, ...]
    speed: dict[str, tuple[str, ...]]
    speed_options: tuple[str, ...]
    fast: tuple[str, ...]
    full: tuple[tuple[str, ...], ...]


GPU = Scale(
    config="configs/strict_small.yaml",
    common=("corpus.dev=corpora/strict_small/dev", "training.log_every=100"),
    compare=("budget.epochs=1", "training.revisions=none", "evaluation.held_out_loss_when=end"),
    rounds=(
        ("weight decay", "optimizer.weight_decay", ("0.4", "0.1", "0.8", "1.2"), BOTH),
        ("share of causal rows", "objective.causal_ratio", ("0.5", "0.75"), BOTH),
        ("position", "model.position", ("rotary", "relative"), BOTH),
        ("width", "model.preset", ("medium", "small", "base"), BOTH),
        ("learning rate", "optimizer.lr", ("0.02", "0.01", "0.03"), BOTH),
        # Hiding whole words makes the masked loss harder by itself: it cannot be compared.
        ("whole words", "objective.whole_words", ("false", "true"), CAUSAL),
    ),
    seeds=(1, 2, 3),
    final=(),
    speed={
        "12x512, 16k tokens per step": (),
        "12x512, 32k tokens per step": ("phases=[{sequence_length: 128, tokens_per_step: 32768}]",),
        "12x768, 16k tokens per step": ("model.preset=base",),
    },
    speed_options=("--steps", "100", "--warm-up", "10", "--profiled", "5"),
    fast=("suite=fast",),
    full=(
        *(("suite=full", "revisions=main", f"rules={rules}") for rules in (2025, 2026)),
        *(("suite=full", "tasks=aoa", f"rules={rules}") for rules in (2025, 2026)),
    ),
)  # fmt: skip
SMOKE = Scale(
    config="configs/smoke.yaml",
    common=("corpus.toy.words=12000", "tokenizer.vocab_size=600", "training.precision=fp32", "training.attention=eager",
            "phases=[{sequence_length: 64, tokens_per_step: 1024}]", "evaluation.tasks=[]",
            "model.num_hidden_layers=2"),
    compare=("budget.words=4000", "training.revisions=none", "evaluation.held_out_loss_when=end", "milestones=[4000]"),
    rounds=(
        ("weight decay", "optimizer.weight_decay", ("0.1", "0.4"), BOTH),
        ("width", "model.intermediate_size", ("344", "256"), BOTH),
        ("whole words", "objective.whole_words", ("false", "true"), CAUSAL),
    ),
    seeds=(1, 2),
    final=("budget.words=8000", "milestones=[4000, 8000]"),
    speed={"2x128, 1k tokens per step": ("budget.words=8000",)},
    speed_options=("--steps", "2", "--warm-up", "1", "--profiled", "1"),
    fast=("tasks=toy_pairs", "limit=5"),
    full=(("tasks=toy_pairs", "suite=full", "revisions=main", "limit=10"),),
)  # fmt: skip


def dry_run(scale: Scale, overrides: Sequence[str], speed: float) -> str:
    """Every run with its FLOPs and time, at ``speed`` tokens a second of the recipe; answers as the recipe has them."""
    from babylm import config as configuration
    from babylm.models.configuration_babylm import BabyLMConfig
    from babylm.tables import text_table
    from babylm.training.setup import flops_per_token

    def cost(changes: Sequence[str]) -> tuple[float, float]:
        made = configuration.load(ROOT / scale.config, [*scale.common, *overrides, *changes])
        fields = configuration.as_dict(made.model)
        fields.pop("preset")
        per_token = flops_per_token(made, BabyLMConfig(**fields, vocab_size=made.tokenizer.vocab_size))
        words = made.budget.words or (made.budget.epochs or 10) * WORDS
        ends = [phase.until for phase in made.phases]
        shares = [end - begin for begin, end in zip([0.0, *ends[:-1]], ends, strict=True)]
        flops = sum(s * per_token(p.sequence_length) for s, p in zip(shares, made.phases, strict=True))
        return words * TOKENS_A_WORD * flops, words * TOKENS_A_WORD

    base_flops, base_tokens = cost(())
    rows, total = [], 0.0

    def add(stage: str, what: str, flops: float, seconds: float) -> None:
        nonlocal total
        total += seconds
        rows.append((stage, what, f"{flops:.2g}" if flops else "", f"{seconds:.0f} s"))

    def train(changes: Sequence[str]) -> tuple[float, float]:
        flops, _ = cost(changes)
        return flops, flops / (base_flops / base_tokens * speed) + 15

    for shape in scale.speed:
        add("speed", f"{shape}, eager and compiled", 0, 150)
    seen = set()
    for question, key, values, _ in scale.rounds:
        for value in values:
            changes = [] if value == values[0] else [f"{key}={value}"]
            if str(changes) not in seen:
                flops, seconds = train([*scale.compare, *changes])
                add("compare", f"{question}: {value}", flops, seconds + 60)
            seen.add(str(changes))
    for seed in scale.seeds[1:]:
        flops, seconds = train([*scale.compare, f"seed={seed}"])
        add("compare", f"seed {seed}", flops, seconds + 60)
    for seed in scale.seeds:
        flops, seconds = train([*scale.final, f"seed={seed}"])
        add("final", f"the winner, seed {seed}", flops, seconds + 20)
        add("score", f"fast suite at each revision, full suite at the end, seed {seed}", 0, 20 * 25 + 600)
    table = text_table(("stage", "run", "FLOPs", "time"), rows)
    return (
        f"{table}\n{total / 3600:.2f} hours at {speed:,.0f} tokens/s of the recipe, 15 s to start a run, a minute to\n"
        "score one in both ways, 25 s for the fast suite of a revision and 10 minutes for a full one with fine-tuning\n"
        "(assumed, not measured). Answers other than the recipe's change the later runs."
    )


def log_rows(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A Markdown table of comparisons."""
    from babylm.tables import markdown_table

    lines = []
    for row in rows:
        loss = [f"{row['loss'][mode]:.4f}" if mode in row["loss"] else "failed" for mode in BOTH]
        fast = [f"{100 * mean(row['fast'][s].values()):.2f}" if s in row["fast"] else "" for s in ("causal", "mntp")]
        speed = f"{row['speed']:,.0f}" if "speed" in row else ""
        changes = " ".join(row["changes"]) or "none"
        mark = "chosen" if row["chosen"] else ""
        lines.append([row["question"], f"`{changes}`", *loss, *fast, speed, mark])
    titles = ("question", "changes", "causal", "masked", "fast, causal", "fast, MNTP", "tokens/s", "")
    return markdown_table(titles, lines, left=(0, 1, 7)).splitlines()


def baselines(folders: Sequence[Path], rules: int, scorer: str) -> list[str]:
    """A Markdown table: mean and range of our seeds (their evaluation folders), then the published rows."""
    from babylm.evaluation.results.averages import GLUE, official_averages
    from babylm.reporting import baselines
    from babylm.tables import markdown_table

    runs: list[dict[str, float]] = []
    for folder in folders:
        found: dict[str, float] = {}
        for file in [*folder.glob(f"main/*.full.{rules}.*.json"), *folder.glob(f"aoa.full.{rules}.*.json")]:
            if file.name.split(".")[-2] in (scorer, "tuned"):
                stored = json.loads(file.read_text())
                value = stored["score"] if file.parent == folder else stored["official"]
                if value is not None and (file.name.split(".")[0] != "aoa" or file.parent == folder):
                    found[file.name.split(".")[0]] = 100 * value
        if all(task in found for task in GLUE):
            found["glue"] = mean([found[task] for task in GLUE])
        for key, one in official_averages({k: v / 100 for k, v in found.items()}, rules).items():
            if one.value is not None and not one.missing:
                found[key] = 100 * one.value
        runs.append(found)
    columns = list(baselines.COLUMNS[rules])
    columns += sorted({task for found in runs for task in found} - set(columns) - set(GLUE))
    cells = []
    for column in columns:
        values = [found[column] for found in runs if column in found]
        shown = f"{mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "-"
        cells.append(shown + (f", {len(values)} of {len(runs)}" if 0 < len(values) < len(runs) else ""))
    lines = [[f"ours, mean (range) of {len(runs)} seeds", *cells]]
    for one in baselines.of("strict-small", rules):
        scores = ["-" if value is None else f"{value:g}" for value in one.scores]
        lines.append([one.name, *scores, *["-"] * (len(columns) - len(scores))])
    return markdown_table(("", *columns), lines).splitlines()


def mean(values: Iterable[float]) -> float:
    """NaN for none."""
    values = list(values)
    return sum(values) / len(values) if values else float("nan")
