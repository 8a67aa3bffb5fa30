"""What training logged: losses by mode, learning rate, gradient norm, speed; over words, hours or FLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from babylm import metrics
from babylm.console import duration
from babylm.reporting import charts
from babylm.reporting.blocks import Block, Charts, Figure, Heading, Tabular
from babylm.reporting.charts import Axis, Line
from babylm.reporting.legend import coloured, legend
from babylm.runs import Run
from babylm.tables import Table

OPTIMIZATION = {"lr": ("Learning rate", "learning rate"), "grad_norm": ("Gradient norm", "norm before clipping")}
SPEED = {
    "tokens_per_second": ("Throughput", "tokens per second"),
    "mfu": ("Model FLOPs utilisation", "share of the peak"),
    "memory_gb": ("Peak memory", "GB"),
    "gpu_joules": ("GPU energy", "joules"),
}
NOT_LOSSES = {"step", "words", "epoch", "words_per_second", "flops", "evaluation_seconds", *OPTIMIZATION, *SPEED}
DEV = {"causal": "nats per token", "masked": "nats per masked token", "causal_word": "nats per word"}
NAMES = {"causal_word": "causal, per word", "z": "squared log of the softmax's sum (z-loss)"}
LEARNER = {
    "sequence": ("Loss of the learner", "mean per sequence"),
    "kl": ("KL divergence from the reference (KTO's z)", "nats per sequence"),
    "accuracy": ("Pairs told right", "share of pairs"),
    "clipped": ("Ratios of probabilities beyond the clip range", "share of tokens"),
}
"""Metric of a learner -> title and axis, where its name says too little."""


def training_curves(runs: Sequence[Run]) -> list[Block]:
    """Held-out and training losses first, then how they came about."""
    keys = list(dict.fromkeys(key for run in runs for line in run.metrics for key in line))
    held_out = {
        key: (f"Held-out loss, {NAMES.get(mode, mode)}", DEV.get(mode, "nats"))
        for key in sorted(keys)
        if key.startswith("dev/") and (mode := key.removeprefix("dev/"))
    }
    modes = sorted(key for key in keys if key not in NOT_LOSSES and "/" not in key and key != "loss")
    training = {"loss": ("Training loss", "nats per target")}
    losses = [key for key in modes if {key, f"dev/{key}"} & {*DEV, *NAMES, *held_out}]
    training |= {
        key: (f"Training, {NAMES.get(key, key)}", "nats per target" if key != "z" else "mean per position")
        for key in losses
    }
    plain = {key: (key.replace("_", " ").capitalize(), key.replace("_", " ")) for key in modes if key not in losses}
    learner = {key: LEARNER.get(key, names) for key, names in plain.items()}
    blocks: list[Block] = []
    for heading, group in (
        ("Losses", {**held_out, **training}),
        ("Learner", learner),
        ("Optimisation", OPTIMIZATION),
        ("Speed", SPEED),
    ):
        figures = [figure for key, names in group.items() if (figure := _figure(runs, key, *names)) is not None]
        if figures:
            blocks += [Heading(heading), Charts(figures, legend(runs))]
    return [*blocks, *_last_values(runs, {**held_out, **training}), *_test_losses(runs)]


def _figure(runs: Sequence[Run], key: str, title: str, label: str) -> Figure | None:
    """One metric over each x-axis that the runs have."""
    points = {run.name: axis_values(run, key) for run in runs if len(run.series(key)[0])}
    if max((len(values["words"]) for values in points.values()), default=0) < 2:  # a table says it better
        return None
    milestones = sorted({float(m["words"]) for run in runs for m in run.plan.get("milestones", ())})
    axes = {
        "words": Axis("words read", milestones=milestones),
        "hours": Axis("time of training", log=False, show=_clock),
        "FLOPs": Axis("training FLOPs", show=lambda value: f"{value:.0e}".replace("e+", "e")),
    }
    drawn = {}
    for name, axis in axes.items():
        lines = [
            Line(points[run.name][name], points[run.name]["value"], colour, marks=key.startswith("dev/"))
            for run, colour in coloured(runs)
            if run.name in points and name in points[run.name]
        ]
        if lines:
            drawn[name] = charts.line_chart(lines, label, axis, name=f"{title} over {name}")
    header = ("run", "words", "hours", "FLOPs", key)
    rows = [
        (run, *(values[name][k] if name in values else None for name in ("words", "hours", "FLOPs", "value")))
        for run, values in points.items()
        for k in range(len(values["words"]))
    ]
    return Figure(title, drawn, header, rows)


def _clock(hours: float) -> str:
    """Hours as a tick shows them, with a decimal for runs of seconds."""
    return duration(3600 * hours) if 3600 * hours >= 10 or hours == 0 else f"{3600 * hours:.2g}s"


def axis_values(run: Run, key: str) -> Mapping[str, np.ndarray]:
    """A metric's ``value`` with its ``words``, and ``hours`` and ``FLOPs`` if the run logged speed and FLOPs.

    Lines that log only a held-out loss get hours and FLOPs from the lines around them, by their words.
    """
    words, values = run.series(key)
    result = {"words": words, "value": values}
    steps = metrics.durations(run.metrics, run.words_before)
    if steps:
        at, seconds = (np.array(column) for column in zip(*steps, strict=True))
        result["hours"] = np.interp(words, np.r_[run.words_before, at], np.r_[0, seconds.cumsum()]) / 3600
    at, flops = run.series("flops")
    if len(at):
        result["FLOPs"] = np.interp(words, np.r_[0, at], np.r_[0, flops])
    return result


def _last_values(runs: Sequence[Run], losses: Mapping[str, tuple[str, str]]) -> list[Block]:
    """The last logged value of each loss."""
    rows = []
    for key, (title, unit) in losses.items():
        last = [values[-1] if len(values := run.series(key)[1]) else None for run in runs]
        rows.append([title, *last, unit])
    if not rows:
        return []
    titles = ("last value of", *(run.name for run in runs), "unit")
    formats = ("", *[".4f"] * len(runs), "")
    return [Tabular(Table.of(titles, rows, formats=formats, left=(0, len(titles) - 1)))]


def _test_losses(runs: Sequence[Run]) -> list[Block]:
    """Held-out loss of ``main`` by source, for the runs that have it."""
    blocks: list[Block] = []
    for run in runs:
        if run.test_loss:
            modes = list(dict.fromkeys(mode for losses in run.test_loss.values() for mode in losses))
            rows = [[source, *(losses.get(mode) for mode in modes)] for source, losses in run.test_loss.items()]
            caption = f"{run.name}: loss on the test text, nats per target (causal_word: per word)"
            table = Table.of(
                ("source", *modes), rows, formats=("", *[".3f"] * len(modes)), caption=caption, marked=[len(rows) - 1]
            )
            blocks.append(Tabular(table))
    return blocks
