"""Documents, and how lines of text become documents.

>>> list(split_documents(["a b", "c", "", "d e f g", "h"], limit=3))
['a b\\nc', 'd e f', 'g\\nh']
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from babylm.corpora import word_count

_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Document:
    """A text to be read as one piece; never seen together with its neighbours in one attention window."""

    source: str
    text: str
    continues: bool = False
    """Whether it is a piece of one line, which the source's next document continues."""


def split_documents(lines: Iterable[str], limit: int) -> Iterator[str]:
    """Join lines into documents of at most ``limit`` words, none of them empty.

    A blank line ends a document and a wiki heading begins one; a heading is never left alone by a blank line after it.
    """
    return (text for text, _ in split_lines(((line, False) for line in lines), limit))


def split_lines(lines: Iterable[tuple[str, bool]], limit: int, every_line: bool = False) -> Iterator[tuple[str, bool]]:
    """The documents, each with whether it ends within a line; ``lines`` as `textfiles.read_lines` gives them.

    ``every_line``: each line that holds a word is a document.
    """
    block: list[str] = []
    words = 0
    heading_only = False
    begun = ""  # a line of which only fragments have come, of at most `limit` words
    for fragment, continues in lines:
        line = begun + fragment if begun else fragment
        begun = ""
        in_line = word_count.count(line)
        if continues and in_line <= limit:
            begun = line
            continue
        heading = line.startswith("= ") and is_heading(line.rstrip())
        full = words + in_line > limit or every_line
        if block and (heading or full or (in_line == 0 and not heading_only)):
            yield "\n".join(block), False
            block, words = [], 0
        if in_line == 0:
            continue
        if in_line > limit:
            *pieces, line = _cut(line, limit)
            yield from ((piece.rstrip(), True) for piece in pieces)
            in_line = word_count.count(line)
        if continues:
            begun = line
            continue
        heading_only = heading and not block
        block.append(line)
        words += in_line
    if block:
        yield "\n".join(block), False


def is_heading(line: str) -> bool:
    """Whether a line without white space at its end is a wiki heading: ``= = = Title = = =``, two marks or more."""
    # No pattern: one with a repeated mark on both sides of anything takes cubic time on a line of marks.
    return len(line) >= 8 and line.startswith("= = ") and line.endswith(" = =") and "\n" not in line


def _cut(line: str, limit: int) -> list[str]:
    """``line`` in pieces of ``limit`` words, the last of at most that many; in one pass, as lines may be long."""
    starts = [match.start() for number, match in enumerate(_WORD.finditer(line)) if number % limit == 0]
    edges = [0, *starts[1:], len(line)]
    return [line[start:end] for start, end in itertools.pairwise(edges)]
