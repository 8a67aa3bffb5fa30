"""What a study says at its end: tables, a figure and remarks, as files for people, spreadsheets and the report."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babylm import files
from babylm.console import Log
from babylm.returned import is_text, shown
from babylm.studies.experiment.measurements import csv_text
from babylm.tables import Table

JSON, TEXT, FIGURE = "summary.json", "summary.md", "figure.png"
MEASUREMENTS = "measurements"
"""Name of the file of all measurements, which no table may have."""


class WrongSummary(ValueError):
    """A summary that cannot be written as it is."""


@dataclass(frozen=True)
class Summary:
    """The result of a study."""

    title: str
    """One line: the question, and what was planted if something was."""
    tables: Mapping[str, Table]
    """Name (for its file) -> table; the first is the one of the study."""
    draw: Callable[[Any], None] | None = None
    """Draws the study's figure on matplotlib axes; None for no figure."""
    remarks: Sequence[str] = field(default=())
    """Sentences: controls, gates, what is not shown."""

    def __post_init__(self) -> None:
        """`WrongSummary` for what cannot be written, or would overwrite something else.

        If two columns of a table have one title, whoever reads its CSV by title would lose one.
        """
        _check_texts(self.title, self.remarks)
        _check_names(self.tables)
        for name, table in self.tables.items():
            if not isinstance(table, Table):
                raise WrongSummary(f"the table {name} must be a babylm.tables.Table; found {shown(table)}")
            titles = [column.title for column in table.columns]
            if twice := [title for title in dict.fromkeys(titles) if titles.count(title) > 1]:
                raise WrongSummary(f"the table {name} has two columns {twice[0]!r}: give each a title of its own")

    def text(self) -> str:
        """Title, remarks and tables for a terminal."""
        blocks = [self.title, *self.remarks]
        for name, table in self.tables.items():
            blocks.append(f"{table.caption or name}\n{table.text()}")
        return "\n\n".join(blocks)

    def markdown(self) -> str:
        """The same for a Markdown file."""
        blocks = [f"# {self.title}", *self.remarks]
        for name, table in self.tables.items():
            blocks += [f"## {table.caption or name}", table.markdown()]
        return "\n\n".join(blocks) + "\n"

    def write(self, folder: Path, facts: Mapping[str, Any], log: Log) -> None:
        """Write ``summary.md``, ``<table>.csv``, ``figure.png`` and ``summary.json`` (with ``facts``) to ``folder``."""
        files.write_text(folder / TEXT, self.markdown())
        for name, table in self.tables.items():
            files.write_text(
                folder / f"{name}.csv", csv_text([column.title for column in table.columns], _plain(table))
            )
        has_figure = self.draw is not None and write_figure(self.draw, folder / FIGURE, log)
        content = {
            **facts,
            "title": self.title,
            "remarks": list(self.remarks),
            "tables": {
                name: {
                    "caption": table.caption or name,
                    "columns": [vars(column) for column in table.columns],
                    "rows": files.nan_to_none(_plain(table)),
                    "csv": f"{name}.csv",
                }
                for name, table in self.tables.items()
            },
            "figure": FIGURE if has_figure else None,
        }
        files.write_json(folder / JSON, content)


def _check_texts(title: str, remarks: Sequence[str]) -> None:
    if not is_text(title):
        raise WrongSummary(f"the title of a summary must be a text; found {shown(title)}")
    if isinstance(remarks, str) or not isinstance(remarks, Sequence):
        raise WrongSummary(f"the remarks of a summary must be a list of texts; found {shown(remarks)}")
    if wrong := [remark for remark in remarks if not is_text(remark)]:
        raise WrongSummary(f"the remarks of a summary must be texts; found {shown(wrong[0])}")


def _check_names(tables: Mapping[str, Table]) -> None:
    """`WrongSummary` unless each table's name can be that of its file, and of no other file."""
    if not isinstance(tables, Mapping):
        raise WrongSummary(f"the tables of a summary must be a mapping of names to tables; found {shown(tables)}")
    seen = {MEASUREMENTS}
    for name in tables:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,99}", name):
            raise WrongSummary(
                f"a table is called {name!a}: it is written to a file of its name, so give it one of at most 100 "
                "letters from a to z, digits, blanks and _ . -"
            )
        if name.lower() in seen:
            other = "of all measurements" if name.lower() == MEASUREMENTS else "of another table"
            raise WrongSummary(f"the table {name} has the name of the file {other}: give it another")
        seen.add(name.lower())


def _plain(table: Table) -> list[list[Any]]:
    """The rows with numbers as numbers and everything else (infinity, too) as text."""
    return [
        [
            value if value is None or (isinstance(value, bool | int | float) and abs(value) != math.inf) else str(value)
            for value in row
        ]
        for row in table.rows
    ]


def write_figure(draw: Callable[[Any], None], file: Path, log: Log) -> bool:
    """Write what ``draw`` draws as a PNG; False, with a warning, without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        log.warn("no figure is drawn: it needs matplotlib: pip install 'babylm[report]'")
        return False
    from babylm.reporting.charts import STYLE

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        draw(figure.add_subplot())
        with files.atomic_file(file) as out:
            figure.savefig(out, format="png", dpi=150, metadata={"Software": None})
    return True
