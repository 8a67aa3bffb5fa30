"""What a page is made of. Each block is plain data; ``templates/report.html.j2`` shows it by its ``kind``."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from babylm.tables import Table


@dataclass(frozen=True)
class Note:
    """A remark in small soft print; markup in it must be `Markup`."""

    text: str
    kind: str = "note"


@dataclass(frozen=True)
class Text:
    """Text as it is stored, in a fixed-width font."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Heading:
    """A small heading inside a section."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True)
class Tabular:
    """A table."""

    table: Table
    kind: str = "table"

    @property
    def csv(self) -> str:
        """The table as a ``data:`` address of a CSV file."""
        return csv_address([column.title for column in self.table.columns], self.table.cells())


@dataclass(frozen=True)
class Figure:
    """A chart, drawn over one x-axis or several that the reader chooses among."""

    title: str
    charts: Mapping[str, str]
    """``<svg>`` by the name of its x-axis."""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    """The numbers that are drawn, for the CSV file."""

    @property
    def axes(self) -> list[tuple[str, Markup]]:
        """(x-axis, chart) of each chart."""
        return [(axis, Markup(svg)) for axis, svg in self.charts.items()]

    @property
    def csv(self) -> str:
        """The numbers as a ``data:`` address of a CSV file."""
        return csv_address(self.header, self.rows)

    @property
    def file(self) -> str:
        """The stem of the files that are saved.

        >>> Figure("Held-out loss, causal", {}).file
        'held-out-loss-causal'
        """
        return "-".join("".join(c if c.isalnum() or c in "-." else " " for c in self.title.lower()).split())


@dataclass(frozen=True)
class Charts:
    """Figures side by side, below the legend of their runs."""

    figures: Sequence[Figure]
    legend: Sequence[tuple[str, int]] = ()
    """(run, number of its colour); empty for one run."""
    is_wide: bool = False
    """Charts over the whole width."""
    kind: str = "charts"


@dataclass(frozen=True)
class Folded:
    """Blocks behind a title that opens them."""

    title: str
    blocks: Sequence[Block]
    is_open: bool = False
    kind: str = "folded"


@dataclass(frozen=True)
class Word:
    """A word with its surprisal in nats; None if it has none."""

    text: str
    nats: float | None
    strength: float
    """0 to 1: how dark it is shown."""


@dataclass(frozen=True)
class Pair:
    """A minimal pair, word by word."""

    uid: str
    margin: float
    sentences: Sequence[tuple[bool, Sequence[Word]]]
    """(is the right one, words)."""
    kind: str = "pair"


@dataclass(frozen=True)
class Sample:
    """What a model made of a prompt."""

    prompt: str
    continuations: Sequence[str]
    kind: str = "sample"


@dataclass(frozen=True)
class Picture:
    """A picture that is stored as a PNG file."""

    title: str
    png: bytes = field(repr=False)
    kind: str = "picture"

    @property
    def address(self) -> str:
        """The picture as a ``data:`` address."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Missing:
    """What the page lacks, each with what to do: (what, command)."""

    items: Sequence[tuple[str, str]]
    kind: str = "missing"


Block = Note | Text | Heading | Tabular | Charts | Folded | Pair | Sample | Picture | Missing


@dataclass(frozen=True)
class Section:
    """A part of the page; one without blocks is left out."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """The whole page."""

    title: str
    lines: Sequence[str]
    """What is said below the title."""
    sections: Sequence[Section] = field(default_factory=list)
    data: str = ""
    """``data:`` address of a JSON file with the numbers of the page."""


def address(text: str, mime: str) -> str:
    """A ``data:`` address, by which a browser saves ``text`` without a network."""
    return f"data:{mime};base64,{base64.b64encode(text.encode()).decode()}"


def csv_address(header: Sequence[object], rows: Sequence[Sequence[Any]]) -> str:
    """The address of a CSV file; empty without rows."""
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([header, *rows])
    return address(out.getvalue(), "text/csv")


def code(text: object) -> Markup:
    """Text in a fixed-width font, escaped.

    >>> code("a<b")
    Markup('<code>a&lt;b</code>')
    """
    return Markup("<code>{}</code>").format(text)


def as_text(value: object) -> object:
    """A table's value without its markup, as JSON can hold it."""
    if isinstance(value, Markup):
        return value.striptags()
    return str(value) if hasattr(value, "__html__") else value
