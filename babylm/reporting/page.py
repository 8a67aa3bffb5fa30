"""The page as HTML: the one template with its style sheet, escaped by jinja2."""

from __future__ import annotations

import json

from jinja2 import Environment, PackageLoader, StrictUndefined

from babylm import files
from babylm.reporting.blocks import Block, Charts, Folded, Page, Tabular, address, as_text

TEMPLATE = "report.html.j2"
BEGIN = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
"""What every page begins with."""


def render(page: Page) -> str:
    """A self-contained page; sections without blocks are left out.

    >>> "<h1>a &lt; b</h1>" in render(Page("a < b", []))
    True
    """
    sections = [section for section in page.sections if section.blocks]
    numbers = {section.title: [part for block in section.blocks for part in _numbers(block)] for section in sections}
    content = json.dumps(files.nan_to_none({title: parts for title, parts in numbers.items() if parts}), default=float)
    environment = Environment(
        loader=PackageLoader("babylm.reporting"), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    complete = Page(page.title, page.lines, sections, address(content, "application/json"))
    return environment.get_template(TEMPLATE).render(page=complete)


def _numbers(block: Block) -> list[dict[str, object]]:
    """The tables and charts of a block as objects with ``title``, ``columns`` and ``rows``."""
    if isinstance(block, Folded):
        return [part for inner in block.blocks for part in _numbers(inner)]
    if isinstance(block, Tabular):
        titles = [column.title for column in block.table.columns]
        rows = [[as_text(value) for value in row] for row in block.table.rows]
        return [{"title": block.table.caption, "columns": titles, "rows": rows}]
    if isinstance(block, Charts):
        return [
            {"title": figure.title, "columns": list(figure.header), "rows": [list(row) for row in figure.rows]}
            for figure in block.figures
        ]
    return []
