"""What is learnt when: tasks over words, phenomena by revision, the order of acquisition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from babylm.console import count
from babylm.evaluation.results.blimp_phenomena import grouped
from babylm.evaluation.results.learning_curves import RULE, Curve
from babylm.reporting import charts
from babylm.reporting.blocks import Block, Charts, Figure, Folded, Note, Tabular
from babylm.reporting.charts import Axis, Line
from babylm.reporting.legend import coloured, legend
from babylm.reporting.scores import title
from babylm.runs import Run
from babylm.tables import Table

OPEN_ROWS = 100
"""A heat map of more rows is folded at first."""
Key = tuple[str, str, int, str]


def tasks(runs: Sequence[Run]) -> list[Block]:
    """Each task's tie-aware score over words, with intervals."""
    figures = []
    for key in dict.fromkeys(_key(curve) for run in runs for curve in run.curves):
        curves = [(run, curve, colour) for run, colour in coloured(runs) for curve in run.curves if _key(curve) == key]
        lines = [Line(c.words, 100 * c.tie_aware, colour, 100 * c.intervals) for _, c, colour in curves]
        if max(len(line.x) for line in lines) < 2 or all(np.isnan(line.values).all() for line in lines):
            continue
        rows = [
            (run.name, revision, words, score, low, high)
            for run, curve, _ in curves
            for revision, words, score, (low, high) in zip(
                curve.revisions, curve.words, 100 * curve.tie_aware, 100 * curve.intervals, strict=True
            )
        ]
        chance = 100 * curves[0][1].chance or None
        chart = charts.line_chart(lines, "%", _words_axis(lines), chance, _name(key))
        header = ("run", "revision", "words", "tie-aware %", "low", "high")
        figures.append(Figure(_name(key), {"words": chart}, header, rows))
    figures += _inside_training(runs)
    if not figures:
        return []
    note = Note("Tie-aware score of each revision; bands are 95 % bootstrap intervals over items.")
    return [Charts(figures, legend(runs)), note]


def _key(curve: Curve) -> Key:
    return curve.task, curve.suite, curve.rules, curve.backend


def _name(key: Key) -> str:
    return f"{title(key[0])} ({key[1]}, {key[2]}, {key[3]})"


def _words_axis(lines: Sequence[Line]) -> Axis:
    """Words on a log axis, with ticks where revisions were scored."""
    return Axis("words read", milestones=sorted({float(x) for line in lines for x in line.x}))


def _inside_training(runs: Sequence[Run]) -> list[Figure]:
    """Scores that were measured inside training at several milestones."""
    figures = []
    for metric in sorted({key for run in runs for line in run.metrics for key in line if key.startswith("task/")}):
        series = [(run, *run.series(metric), colour) for run, colour in coloured(runs)]
        lines = [Line(words, 100 * values, colour) for _, words, values, colour in series if len(words)]
        if max(len(line.x) for line in lines) > 1:
            name = f"{title(metric.removeprefix('task/'))} (inside training, official)"
            rows = [(run.name, w, 100 * v) for run, ws, vs, _ in series for w, v in zip(ws, vs, strict=True)]
            chart = charts.line_chart(lines, "%", _words_axis(lines), name=name)
            figures.append(Figure(name, {"words": chart}, ("run", "words", "official %"), rows))
    return figures


def phenomena(runs: Sequence[Run]) -> list[Block]:
    """Heat maps of each (run, task): parts in the order of acquisition, by revision; BLiMP's by phenomenon too."""
    blocks: list[Block] = []
    for run in runs:
        for curve in run.curves:
            if len(curve.words) < 2 or len(curve.by_uid) < 2 or curve.chance <= 0:
                continue
            groups = grouped(curve)
            whose = f"{run.name}, {title(curve.task)}: " if len(runs) > 1 else f"{title(curve.task)}: "
            for part, what in ((groups, "phenomena"), (curve, "paradigms" if groups else "parts")):
                if part is not None:
                    name = f"{whose}{len(part.by_uid)} {what}, {curve.suite}, {curve.rules}, {curve.backend}"
                    is_open = not blocks and len(part.by_uid) <= OPEN_ROWS
                    blocks.append(Folded(name, [Tabular(heat_map(part))], is_open=is_open))
    if not blocks:
        return []
    note = (
        "Accuracy in % by revision: blue is above chance, orange below. Rows are in the order of acquisition: "
        f"{RULE}. A curve that one dip interrupts is acquired after the dip."
    )
    return [Note(note), *blocks]


def heat_map(curve: Curve) -> Table:
    """A row per UID with a coloured cell per revision, earliest acquired first."""
    rows: list[list[object]] = []
    for uid in curve.acquired:
        cells = [_cell(value, curve.chance) for value in curve.by_uid[uid]]
        name = Markup('<span title="{0}">{0}</span>').format(uid)
        rows.append([name, f"{curve.items[uid]:,}", *cells, _when(curve, uid)])
    titles = ("", "items", *(count(round(float(words))) for words in curve.words), "acquired")
    return Table.of(titles, rows, style="heat")


def _when(curve: Curve, uid: str) -> str:
    when = curve.acquired[uid]
    if when.words is None:
        return "–"
    return ("≤ " if when.before_first else "") + count(float(f"{when.words:.3g}"))


def _cell(value: float, chance: float) -> Markup:
    """The colour of the paper at chance, the full colour at 0 and 1: each side has its own scale."""
    if np.isnan(value):
        return Markup('<td class="cell">–</td>')
    part = (value - chance) / (1 - chance) if value >= chance else (value - chance) / chance
    strength = abs(part) ** 0.9
    colour = f"var(--{'above' if part >= 0 else 'below'})"
    ink = ";color:#fff" if strength > 0.62 else ""
    style = f"background:color-mix(in srgb,{colour} {100 * strength:.0f}%,var(--paper)){ink}"
    return Markup('<td class="cell" style="{}">{:.0f}</td>').format(style, 100 * value)


def order(runs: Sequence[Run]) -> list[Block]:
    """When several runs acquire the same parts, and whether in the same order."""
    blocks: list[Block] = []
    for key in dict.fromkeys(_key(curve) for run in runs for curve in run.curves if curve.acquired):
        curves = [(run, curve) for run in runs for curve in run.curves if _key(curve) == key and curve.acquired]
        if len(curves) < 2:
            continue
        uids = list(curves[0][1].acquired)
        rows = [[uid, *(_when(curve, uid) if uid in curve.acquired else None for _, curve in curves)] for uid in uids]
        table = Table.of(("", *(run.name for run, _ in curves)), rows, style="heat")
        agreements = "; ".join(_agreement(curves[0], other) for other in curves[1:])
        blocks.append(Folded(f"{_name(key)}: {agreements}", [Tabular(table)]))
    return [Note("Words at which each part is acquired, by run."), *blocks] if blocks else []


def _agreement(a: tuple[Run, Curve], b: tuple[Run, Curve]) -> str:
    """Spearman's rho of the words at which both acquire what both acquire."""
    from scipy.stats import spearmanr

    words = [
        (when.words, b[1].acquired[uid].words)
        for uid, when in a[1].acquired.items()
        if when.words and uid in b[1].acquired and b[1].acquired[uid].words
    ]
    between = f"{a[0].name} and {b[0].name}"
    if len(words) < 3 or min(len(set(column)) for column in zip(*words, strict=True)) < 2:
        return f"{between}: too few parts that both acquire"
    rho = float(spearmanr([x for x, _ in words], [y for _, y in words]).statistic)
    return f"{between}: rho {rho:.2f} over {len(words)} parts that both acquire"
