"""What a study says at its end: tables, a figure and remarks, as files for people, spreadsheets and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babylm import files
from babylm.console import Log
from babylm.studies.experiment.measurements import csv_text
from babylm.tables import Table

JSON, TEXT, FIGURE = "summary.json", "summary.md", "figure.png"


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
        """ValueError if two columns of a table have one title: whoever reads its CSV by title would lose one."""
        for name, table in self.tables.items():
            titles = [column.title for column in table.columns]
            if twice := [title for title in dict.fromkeys(titles) if titles.count(title) > 1]:
                raise ValueError(f"the table {name} has two columns {twice[0]!r}: give each a title of its own")

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


def _plain(table: Table) -> list[list[Any]]:
    """The rows with numbers as numbers and everything else as text."""
    return [
        [value if value is None or isinstance(value, (bool, int, float)) else str(value) for value in row]
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
