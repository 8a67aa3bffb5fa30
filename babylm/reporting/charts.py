"""Charts as inline SVG (matplotlib): text stays text, colours follow the page's light or dark theme."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from babylm.console import count
from babylm.evaluation.results.calibration import Calibration

COLOURS = ("#2563a8", "#c2571a", "#2f855a", "#8a4fa3", "#b8322f", "#6b7281", "#0f8a94", "#a16207")
"""One per run; told apart by the colour-blind as far as eight can be."""
INK, SOFT, LINE, GRID = "#374151", "#5b6675", "#d9dee6", "#eceff3"
THEME = {
    **{colour: f"var(--c{number}, {colour})" for number, colour in enumerate(COLOURS)},
    **{INK: f"var(--ink, {INK})", SOFT: f"var(--soft, {SOFT})", LINE: f"var(--line, {LINE})"},
    GRID: f"var(--line, {GRID})",
}
"""Colours of matplotlib -> variables of the style sheet, with the colour itself for a file that was saved."""
SIZE = (4.6, 3.0)
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.minor.visible": False,
}
DASHED = (0, (4, 3))
MAX_LABELS = 7


@dataclass(frozen=True)
class Line:
    """A run's values over an x-axis."""

    x: np.ndarray
    values: np.ndarray
    colour: str
    intervals: np.ndarray | None = None
    """(points, 2)."""
    marks: bool = True


@dataclass(frozen=True)
class Axis:
    """An x-axis: words and FLOPs are logarithmic, hours are linear."""

    label: str
    log: bool = True
    milestones: Sequence[float] = ()
    """Where revisions were saved: ticks are put there."""
    show: Callable[[float], str] = lambda value: count(float(f"{value:.2g}"))
    """How a tick is labelled: by default with two digits, as a milestone is a few words past its round number."""
    whole: bool = False
    """Ticks of a linear axis are whole numbers."""


@dataclass(frozen=True)
class Dots:
    """One row of `dot_chart`: scores in % beside those that others published."""

    title: str
    ours: Sequence[tuple[float, tuple[float, float] | None]]
    """(score, interval) by run; NaN for a run without."""
    others: Sequence[float]


def line_chart(lines: Sequence[Line], label: str, axis: Axis, chance: float | None = None, name: str = "") -> str:
    """Lines over ``axis``, with a dashed line at chance; ``name`` is read to those who cannot see the chart."""
    figure, axes = _figure()
    for line in lines:
        style: dict[str, Any] = {"marker": "o", "markersize": 3.2} if line.marks else {}
        axes.plot(line.x, line.values, color=line.colour, linewidth=1.6, **style)
        if line.intervals is not None and len(line.x) > 1:
            axes.fill_between(line.x, *line.intervals.T, color=line.colour, alpha=0.15, linewidth=0)
        elif line.intervals is not None and len(line.x):
            spread = np.abs(line.intervals.T - line.values)
            axes.errorbar(line.x, line.values, yerr=spread, color=line.colour, linewidth=1.2)
    if chance is not None:
        axes.axhline(chance, color=SOFT, linewidth=1, linestyle=DASHED)
        axes.annotate("chance", (1, chance), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8.5,
                      color=SOFT)  # fmt: skip
    axes.set_ylabel(label)
    axes.set_xlabel(axis.label)
    if any(np.nanmax(np.abs(line.values), initial=0) >= 10_000 for line in lines):
        from matplotlib.ticker import FuncFormatter

        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    x = np.concatenate([line.x for line in lines] or [np.zeros(0)])
    if axis.log and (x > 0).any():
        _log_axis(axes, x[x > 0], axis)
    elif len(x):
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(5, integer=axis.whole))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis.show(value)))
    return _svg(figure, name or label)


