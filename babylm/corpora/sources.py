"""Where text comes from, behind one interface: local ``*.train`` files, the Hub, or the bundled toy grammar.

A source streams documents: no corpus is ever held in memory. The official files have no document marks,
so a document is a block between blank lines, a wiki heading opens a new one, and what is longer than
``document_words`` is cut at line ends; or each line is a document (``corpus.documents=lines``). Words are
never lost, doubled or joined by any of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import places
from babylm.config.schema import CorpusConfig
from babylm.corpora import microlanguage, textfiles
from babylm.corpora.documents import Document, split_lines

OFFICIAL_FILES = ("bnc_spoken", "childes", "gutenberg", "open_subtitles", "simple_wiki", "switchboard")
_CACHED_WORDS = 1_000_000
LineFilter = Callable[[Iterator[tuple[str, bool]]], Iterator[tuple[str, bool]]]
"""Takes and returns lines, each with whether it continues (`textfiles.read_lines`)."""


@dataclass(frozen=True)
class SourceFile:
    """A raw file of a corpus; ``name`` is the source's name (``childes``), size and hash are of its unpacked text."""

    name: str
    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A corpus: its files (none for the toy grammar), what identifies its text, and its documents in a fixed order."""

    files: tuple[SourceFile, ...]
    identity: dict[str, Any]
    stream: Callable[[LineFilter | None], Iterator[Document]]
    notes: tuple[str, ...] = ()
    """One line each for what a person should know of the files: left out, empty, the same text twice."""

    def documents(self, lines: LineFilter | None = None) -> Iterator[Document]:
        """The documents, streamed anew at each call; ``lines`` filters each file's lines before they are joined."""
        return self.stream(lines)


def read(config: CorpusConfig) -> Source:
    """The configured source; if it has no files, ``ValueError`` says which to put where."""
    if config.document_words < 1:
        raise ValueError(f"corpus.document_words: {config.document_words} is not a positive number of words")
    if config.source == "microlanguage":
        return _microlanguage(config)
    if config.source == "toy":
        return _toy(config)
    folder = places.given(config.path)
    without = [Path(path) for path in (config.dev, config.test) if path is not None]
    try:
        listing = textfiles.find(folder, "corpus.path", without=without)
    except textfiles.NoText as error:
        if config.source != "hub":
            official = ", ".join(f"{name}.train" for name in OFFICIAL_FILES)
            said = f"{error}" if str(error).endswith("?") else f"{error}."
            raise ValueError(
                f"{said} Put the corpus there (the official files are {official}), or set corpus.source=hub to "
                "download it, or corpus.source=toy for the bundled corpus"
            ) from None
        from babylm.corpora import hub  # loads huggingface_hub

        hub.download(config.hub_dataset, folder)
        listing = textfiles.find(folder, "corpus.path", without=without)
    return _from_files(listing, config.document_words, config.documents)


def held_out(
    path: str | Path, document_words: int = 1000, documents: str = "blocks", key: str = "corpus.dev, corpus.test"
) -> Source:
    """The text of ``corpus.dev`` or ``corpus.test``: a file, or all visible text files of a folder."""
    return _from_files(textfiles.find(Path(path), key, held_out=True), document_words, documents)


def check_held_out(config: CorpusConfig, source: Source) -> None:
    """``ValueError`` when ``corpus.dev`` or ``corpus.test`` cannot be read, holds no word, or is text that ``source``
    trains on."""
    trained = {file.sha256: file for file in source.files if file.bytes}
    for key in ("dev", "test"):
        path = getattr(config, key)
        if path is None:
            continue
        text = held_out(path, config.document_words, config.documents, f"corpus.{key}")
        for file in text.files:
            if file.sha256 in trained:
                raise ValueError(
                    f"corpus.{key}: {file.path} holds the same text as {trained[file.sha256].path}, which is trained on"
                )
        if next(text.documents(), None) is None:
            raise ValueError(f"corpus.{key}: {path} holds no word")


def _toy(config: CorpusConfig) -> Source:
    from babylm.corpora import toy

    if config.toy.words < 1:
        raise ValueError(f"corpus.toy.words: {config.toy.words} is not a positive number of words")
    identity = {"toy": toy.version(), "words": config.toy.words, "seed": config.toy.seed}
    written: list[Document] = []

    def write() -> Iterator[Document]:
        if config.toy.words > _CACHED_WORDS:
            yield from toy.write(config.toy.words, config.toy.seed)
            return
        if not written:  # read twice, by the tokenizer's training and by the encoding: writing it is the slow part
            written.extend(toy.write(config.toy.words, config.toy.seed))
        yield from written

    def stream(lines: LineFilter | None) -> Iterator[Document]:
        for document in write():
            whole = ((line, False) for line in document.text.split("\n"))
            read = lines(whole) if lines else whole
            for text, continues in split_lines(read, config.document_words, config.documents == "lines"):
                yield Document(document.source, text, continues)

    return Source((), identity, stream)


def _microlanguage(config: CorpusConfig) -> Source:
    """Sentences of the micro-language, a document each or (``toy.lines``) several together, one per line."""
    settings = config.toy
    identity = {
        "microlanguage": microlanguage.VERSION,
        "words": settings.words,
        "seed": settings.seed,
        "errors": settings.errors,
    }

    if settings.lines > 1:
        identity["lines"] = settings.lines

    def sentences(lines: LineFilter | None) -> Iterator[str]:
        for text in microlanguage.write(settings.words, settings.seed, settings.errors):
            yield from (line for line, _ in lines(iter([(text, False)]))) if lines else [text]

    def stream(lines: LineFilter | None) -> Iterator[Document]:
        each = sentences(lines)
        while document := list(itertools.islice(each, settings.lines)):
            yield Document("microlanguage", "\n".join(document))

    return Source((), identity, stream)


def _from_files(listing: textfiles.Listing, document_words: int, documents: str) -> Source:
    files = tuple(SourceFile(name, path, *textfiles.digest(path)) for name, path in sorted(listing.files.items()))
    identity = {"files": [[file.name, file.bytes, file.sha256] for file in files]}

    def stream(lines: LineFilter | None) -> Iterator[Document]:
        for file in files:
            whole = textfiles.read_lines(file.path)
            read = lines(whole) if lines else whole
            for text, continues in split_lines(read, document_words, documents == "lines"):
                yield Document(file.name, text, continues)

    notes = [*listing.notes, *(f"{file.path} is empty" for file in files if file.bytes == 0)]
    first: dict[str, SourceFile] = {}
    for file in files:
        if file.bytes and first.setdefault(file.sha256, file) is not file:
            notes.append(f"{first[file.sha256].path} and {file.path} hold the same text, which is read twice")
    return Source(files, identity, stream, tuple(notes))
