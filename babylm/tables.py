"""One description of a table, shown as text, as Markdown and as HTML.

>>> table = Table.of(("task", "score %"), [("BLiMP", 0.731), ("AoA", None)], formats=("", ".2f"))
>>> print(table.text())
  task   score %
  BLiMP     0.73
  AoA          -
>>> print(table.markdown())
| task | score % |
| --- | ---: |
| BLiMP | 0.73 |
| AoA | - |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

MISSING = "-"


@dataclass(frozen=True)
class Column:
    """One column: its title, how its values are formatted, and to which side they are put."""

    title: str
    format: str = ""
    """A format specification for numbers (``.2f``, ``,``), or ``p`` for p values; text is shown as it is."""
    align: str = "right"
    """``left`` or ``right``."""

    def show(self, value: Any) -> str:
        """A value as text; ``-`` for None and NaN.

        >>> Column("words", ",").show(1234567), Column("words").show(None)
        ('1,234,567', '-')
        >>> Column("p", "p").show(0.0312), Column("p", "p").show(3e-9)
        ('0.0312', '<.0001')
        """
        if value is None or (isinstance(value, float) and value != value):
            return MISSING
        if self.format == "p":
            return "<.0001" if value < 0.0001 else f"{value:.4f}"
        return format(value, self.format) if self.format and not isinstance(value, str) else str(value)


@dataclass(frozen=True)
class Table:
    """Columns and rows; a row has one value per column."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    marked: Sequence[int] = ()
    """Rows that are set off in HTML: ours among others."""
    style: str = ""
    """CSS class of the HTML table."""
    note: str = field(default="")
    """A remark below the HTML table."""

    @staticmethod
    def of(
        titles: Sequence[str],
        rows: Iterable[Sequence[Any]],
        *,
        left: Iterable[int] = (0,),
        formats: Sequence[str] = (),
        **more: Any,
    ) -> Table:
        """A table from titles alone: the columns numbered ``left`` are put to the left, all others to the right."""
        sides, padded = set(left), [*formats, *[""] * (len(titles) - len(formats))]
        columns = [
            Column(title, form, "left" if number in sides else "right")
            for number, (title, form) in enumerate(zip(titles, padded, strict=True))
        ]
        return Table(columns, list(rows), **more)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def cells(self) -> list[list[str]]:
        """The rows as text."""
        return [[column.show(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]

    def text(self, indent: str = "  ") -> str:
        """Aligned columns for a terminal, each line behind ``indent``."""
        lines = [[column.title for column in self.columns], *self.cells()]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        return "\n".join(
            indent
            + "  ".join(
                cell.ljust(width) if column.align == "left" else cell.rjust(width)
                for cell, width, column in zip(line, widths, self.columns, strict=True)
            ).rstrip()
            for line in lines
        )

    def markdown(self) -> str:
        """A table of GitHub's Markdown; a ``|`` in a cell is escaped."""
        titles = [column.title for column in self.columns]
        rule = ["---" if column.align == "left" else "---:" for column in self.columns]
        cells = [[cell.replace("|", "\\|") for cell in row] for row in (titles, *self.cells())]
        return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:]))

    def html(self) -> str:
        """A ``<table>`` that scrolls sideways in a narrow window; empty without rows. Everything is escaped.

        A value with a method ``__html__`` (markupsafe's ``Markup``) is taken as it is; one that is a whole ``<td>``
        replaces its cell.
        """
        return _template().render(table=self)

    def __html__(self) -> str:
        return self.html()


@cache
def _template() -> Template:
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(HTML)


HTML = """\
{%- if table.rows -%}
<div class="scroll"><table{% if table.style %} class="{{ table.style }}"{% endif %}>
{%- if table.caption %}<caption>{{ table.caption }}</caption>{% endif -%}
{%- if table.columns | map(attribute="title") | select | list -%}
<thead><tr>{% for column in table.columns -%}
<th scope="col"{% if column.align == "left" %} class="text"{% endif %}>{{ column.title }}</th>{% endfor %}</tr></thead>
{%- endif -%}
<tbody>
{%- for row in table.rows %}
<tr{% if loop.index0 in table.marked %} class="ours"{% endif %}>
{%- for column in table.columns -%}
{%- set value = row[loop.index0] -%}
{%- if value.__html__ is defined and value.startswith is defined and value.startswith("<td") %}{{ value }}
{%- else %}<td{% if column.align == "left" %} class="text"{% endif %}>
{%- if value.__html__ is defined %}{{ value }}{% else %}{{ column.show(value) }}{% endif %}</td>
{%- endif -%}
{%- endfor %}</tr>
{%- endfor %}</tbody></table></div>
{%- if table.note %}<p class="note">{{ table.note }}</p>{% endif %}
{%- endif -%}
"""


def text_table(titles: Sequence[str], rows: Iterable[Sequence[Any]], *, indent: str = "  ") -> str:
    """Aligned columns for a terminal: the first to the left, the others to the right."""
    return Table.of(titles, rows).text(indent)


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[Any]], *, left: Iterable[int] = (0,)) -> str:
    """A Markdown table: the columns numbered ``left`` to the left, the others to the right."""
    return Table.of(titles, rows, left=left).markdown()
