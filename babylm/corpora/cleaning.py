"""Named cleaning functions, text in and text out, applied to whole documents in the order of ``corpus.cleaning``.

None is applied to the official corpora unless asked for. What the model reads, and so what its word budget counts, is
the cleaned text; the manifest holds the words before cleaning beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from babylm import registry
from babylm.corpora.sources import is_heading

_SPEAKER = re.compile(r"^(?:\*[A-Z0-9]{2,4}|[A-Z]|[A-Z][A-Z0-9_ ]{0,20}):[ \t]+", re.MULTILINE)
_BRACKETS = re.compile(r"[ \t]*\[[^\[\]\n]*\]")
_UNINTELLIGIBLE = re.compile(r"(?<!\S)(?:xxx|yyy|www)(?=[\s.,!?;:]|$)[ \t]*")
_EMPHASIS = re.compile(r"(?<!\w)_(\S(?:[^_\n]*\S)?)_(?!\w)")
_DOUBLE_QUOTES = re.compile("[“”„‟«»]|``|''")
_SINGLE_QUOTES = re.compile("[‘’‚‛`´]")
_DASHES = re.compile(r"[ \t]*(?:—|--+)[ \t]*")
_INNER_SPACES = re.compile(r"[^\S\n]+")
_LINE_EDGES = re.compile(r"^ | $", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{2,}")


def strip_speakers(text: str) -> str:
    """Remove speaker tags at line starts: ``*MOT:``, ``A:``, ``NARRATOR:``."""
    return _SPEAKER.sub("", text)


def strip_headings(text: str) -> str:
    """Remove heading lines of the form ``= = = Title = = =``."""
    if "= = " not in text:
        return text
    *lines, last = text.split("\n")
    kept = [f"{line}\n" for line in lines if not is_heading(line.rstrip(" \t"))]
    return "".join(kept) + ("" if is_heading(last.rstrip(" \t")) else last)


def drop_annotations(text: str) -> str:
    """Remove bracketed remarks (``[giggles]``) and the marks of unintelligible speech (``xxx``, ``yyy``, ``www``)."""
    return _UNINTELLIGIBLE.sub("", _BRACKETS.sub("", text))


def drop_emphasis(text: str) -> str:
    """Remove the underscores that mark italics in plain-text books: ``_not_`` becomes ``not``."""
    return _EMPHASIS.sub(r"\1", text)


def normalize_quotes(text: str) -> str:
    """Write every kind of quotation mark and apostrophe as ``"`` or ``'``."""
    return _SINGLE_QUOTES.sub("'", _DOUBLE_QUOTES.sub('"', text))


def normalize_dashes(text: str) -> str:
    """Write long dashes and runs of hyphens as a spaced ``--``; each then counts as a word of its own."""
    return _DASHES.sub(" -- ", text)


def drop_control_characters(text: str) -> str:
    """Remove control and format characters (category C) other than tab and newline."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C")


def collapse_spaces(text: str) -> str:
    """Reduce white space inside lines to one space, trim lines, and remove empty lines."""
    return _EMPTY_LINES.sub("\n", _LINE_EDGES.sub("", _INNER_SPACES.sub(" ", text))).strip("\n")


def lowercase(text: str) -> str:
    """Lower-case everything."""
    return text.lower()


CLEANERS: dict[str, Callable[[str], str]] = {
    function.__name__: function
    for function in (
        strip_speakers,
        strip_headings,
        drop_annotations,
        drop_emphasis,
        normalize_quotes,
        normalize_dashes,
        drop_control_characters,
        collapse_spaces,
        lowercase,
    )
}


def cleaner(names: Iterable[str]) -> Callable[[str], str]:
    """One function that applies the named ones in order; ``ValueError`` with the nearest names for an unknown one."""
    functions = [CLEANERS[registry.check(name, CLEANERS, "corpus.cleaning")] for name in names]

    def clean(text: str) -> str:
        for function in functions:
            text = function(text)
        return text

    return clean