def dot_chart(rows: Sequence[Dots], colours: Sequence[str], name: str) -> str:
    """Scores by task: ours as filled dots with intervals, others as rings behind them."""
    figure, axes = _figure((6.0, 0.75 + 0.34 * len(rows)))
    for height, row in enumerate(reversed(rows)):
        axes.plot(row.others, [height] * len(row.others), "o", markersize=6, markerfacecolor="none",
                  markeredgecolor=SOFT, markeredgewidth=1.1, alpha=0.85)  # fmt: skip
        for number, ((score, interval), colour) in enumerate(zip(row.ours, colours, strict=True)):
            y = height + min(0.16, 0.8 / len(row.ours)) * (number - (len(row.ours) - 1) / 2)
            if interval is not None:
                axes.plot(interval, (y, y), color=colour, linewidth=2.2, solid_capstyle="round", zorder=3)
            axes.plot([score], [y], "o", color=colour, markersize=6, zorder=4)
    axes.set_yticks(range(len(rows)), [row.title for row in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("%")
    return _svg(figure, name)


def reliability(calibrations: Sequence[tuple[Calibration, str]], name: str) -> str:
    """Accuracy by confidence of each (calibration, colour), the diagonal dashed; the size of a mark is its share."""
    figure, axes = _figure()
    axes.plot([0.5, 1], [0.5, 1], color=SOFT, linewidth=1, linestyle=DASHED)
    for calibration, colour in calibrations:
        bins = [b for b in calibration.bins if b.n]
        x, y = [b.confidence for b in bins], [b.accuracy for b in bins]
        axes.plot(x, y, color=colour, linewidth=1.3)
        sizes = [12 + 160 * b.n / calibration.n for b in bins]
        axes.scatter(x, y, s=sizes, color=colour, alpha=0.75, linewidth=0, zorder=3)
    axes.set_xlim(0.49, 1.01)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("probability of the preferred sentence")
    axes.set_ylabel("share right")
    return _svg(figure, name)


def _figure(size: tuple[float, float] = SIZE) -> tuple[Any, Any]:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("the report needs matplotlib: pip install 'babylm[report]'") from None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        return figure, figure.add_subplot()


def ticks(low: float, high: float, milestones: Sequence[float] = ()) -> list[float]:
    """Where a log axis from ``low`` to ``high`` is labelled: at milestones, or at round numbers without them.

    Over a decade or more only milestones of 1 or 3 (or 1, 2, 5) times a power of ten are labelled, as the others are
    close. Of labels that would touch, as those of several runs, the first is kept.

    >>> ticks(1e6, 1e8, [m * 1e6 for m in (*range(1, 10), *range(10, 101, 10))])
    [1000000.0, 3000000.0, 10000000.0, 30000000.0, 100000000.0]
    """
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    inside = sorted(m for m in milestones if low / 1.08 <= m <= high * 1.08)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 6, 8), range(10, 100)):
        scale = 0.1 if steps == range(10, 100) else 1.0
        candidates = [scale * step * 10**d for d in decades for step in steps]
        places = [tick for tick in candidates if low / 1.08 <= tick <= high * 1.08]
        if inside:
            places = [m for m in inside if any(abs(m / tick - 1) < 0.03 for tick in places)]
        if len(places) >= 4:
            break
    else:
        places = inside or places
    spaced: list[float] = []
    for tick in places[:: -(-len(places) // MAX_LABELS) or 1]:
        if not spaced or tick > spaced[-1] * (high / low) ** 0.09:
            spaced.append(float(tick))
    return spaced


def _log_axis(axes: Any, x: np.ndarray, axis: Axis) -> None:
    """A log axis with labels at `ticks` and small ticks at all milestones."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    low, high = float(x.min()), float(x.max())
    axes.set_xscale("log")
    axes.set_xlim(low / 1.08, high * 1.08)
    axes.xaxis.set_major_locator(FixedLocator(ticks(low, high, axis.milestones)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis.show(value)))
    axes.xaxis.set_minor_locator(FixedLocator([m for m in axis.milestones if low <= m <= high]))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=2.5, color=SOFT)


def _svg(figure: Any, name: str) -> str:
    """The figure as an ``<svg>`` element; names inside it depend on ``name``, so that figures do not share them."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"|<svg ([^>]*?)height="[^"]*" ([^>]*?)width="[^"]*"',
                  lambda m: f"<svg {''.join(filter(None, m.groups()))}", text, count=1)  # fmt: skip
    # Ids that nothing refers to (matplotlib's groups) are the same in every figure.
    used = set(re.findall(r"#([\w-]+)", text))
    text = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", text)
    for colour, variable in THEME.items():
        text = text.replace(f": {colour}", f": {variable}")
    label = html.escape(name, quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
