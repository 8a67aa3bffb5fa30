"""Composition of a corpus by source: counts, types, lengths, duplicates, checksums; as JSON and as Markdown.

Figures are of the raw text, before cleaning, counted while it streams; only special tokens that are spelt out are
counted after cleaning. A line that was cut into several documents counts as one line.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from babylm.corpora import cleaning, formats, word_count
from babylm.corpora.documents import Document
from babylm.corpora.sources import SourceFile
from babylm.tables import markdown_table

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
"""Scripts written without spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Chinese characters."""
MOST_CHARACTERS = 15.0
"""Characters per word, the white space behind it included, above which text is hardly divided into words by white
space: English has 5 to 6, Finnish 8, Inuktitut 11 to 13; a line of Chinese or Thai has 20 to 60.
"""
MOST_UNSPACED_CHARACTERS = 6.0
"""The same for `_UNSPACED` scripts, whose lines may be short: words that a segmenter has set apart have 2.5 to 5.5."""


class _Counts:
    def __init__(self) -> None:
        self.words = self.characters = self.unspaced = 0
        self.marks: Counter[str] = Counter()
        self.types: set[str] = set()
        self.lines = array("Q")  # a 64-bit digest per line
        self.line_words = array("I")
        self.document_words = array("I")
        self._begun: tuple[Any, int] | None = None
        """Digest and words of a line whose end has not been read yet."""

    def add(self, text: str, continues: bool = False) -> None:
        """Count one document; with ``continues`` it is a piece of a line, which the next document continues."""
        words = text.split()
        self.words += len(words)
        self.characters += len(text)
        if not text.isascii():
            self.unspaced += sum(map(len, _UNSPACED.findall(text)))
        self.marks += formats.marks(text)
        self.types.update(words)
        self.document_words.append(len(words))
        for line in text.split("\n"):
            in_line = word_count.count(line)
            if not in_line:
                continue
            digest = hashlib.blake2b(line.strip().encode(), digest_size=8)
            if self._begun is not None:
                (begun, before), self._begun = self._begun, None
                begun.update(b" " + line.strip().encode())
                digest, in_line = begun, before + in_line
            if continues:
                self._begun = digest, in_line
            else:
                self.line_words.append(in_line)
                self.lines.append(int.from_bytes(digest.digest(), "little"))

    def figures(self) -> dict[str, Any]:
        """The table's row."""
        lines = len(self.lines)
        distinct = len(np.unique(np.frombuffer(self.lines, dtype=np.uint64))) if lines else 0
        return {
            "words": self.words,
            "lines": lines,
            "documents": len(self.document_words),
            "characters": self.characters,
            "types": len(self.types),
            "type_token_ratio": round(len(self.types) / max(self.words, 1), 5),
            "words_per_line": _lengths(self.line_words),
            "words_per_document": _lengths(self.document_words),
            "characters_per_word": round(self.characters / max(self.words, 1), 3),
            "unspaced_share": round(self.unspaced / max(self.characters, 1), 4),
            "looks_like": formats.looks_like(self.marks, lines),
            "duplicate_lines": lines - distinct,
            "duplicate_line_share": round((lines - distinct) / max(lines, 1), 5),
        }


