"""What a recipe search is made of: questions, values, runs, their scores; for a GPU, a CPU core, in miniature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

BOTH, CAUSAL = ("causal", "masked"), ("causal",)
SUITE: tuple[str, ...] = ()
"""No mode: the fast suite alone decides, as the values change what the held-out loss means."""


@dataclass(frozen=True)
class Question:
    """One setting with the values that are tried."""

    title: str
    key: str
    values: tuple[str, ...]
    """The first is the recipe's."""
    modes: tuple[str, ...] = BOTH
    """Modes whose held-out loss decides."""


class Costs(NamedTuple):
    """What the estimates of ``dry_run`` assume: the recipe's speed, and seconds of everything else."""

    tokens_per_second: float
    start: float
    """Of a run."""
    fast: float
    """The fast suite of one revision, in all ways in which a compared run is scored."""
    fast_all: float
    """The fast suite of all revisions."""
    full: float
    """The full suite with fine-tuning by one year's rules."""
    combined: float
    """A task over all revisions."""
    speed: float
    """To measure one speed."""


@dataclass(frozen=True)
class Scale:
    """Overrides of each stage's runs, and the options of `babylm.evaluate` as they are written on a command line."""

    config: str
    common: tuple[str, ...]
    """Of all runs."""
    compare: tuple[str, ...]
    """Of the runs that are compared."""
    questions: tuple[Question, ...]
    """Asked in this order, each from the best answers so far."""
    final: tuple[str, ...]
    """Of the winner's runs."""
    speed: dict[str, tuple[str, ...]]
    """Shape -> overrides of its speed measurement."""
    compiled: tuple[str, ...]
    """Values of ``training.compile`` whose speed is measured."""
    speed_options: tuple[str, ...]
    """Of ``benchmarks/profile_step.py``."""
    fast: tuple[str, ...]
    """Scores a run that is compared, and each revision of a final one."""
    full: tuple[tuple[str, ...], ...]
    """Score a final run."""
    backends: tuple[str, ...] = ("causal", "mntp")
    """How the fast suite scores a run that is compared."""
    costs: Costs = Costs(800_000.0, 15, 60, 20 * 25, 250, 50, 75)
    """Assumed for a GPU, measured on a free core for the others."""
    sample_words: int = 0
    """Runs read every k-th document of the text, about this many words; 0: all of it."""
    dev_words: int = 0
    """The same of the held-out text, if the text is a sample."""


GPU = Scale(
    config="configs/strict_small.yaml",
    common=("corpus.dev=corpora/strict_small/dev", "training.log_every=100"),
    compare=("budget.epochs=1", "training.revisions=none", "evaluation.held_out_loss_when=end"),
    questions=(
        Question("weight decay", "optimizer.weight_decay", ("0.1", "0.05", "0.2", "0.4")),
        Question("where rows begin", "corpus.rows", ("anywhere", "lines")),
        Question("what a document is", "corpus.documents", ("blocks", "lines"), SUITE),
        Question("share of causal rows", "objective.causal_ratio", ("0.5", "0.75", "0.875")),
        Question("dropout", "model.dropout", ("0.1", "0.0")),
        Question("position", "model.position", ("rotary", "relative")),
        Question("width", "model.preset", ("medium", "small", "base")),
        Question("learning rate", "optimizer.lr", ("0.02", "0.01", "0.03")),
        # Hiding whole words makes the masked loss harder by itself: it cannot be compared.
        Question("whole words", "objective.whole_words", ("false", "true"), CAUSAL),
    ),
    final=(),
    speed={
        "12x512, 16k tokens per step": (),
        "12x512, 32k tokens per step": ("phases=[{sequence_length: 128, tokens_per_step: 32768}]",),
        "12x768, 16k tokens per step": ("model.preset=base",),
    },
    compiled=("false", "true"),
    speed_options=("--steps", "100", "--warm-up", "10", "--profiled", "5"),
    fast=("suite=fast",),
    full=(
        *(("suite=full", "revisions=main", f"rules={rules}") for rules in (2025, 2026)),
        *(("suite=full", "tasks=aoa", f"rules={rules}") for rules in (2025, 2026)),
    ),
)
SMOKE = Scale(
    config="configs/smoke.yaml",
    common=(
        *("corpus.toy.words=12000", "tokenizer.vocab_size=600", "training.precision=fp32", "training.attention=eager"),
        *("phases=[{sequence_length: 64, tokens_per_step: 1024}]", "evaluation.tasks=[]", "model.num_hidden_layers=2"),
    ),
    compare=(
        *("budget.words=4000", "training.revisions=none", "evaluation.held_out_loss_when=end", "milestones=[4000]"),
    ),
    questions=(
        Question("weight decay", "optimizer.weight_decay", ("0.1", "0.4")),
        Question("width", "model.intermediate_size", ("344", "256")),
        Question("whole words", "objective.whole_words", ("false", "true"), CAUSAL),
    ),
    final=("budget.words=8000", "milestones=[4000, 8000]"),
    speed={"2x128, 1k tokens per step": ("budget.words=8000",)},
    compiled=("false",),
    speed_options=("--steps", "2", "--warm-up", "1", "--profiled", "1"),
    fast=("tasks=toy_pairs", "limit=5"),
    full=(("tasks=toy_pairs", "suite=full", "revisions=main", "limit=10"),),
    costs=Costs(5_000.0, 1, 1, 1, 1, 1, 4),
)
CPU = Scale(
    config="configs/laptop.yaml",
    common=(
        *("track=free", "corpus.dev=corpora/strict_small/dev", "training.log_every=50", "tokenizer.vocab_size=4096"),
        *("model.preset=smoke", "model.dropout=0.0", "milestones=[2_000_000]"),
        "phases=[{sequence_length: 128, tokens_per_step: 1024}]",
    ),
    compare=("budget.epochs=10", "training.revisions=none", "evaluation.held_out_loss_when=end"),
    questions=(
        # Decay acts by rate x decay x steps: 1.0 in these 3,500 steps is what 0.4 is in the 9,690 of strict_small.yaml.
        Question("weight decay", "optimizer.weight_decay", ("0.1", "0.4", "1.0", "0.05", "0.2")),
        Question("share of causal rows", "objective.causal_ratio", ("0.5", "0.75", "0.875")),
        Question("dropout", "model.dropout", ("0.0", "0.1")),
        Question("where rows begin", "corpus.rows", ("anywhere", "lines")),
        Question("what a document is", "corpus.documents", ("blocks", "lines"), SUITE),
    ),
    final=("budget.epochs=10",),
    speed={},
    compiled=(),
    speed_options=(),
    fast=("suite=fast", "tasks=blimp,supplement", "limit=100"),
    full=(),
    backends=("causal",),
    costs=Costs(8_700.0, 15, 30, 0, 0, 0, 0),
    sample_words=200_000,
    dev_words=15_000,
)
SCALES = {"gpu": GPU, "cpu": CPU, "smoke": SMOKE}
