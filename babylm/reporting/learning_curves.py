"""What is learnt when: losses and tasks over words, phenomena over revisions, the order of acquisition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from babylm.console import count
from babylm.evaluation.results.blimp_phenomena import grouped
from babylm.evaluation.results.learning_curves import RULE, Curve
from babylm.reporting import charts
from babylm.reporting.charts import Line
from babylm.reporting.gather import Run
from babylm.reporting.markup import Html, figure, folded, join, note, table, tag
from babylm.reporting.overview import coloured, legend
from babylm.reporting.scores import title

LOSSES = {
    "dev/causal": "held-out loss, causal: nats a token",
    "dev/causal_word": "held-out loss, causal: nats a word",
    "dev/masked": "held-out loss, masked: nats a token",
    "loss": "training loss: nats a target",
}
OPEN_ROWS = 100
"""A heat map of more rows is folded at first."""


def losses(runs: list[Run]) -> Html:
    """Each loss over words, all runs in one chart."""
    shown = []
    for metric, name in LOSSES.items():
        lines = [
            Line(*run.series(metric), colour, marks=metric != "loss")
            for run, colour in coloured(runs)
            if len(run.series(metric)[0])
        ]
        if lines:
            shown.append(figure(name, charts.over_words(lines, "nats", name=name)))
    return join([legend(runs), tag("div", *shown, class_="charts")]) if shown else Html("")


def tasks(runs: list[Run]) -> Html:
    """Each task's tie-aware score over words, with intervals."""
    shown = []
    keys = dict.fromkeys((c.task, c.suite, c.rules, c.backend) for run in runs for c in run.curves)
    for key in keys:
        found = [
            (curve, colour)
            for run, colour in coloured(runs)
            for curve in run.curves
            if (curve.task, curve.suite, curve.rules, curve.backend) == key
        ]
        lines = [Line(c.words, 100 * c.tie_aware, colour, 100 * c.intervals) for c, colour in found]
        if max(len(line.words) for line in lines) < 2 or all(np.isnan(line.values).all() for line in lines):
            continue
        chance = 100 * found[0][0].chance or None
        name = f"{title(key[0])} ({key[1]}, {key[2]}, {key[3]})"
        shown.append(figure(name, charts.over_words(lines, "%", chance, name)))
    shown += _inside(runs)
    if not shown:
        return Html("")
    about = note("Tie-aware score of each revision; bands are 95 % bootstrap intervals over items.")
    return join([legend(runs), tag("div", *shown, class_="charts"), about])


def _inside(runs: list[Run]) -> list[Html]:
    """Scores that were measured inside training at several milestones."""
    shown = []
    for metric in sorted({key for run in runs for line in run.metrics for key in line if key.startswith("task/")}):
        series = [(run.series(metric), colour) for run, colour in coloured(runs)]
        lines = [Line(words, 100 * values, colour) for (words, values), colour in series if len(words)]
        if max(len(line.words) for line in lines) > 1:
            name = f"{title(metric.removeprefix('task/'))} (inside training, official)"
            shown.append(figure(name, charts.over_words(lines, "%", name=name)))
    return shown


def phenomena(runs: list[Run]) -> Html:
    """Heat maps of each (run, task): parts in the order of acquisition, by revision; BLiMP's by phenomenon too."""
    parts: list[Html] = []
    for run in runs:
        for curve in run.curves:
            if len(curve.words) < 2 or len(curve.by_uid) < 2 or curve.chance <= 0:
                continue
            groups = grouped(curve)
            whose = f"{run.name}, {title(curve.task)}: " if len(runs) > 1 else f"{title(curve.task)}: "
            for shown, what in ((groups, "phenomena"), (curve, "paradigms" if groups else "parts")):
                if shown is not None:
                    name = f"{whose}{len(shown.by_uid)} {what}, {curve.suite}, {curve.rules}, {curve.backend}"
                    parts.append(folded(name, _heat(shown), is_open=not parts and len(shown.by_uid) <= OPEN_ROWS))
    if not parts:
        return Html("")
    about = note(
        "Accuracy in % by revision: blue is above chance, orange below. Rows are in the order of acquisition: "
        f"{RULE}. A curve that one dip interrupts is acquired after the dip."
    )
    return join([about, *parts])


def _heat(curve: Curve) -> Html:
    rows: list[list[object]] = []
    for uid in curve.acquired:
        cells = [_cell(value, curve.chance) for value in curve.by_uid[uid]]
        rows.append([tag("span", uid, title=uid), f"{curve.items[uid]:,}", *cells, _when(curve, uid)])
    header = ["", "items", *(count(round(float(words))) for words in curve.words), "acquired"]
    return table(header, rows, style="heat")


def _when(curve: Curve, uid: str) -> str:
    when = curve.acquired[uid]
    if when.words is None:
        return "–"
    return ("≤ " if when.before_first else "") + count(float(f"{when.words:.3g}"))


def _cell(value: float, chance: float) -> Html:
    if np.isnan(value):
        return tag("td", "–", class_="cell")
    # White at chance, the full colour at 0 and 1: each side has its own scale.
    part = (value - chance) / (1 - chance) if value >= chance else (value - chance) / chance
    red, green, blue = (31, 103, 178) if part >= 0 else (217, 119, 26)
    strength = abs(part) ** 0.9
    mixed = [round(255 + (one - 255) * strength) for one in (red, green, blue)]
    ink = "#fff" if strength > 0.62 else "#1f2733"
    return tag("td", f"{100 * value:.0f}", class_="cell", style=f"background:rgb{tuple(mixed)};color:{ink}")


def order(runs: list[Run]) -> Html:
    """When several runs acquire the same parts, and whether in the same order."""
    parts: list[Html] = []
    keys = dict.fromkeys((c.task, c.suite, c.rules, c.backend) for run in runs for c in run.curves if c.acquired)
    for key in keys:
        found = [
            (run, curve)
            for run in runs
            for curve in run.curves
            if (curve.task, curve.suite, curve.rules, curve.backend) == key and curve.acquired
        ]
        if len(found) < 2:
            continue
        uids = list(found[0][1].acquired)
        rows = [[uid, *(_when(curve, uid) if uid in curve.acquired else "–" for _, curve in found)] for uid in uids]
        name = f"{title(key[0])} ({key[1]}, {key[2]}, {key[3]})"
        same = "; ".join(_agreement(found[0], other) for other in found[1:])
        parts.append(folded(f"{name}: {same}", table(["", *(run.name for run, _ in found)], rows, style="heat")))
    return join([note("Words at which each part is acquired, by run."), *parts]) if parts else Html("")


def _agreement(one: tuple[Run, Curve], other: tuple[Run, Curve]) -> str:
    """Spearman's rho of the words at which both acquire what both acquire."""
    from scipy.stats import spearmanr

    words = [
        (when.words, other[1].acquired[uid].words)
        for uid, when in one[1].acquired.items()
        if when.words and uid in other[1].acquired and other[1].acquired[uid].words
    ]
    between = f"{one[0].name} and {other[0].name}"
    if len(words) < 3 or min(len(set(column)) for column in zip(*words, strict=True)) < 2:
        return f"{between}: too few parts that both acquire"
    rho = float(spearmanr(*_columns(words)).statistic)
    return f"{between}: rho {rho:.2f} over {len(words)} parts that both acquire"


def _columns(rows: Sequence[tuple[object, object]]) -> tuple[list[object], list[object]]:
    return [one for one, _ in rows], [other for _, other in rows]
