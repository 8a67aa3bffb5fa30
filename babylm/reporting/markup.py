"""The bricks of the page: escaped text, tables, sections, and its style sheet."""

from __future__ import annotations

import html
from collections.abc import Sequence

CSS = """
:root { color-scheme: light; --ink: #1f2733; --soft: #5b6675; --line: #e3e7ed; --paper: #fff; --tint: #f6f8fa; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 2rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { max-width: 52rem; margin: .4rem 0; }
p.note, figcaption, caption { color: var(--soft); font-size: .87rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .8rem 0 0; font-size: .9rem; }
a { color: #2563a8; text-decoration: none; } a:hover { text-decoration: underline; }
code, pre { font: .86em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { background: var(--tint); padding: .1em .3em; border-radius: 3px; overflow-wrap: anywhere; }
pre { background: var(--tint); padding: .8rem 1rem; overflow-x: auto; border-radius: 5px; }
.scroll { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .28rem .65rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
thead th { font-weight: 600; color: var(--soft); border-bottom: 2px solid var(--line); vertical-align: bottom;
  white-space: normal; }
.side { display: flex; flex-wrap: wrap; gap: 0 2.5rem; } .side > div { max-width: 100%; }
tr.ours td { background: #eef5fb; font-weight: 600; }
td.text, th.text { text-align: left; } td.wrap { white-space: normal; min-width: 14rem; text-align: left; }
table.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; max-width: 30rem; min-width: 12rem; }
table.facts td:first-child { color: var(--soft); white-space: nowrap; min-width: 0; }
table.heat { font-size: .8rem; } table.heat td, table.heat th { padding: .13rem .45rem; }
table.heat td.cell { text-align: center; min-width: 2.9rem; border: 1px solid #fff; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); gap: 1rem 1.5rem; }
figure { margin: 0; max-width: 440px; } figure svg { width: 100%; height: auto; display: block; }
figcaption { font-weight: 600; color: var(--ink); font-size: .92rem; margin-bottom: .15rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .5rem 0; font-size: .9rem; }
.chip { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
details { margin: .5rem 0; } summary { cursor: pointer; color: #2563a8; }
.pair { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem; margin: .6rem 0; }
.pair .about { color: var(--soft); font-size: .84rem; display: flex; flex-wrap: wrap; gap: 0 1rem; }
.sentence { margin: .35rem 0 .1rem; line-height: 1.9; } .sentence b { display: inline-block; width: 1.3rem; }
.word { padding: .1em .28em; border-radius: 3px; }
.word sub { color: var(--soft); font-size: .68em; margin-left: .2em; }
.yes { color: #23713f; } .no { color: #b03a2e; }
ul.gaps { padding-left: 1.1rem; } ul.gaps li { margin: .35rem 0; }
@media (max-width: 600px) { body { padding: 1rem .8rem 3rem; } h1 { font-size: 1.35rem; } table { font-size: .8rem; }
  table.heat th:first-child, table.heat td:first-child { max-width: 9.5rem; overflow: hidden;
    text-overflow: ellipsis; } }
@media print { body { max-width: none; } details { display: block; } }
"""


class Html(str):
    """Text that is markup already; everything else is escaped."""

    __slots__ = ()


def esc(value: object) -> Html:
    """``value`` as markup: escaped unless it is `Html`."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def tag(name: str, *content: object, **attributes: str) -> Html:
    """An element; a trailing underscore of an attribute's name is dropped (``class_``)."""
    given = "".join(f' {key.rstrip("_")}="{html.escape(value, quote=True)}"' for key, value in attributes.items())
    return Html(f"<{name}{given}>{''.join(esc(part) for part in content)}</{name}>")


def join(parts: Sequence[object], between: str = "\n") -> Html:
    """The parts, escaped, one after the other."""
    return Html(between.join(esc(part) for part in parts))


def table(
    header: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    caption: str = "",
    style: str = "",
    ours: Sequence[int] = (),
    text: Sequence[int] = (),
) -> Html:
    """A table that scrolls sideways in a narrow window; cells that are elements (``<td>``) are taken as they are.

    ``ours``: rows that are marked; ``text``: columns with text, which is put to the left.
    """
    if not rows:
        return Html("")

    def cell(name: str, value: object, column: int) -> Html:
        if isinstance(value, Html) and value.startswith("<td"):
            return value
        return tag(name, value, class_="text") if column in text else tag(name, value)

    head = tag("thead", tag("tr", *(cell("th", value, k) for k, value in enumerate(header)))) if header else Html("")
    body = []
    for number, row in enumerate(rows):
        cells = [cell("td", value, k) for k, value in enumerate(row)]
        body.append(tag("tr", *cells, class_="ours") if number in ours else tag("tr", *cells))
    above = tag("caption", caption) if caption else Html("")
    return tag("div", tag("table", above, head, tag("tbody", *body), class_=style), class_="scroll")


def note(*content: object) -> Html:
    """A remark in small soft print."""
    return tag("p", *content, class_="note")


def figure(title: object, svg: str) -> Html:
    """A chart with its title."""
    return tag("figure", tag("figcaption", title), Html(svg))


def folded(title: object, *content: object, is_open: bool = False) -> Html:
    """Content behind a title that opens it."""
    return Html(f"<details{' open' if is_open else ''}>{tag('summary', title)}{''.join(map(esc, content))}</details>")


def document(title: str, subtitle: object, sections: Sequence[tuple[str, Html]]) -> str:
    """The whole page; ``sections`` are (title, content), those without content are left out."""
    kept = [(name, content) for name, content in sections if content]
    links = [tag("a", name, href=f"#s{k}") for k, (name, _) in enumerate(kept)]
    parts = [tag("section", tag("h2", name), content, id=f"s{k}") for k, (name, content) in enumerate(kept)]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', title)}<style>{CSS}</style>"
    )
    body = join([tag("header", tag("h1", title), note(subtitle), tag("nav", *links)), *parts])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'
