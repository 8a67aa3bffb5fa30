"""What the training text is made of, from the datasheet of the prepared corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from babylm.reporting.blocks import Block, Note, Tabular
from babylm.runs import Run
from babylm.tables import Column, Table

COLUMNS = (
    Column("source", align="left"),
    Column("words", ","),
    Column("share %", ".1f"),
    Column("", align="left"),
    Column("lines", ","),
    Column("documents", ","),
    Column("types", ","),
    Column("words/line", ".1f"),
    Column("characters/word", ".1f"),
    Column("duplicate lines %", ".1f"),
)


def composition(runs: Sequence[Run]) -> list[Block]:
    """A table per corpus, one row per source; runs of the same corpus share it."""
    blocks: list[Block] = []
    for fingerprint in dict.fromkeys(run.facts.get("corpus") for run in runs):
        members = [run for run in runs if run.facts.get("corpus") == fingerprint]
        sheet = members[0].datasheet
        if sheet:
            names = ", ".join(run.name for run in members)
            blocks.append(Tabular(_table(sheet, f"corpus {fingerprint}" + (f" of {names}" if len(runs) > 1 else ""))))
    if not blocks:
        return []
    return [
        *blocks,
        Note("Of the raw text, before cleaning; words are whitespace-separated, types are distinct words."),
    ]


def _table(sheet: dict[str, Any], caption: str) -> Table:
    total = sheet["total"]
    rows = []
    for name, row in [*sheet["sources"].items(), ("total", total)]:
        share = 100 * row["words"] / max(total["words"], 1)
        bar = Markup('<span class="bar"><i style="width:{:.1f}%"></i></span>').format(share)
        counts = (
            row["lines"],
            row["documents"],
            row["types"],
            row["words_per_line"]["mean"],
            row["characters_per_word"],
        )
        rows.append((name, row["words"], share, bar, *counts, 100 * row["duplicate_line_share"]))
    return Table(COLUMNS, rows, caption=caption, marked=[len(rows) - 1])
