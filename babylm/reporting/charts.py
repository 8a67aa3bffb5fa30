"""Charts as inline SVG (matplotlib): text stays text, nothing is loaded from anywhere."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from babylm.console import count
from babylm.evaluation.results.calibration import Calibration

COLOURS = ("#2563a8", "#c2571a", "#2f855a", "#8a4fa3", "#b8322f", "#6b7280", "#0f8a94", "#a16207")
"""One a run; told apart by the colour-blind as far as eight can be."""
INK, FAINT = "#374151", "#d9dee6"
SIZE = (4.6, 3.0)
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#eceff3",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.minor.visible": False,
}


@dataclass(frozen=True)
class Line:
    """A run's values over words."""

    words: np.ndarray
    values: np.ndarray
    colour: str
    intervals: np.ndarray | None = None
    """(points, 2)."""
    marks: bool = True


def over_words(lines: Sequence[Line], label: str, chance: float | None = None, name: str = "") -> str:
    """Lines over words on a log axis, with a dashed line at chance; ``name`` is read to those who cannot see it."""
    figure, axes = _figure()
    for line in lines:
        style: dict[str, Any] = {"marker": "o", "markersize": 3.2} if line.marks else {}
        axes.plot(line.words, line.values, color=line.colour, linewidth=1.6, **style)
        if line.intervals is not None and len(line.words) > 1:
            axes.fill_between(line.words, *line.intervals.T, color=line.colour, alpha=0.13, linewidth=0)
        elif line.intervals is not None and len(line.words):
            spread = np.abs(line.intervals.T - line.values)
            axes.errorbar(line.words, line.values, yerr=spread, color=line.colour, linewidth=1.2)
    if chance is not None:
        axes.axhline(chance, color="#6b7280", linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate("chance", (1, chance), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8.5,
                      color="#6b7280")  # fmt: skip
    axes.set_ylabel(label)
    axes.set_xlabel("words read")
    known = np.concatenate([line.words for line in lines] or [np.zeros(0)])
    if len(known):
        _word_axis(axes, known)
    return _svg(figure, name or label)


def reliability(found: Sequence[tuple[Calibration, str]], name: str) -> str:
    """Accuracy by confidence of each (calibration, colour), the diagonal dashed; the size of a mark is its share."""
    figure, axes = _figure()
    axes.plot([0.5, 1], [0.5, 1], color="#6b7280", linewidth=1, linestyle=(0, (4, 3)))
    for own, colour in found:
        bins = [b for b in own.bins if b.n]
        x, y = [b.confidence for b in bins], [b.accuracy for b in bins]
        axes.plot(x, y, color=colour, linewidth=1.3)
        axes.scatter(x, y, s=[12 + 160 * b.n / own.n for b in bins], color=colour, alpha=0.75, linewidth=0, zorder=3)
    axes.set_xlim(0.49, 1.01)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("probability of the preferred sentence")
    axes.set_ylabel("share right")
    return _svg(figure, name)


def _figure() -> tuple[Any, Any]:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("the report needs matplotlib: pip install 'babylm[report]'") from None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        return figure, figure.add_subplot()


def _word_axis(axes: Any, known: np.ndarray) -> None:
    """A log axis with round numbers of words as labels."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    low, high = known[known > 0].min(), known.max()
    axes.set_xscale("log")
    axes.set_xlim(low / 1.08, high * 1.08)
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 6, 8), range(10, 100)):
        scale = 0.1 if steps == range(10, 100) else 1.0
        ticks = np.array([scale * step * 10**d for d in decades for step in steps])
        ticks = ticks[(ticks >= low / 1.08) & (ticks <= high * 1.08)]
        if len(ticks) >= 4:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks[:: max(1, len(ticks) // 7)].tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(round(value))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


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
    label = html.escape(name, quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
