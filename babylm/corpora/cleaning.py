"""Named cleaning functions, applied in the order of ``corpus.cleaning``: each takes a document's text and returns one.

Those of :mod:`babylm.corpora.formats` come first: they read a source's lines, before documents are cut.

None is applied unless ``corpus.cleaning`` names it. The model reads the cleaned text, and its words are counted for the
budget; the manifest holds the number of words before cleaning, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from babylm import registry
from babylm.corpora import formats
from babylm.corpora.documents import is_heading

_SPEAKER = re.compile(r"^(?:\*[A-Z0-9]{2,4}|[A-Z]|[A-Z][A-Z0-9_ ]{0,20}):[ \t]+", re.MULTILINE)
# No match begins inside a run of blanks: each position would scan the whole rest, in quadratic time.
_BRACKETS = re.compile(r"(?<![ \t])[ \t]*\[[^\[\]\n]*\]|\[[^\[\]\n]*\]")
_UNINTELLIGIBLE = re.compile(r"(?<!\S)(?:xxx|yyy|www)(?=[\s.,!?;:]|$)[ \t]*")
_EMPHASIS = re.compile(r"(?<!\w)_(\S(?:[^_\n]*\S)?)_(?!\w)")
_DOUBLE_QUOTES = re.compile("[“”„‟«»]|``|''")
_SINGLE_QUOTES = re.compile("[‘’‚‛`´]")
_DASHES = re.compile(r"(?:(?<![ \t])[ \t]+)?(?:—|(?<![-<])(?<!<!)--+(?![->]))[ \t]*")
"""Not the arrows of ``-->``, ``<--`` and ``<!--``: time codes of subtitles and comments."""
_SPECIAL = re.compile(
    r"<\|[A-Za-z_]{2,20}\|>|</?s>|<(?:pad|mask|unk|bos|eos|sep|cls)>|\[(?:PAD|MASK|UNK|CLS|SEP|BOS|EOS)\]"
)
"""Special tokens of known tokenizers, spelt out."""
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
    text_lines = [f"{line}\n" for line in lines if not is_heading(line.rstrip(" \t"))]
    return "".join(text_lines) + ("" if is_heading(last.rstrip(" \t")) else last)


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
    """Write long dashes and runs of hyphens as a spaced ``--``, which is one word; the arrow ``-->`` stays."""
    return _DASHES.sub(" -- ", text)


def drop_control_characters(text: str) -> str:
    """Remove control and format characters (category C) other than tab and newline."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C")


def drop_special_tokens(text: str) -> str:
    """Remove special tokens that are spelt out: ``<s>``, ``<|endoftext|>``, ``[MASK]``."""
    while (shorter := _SPECIAL.sub("", text)) != text:
        text = shorter
    return text


def special_tokens(text: str) -> list[str]:
    """The special tokens that ``text`` spells out, repetitions included."""
    return _SPECIAL.findall(text) if "<" in text or "[" in text else []


def collapse_spaces(text: str) -> str:
    """Reduce white space inside lines to one space, trim lines, and remove empty lines."""
    return _EMPTY_LINES.sub("\n", _LINE_EDGES.sub("", _INNER_SPACES.sub(" ", text))).strip("\n")


def lowercase(text: str) -> str:
    """Lower-case everything."""
    return text.lower()


PLUGINS = "corpora/cleaners"
"""Folder of plug-ins: ``NAME.py`` with ``clean(text) -> text``, applied to each document."""

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
        drop_special_tokens,
        collapse_spaces,
        lowercase,
    )
}


def names() -> list[str]:
    """Every name that ``corpus.cleaning`` may hold."""
    return sorted({*formats.CLEANERS, *CLEANERS, *registry.names(PLUGINS)})


def plugin_files(chosen: Iterable[str]) -> dict[str, str]:
    """Name -> SHA-256 of the code of the chosen cleaners that are plug-ins: their text changes with their code."""
    plugins = [name for name in chosen if name not in CLEANERS and name not in formats.CLEANERS]
    return {name: registry.code_sha256(PLUGINS, name) for name in plugins}


@dataclass(frozen=True)
class Cleaning:
    """The named functions as one function: those of lines, then those of text."""

    of_lines: tuple[Callable[[Iterable[str]], Iterator[str]], ...]
    of_text: tuple[Callable[[str], str], ...]

    def __call__(self, text: str) -> str:
        """A whole text, cleaned."""
        return self.text("\n".join(line for line, _ in self.lines((line, False) for line in text.split("\n"))))

    def text(self, text: str) -> str:
        """A document whose source went through `lines`, cleaned."""
        for function in self.of_text:
            text = function(text)
        return text

    def lines(self, lines: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
        """A source's lines (`babylm.corpora.textfiles.read_lines`), cleaned; fragments of a long line are joined."""
        if not self.of_lines:
            yield from lines
            return
        cleaned: Iterable[str] = _whole(lines)
        for function in self.of_lines:
            cleaned = function(cleaned)
        for line in cleaned:
            yield line, False


def _whole(lines: Iterable[tuple[str, bool]]) -> Iterator[str]:
    fragments = []
    for fragment, continues in lines:
        fragments.append(fragment)
        if not continues:
            yield "".join(fragments)
            fragments = []


def cleaner(chosen: Iterable[str]) -> Cleaning:
    """The named functions in order; ``ValueError`` with the nearest names for an unknown one, and for a wrong order."""
    of_lines, of_text = [], []
    for name in chosen:
        registry.check(name, names(), "corpus.cleaning")
        if name not in formats.CLEANERS:
            of_text.append(CLEANERS[name] if name in CLEANERS else registry.load(PLUGINS, name).clean)
        elif of_text:
            raise ValueError(f"corpus.cleaning: {name} reads lines as the files have them, so it must come first")
        else:
            of_lines.append(formats.CLEANERS[name])
    return Cleaning(tuple(of_lines), tuple(of_text))