class Datasheet:
    """Counts documents while they stream from the source to the tokenizer."""

    def __init__(self, files: Iterable[SourceFile] = ()) -> None:
        self._files = {file.name: file for file in files}
        self._counts: dict[str, _Counts] = {name: _Counts() for name in self._files}
        self._special: Counter[str] = Counter()

    def watch(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Pass documents through, counting them."""
        for document in documents:
            self._counts.setdefault(document.source, _Counts()).add(document.text, document.continues)
            yield document

    def cleaned(self, text: str) -> str:
        """Pass a cleaned document through, counting the special tokens that it spells out."""
        self._special.update(cleaning.special_tokens(text))
        return text

    @property
    def words(self) -> int:
        """Words counted so far."""
        return sum(counts.words for counts in self._counts.values())

    def as_dict(self) -> dict[str, Any]:
        """``{"sources": {name: figures}, "total": figures, "special_tokens_spelt_out": {token: times}}``; types of the
        total are those of all sources together.
        """
        sources: dict[str, Any] = {}
        total = _Counts()
        for name, counts in self._counts.items():
            file = self._files.get(name)
            origin = {"file": file.path.name, "bytes": file.bytes, "sha256": file.sha256} if file else {}
            sources[name] = {**counts.figures(), **origin}
            total.words += counts.words
            total.characters += counts.characters
            total.unspaced += counts.unspaced
            total.types |= counts.types
            total.lines.extend(counts.lines)
            total.line_words.extend(counts.line_words)
            total.document_words.extend(counts.document_words)
        special = dict(self._special.most_common())
        return {"sources": sources, "total": total.figures(), "special_tokens_spelt_out": special}


def warnings(sheet: dict[str, Any], cleaners: Iterable[str]) -> list[str]:
    """Warnings before training on this text, one line each; ``cleaners``: the cleaning functions that are applied.

    They concern text that white space hardly divides into words, text in a format whose cleaning function is not
    applied, and special tokens that are spelt out. Datasheets of earlier versions lack some figures.
    """
    lines = []
    applied = set(cleaners)
    for name, row in sheet["sources"].items():
        if _hardly_divided(row):
            lines.append(
                f"{name}: {row['characters_per_word']:.1f} characters per word ({row['characters']:,} characters, "
                f"{row['words']:,} words). Words are counted between white space, which this text has little of, so "
                "budgets and milestones in words mean little: put spaces between words first, or count in characters"
            )
        lines += [
            f"{name} looks like {what}: corpus.cleaning=[{cleaner}] takes the text out of it"
            for cleaner, what in row.get("looks_like", {}).items()
            if cleaner not in applied
        ]
    if special := sheet.get("special_tokens_spelt_out"):
        counted = ", ".join(f"{token} {times:,}" for token, times in list(special.items())[:8])
        lines.append(
            f"the text spells out special tokens ({counted}): they are read as the letters they are, never as the "
            "tokens; corpus.cleaning=[drop_special_tokens] removes them"
        )
    return lines


def _hardly_divided(row: dict[str, Any]) -> bool:
    most = MOST_UNSPACED_CHARACTERS if row.get("unspaced_share", 0) > 0.3 else MOST_CHARACTERS
    return row["characters_per_word"] > most


def as_markdown(sheet: dict[str, Any]) -> str:
    """The datasheet as a Markdown table, one row per source, with notes."""
    titles = ("source", "words", "share", "lines", "documents", "types", "type/token", "words/line", "characters/word",
              "duplicate lines")  # fmt: skip
    rows = []
    total = sheet["total"]
    for name, row in [*sheet["sources"].items(), ("total", total)]:
        rows.append(
            (
                name,
                f"{row['words']:,}",
                f"{row['words'] / max(total['words'], 1):.1%}",
                f"{row['lines']:,}",
                f"{row['documents']:,}",
                f"{row['types']:,}",
                f"{row['type_token_ratio']:.4f}",
                f"{row['words_per_line']['mean']:.1f}",
                f"{row['characters_per_word']:.1f}",
                f"{row['duplicate_line_share']:.1%}",
            )
        )
    table = markdown_table(titles, rows)
    hashes = [
        f"- `{row['file']}`: {row['bytes']:,} bytes, SHA-256 `{row['sha256']}`"
        for row in sheet["sources"].values()
        if "sha256" in row
    ]
    notes = (
        "Words are whitespace-separated units of the raw text, before any cleaning. Types are distinct such units, "
        "case and punctuation included. A duplicate line occurred before in the same source (in any, for the total)."
    )
    warned = [f"- {line}" for line in warnings(sheet, ())]
    lists = ["\n".join(lines) for lines in (warned, hashes) if lines]
    return "\n\n".join(["# Datasheet", table, notes, *lists]) + "\n"


def _lengths(values: array[int]) -> dict[str, float | int]:
    if not values:
        return {"mean": 0.0, "median": 0, "p95": 0, "max": 0}
    numbers = np.frombuffer(values, dtype=np.uint32)
    median, p95 = np.percentile(numbers, [50, 95])
    return {"mean": round(float(numbers.mean()), 3), "median": int(median), "p95": int(p95), "max": int(numbers.max())}
