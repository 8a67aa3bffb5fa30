"""The page of a study: title, remarks, figure and tables, as ``summary.json`` holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babylm import files
from babylm.console import duration
from babylm.reporting import study_summary
from babylm.reporting.blocks import Block, Folded, Note, Page, Picture, Section, Tabular
from babylm.reporting.overview import flat
from babylm.tables import Table

UNFINISHED = "not finished: repeat its command"


def is_study(folder: Path) -> bool:
    """Whether ``folder`` holds the summary of a study."""
    return (folder / study_summary.SUMMARY).is_file()


def inside(folder: Path) -> list[Path]:
    """The studies below ``folder``, finished or not, by name."""
    return sorted(file.parent for file in folder.glob("*/config.yaml") if is_study(file.parent) or _names_a_study(file))


def _names_a_study(config: Path) -> bool:
    try:
        return any(line.startswith("study:") for line in config.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return False


def table(folders: Sequence[Path]) -> list[Block]:
    """A line per study: name, title, what was measured; for one without a summary, that it is not finished."""
    rows = [(folder.name, *_title_and_extent(folder)) for folder in folders]
    if not rows:
        return []
    note = f"The page of one: python -m babylm.report {folders[0].parent}/NAME"
    return [Tabular(Table.of(("study", "title", "extent"), rows, left=(0, 1, 2), caption=note))]


def _title_and_extent(folder: Path) -> tuple[str, str]:
    if not is_study(folder):
        return "", UNFINISHED
    try:
        summary = study_summary.read(folder)
    except files.DamagedFile as error:
        return "", str(error)
    return summary["title"], _extent(summary)


def page(folder: Path, made: str) -> Page:
    """The page of the study in ``folder``; ``made``: the line about the command that writes it.

    Raises:
        DamagedFile: The summary is no summary, or the figure that it names is not there.
    """
    summary = study_summary.read(folder)
    tables: list[tuple[str, Table]] = summary["tables"]
    figure: list[Block] = []
    if summary.get("figure"):
        figure.append(Picture(summary["title"], study_summary.figure(folder, summary["figure"])))
    failed = [(f"{piece['condition']}, seed {piece['seed']}", piece["reason"]) for piece in summary.get("failed", [])]
    sections = [
        Section("Remarks", [Note(text) for text in summary["remarks"]]),
        *(Section(title, [Tabular(table)]) for title, table in tables[:1]),
        Section("Figure", figure),
        *(Section(title, [Tabular(table)]) for title, table in tables[1:]),
        Section("Pieces that failed", [Tabular(Table.of(("piece", "reason"), failed, left=(0, 1)))] if failed else []),
        Section("Settings", [Folded("all settings of the study", [Tabular(_settings(summary))])]),
    ]
    return Page(summary["title"], [_extent(summary), made], sections)


def _extent(summary: Mapping[str, Any]) -> str:
    """How much was measured, in one line."""
    seeds, conditions = summary.get("seeds", []), summary.get("conditions", [])
    asked_for = summary.get("settings", {}).get("seeds") or seeds
    others = f" (controls: up to {len(seeds)})" if len(seeds) > len(asked_for) else ""
    return (
        f"Study {summary.get('study', 'of unknown name')}: {_count(len(conditions), 'condition')}, "
        f"{_count(min(len(asked_for), len(seeds)), 'seed')}{others}, {_count(summary.get('pieces', 0), 'piece')} in "
        f"{duration(float(summary.get('seconds', 0)))}"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("s" if number != 1 else "")


def _settings(summary: Mapping[str, Any]) -> Table:
    rows = [(key, str(value)) for key, value in flat(summary.get("settings", {})).items()]
    return Table.of(("setting", "value"), rows, left=(0, 1))
