"""Where text comes from, behind one interface: local ``*.train`` files, the Hub, or the bundled toy grammar.

A source streams documents: no corpus is ever held in memory. The official files have no document marks of their own,
so a document is a block between blank lines, a wiki heading opens a new one, and what is longer than
``document_words`` is cut at line ends. Words are never lost, doubled or joined by any of it.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm.sections import CorpusConfig

TRAIN_ENDINGS = (".train", ".train.txt")
OFFICIAL_FILES = ("bnc_spoken", "childes", "gutenberg", "open_subtitles", "simple_wiki", "switchboard")
MOST_FILES = 256
"""Sources of a corpus: one byte a document names its source."""
_BLOCK_BYTES = 1 << 20
_KEPT_WORDS = 1_000_000
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Document:
    """A text to be read as one piece; never seen together with its neighbours in one attention window."""

    source: str
    text: str
    goes_on: bool = False
    """Whether it is a piece of one line that the source's next document goes on with."""


@dataclass(frozen=True)
class SourceFile:
    """A raw file of a corpus; ``name`` is the source's name (``childes``)."""

    name: str
    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A corpus: its files (none for the toy grammar), what identifies its text, and its documents in a fixed order."""

    files: tuple[SourceFile, ...]
    identity: dict[str, Any]
    stream: Callable[[], Iterator[Document]]

    def documents(self) -> Iterator[Document]:
        """The documents, streamed anew at each call; ``ValueError`` names file and byte where a file is not UTF-8
        text.
        """
        return self.stream()


def read(config: CorpusConfig) -> Source:
    """The source a config asks for; ``ValueError`` says which files to put where when there are none."""
    if config.document_words < 1:
        raise ValueError(f"corpus.document_words: {config.document_words} is not a positive number of words")
    if config.source == "toy":
        return _toy(config)
    folder = Path(config.path)
    if config.source == "hub" and not _train_files(folder):
        from babylm.corpora import hub  # loads huggingface_hub

        hub.download(config.hub, folder)
    found = _train_files(folder)
    if not found:
        wanted = ", ".join(f"{name}.train" for name in OFFICIAL_FILES)
        raise ValueError(
            f"corpus.path: no *.train files in {folder}. Put the corpus there (the official files are {wanted}), "
            "or set corpus.source=hub to download it, or corpus.source=toy for the bundled corpus"
            f"{_passed_over(folder)}"
        )
    return _from_files(found, config.document_words)


def held_out(path: str | Path, document_words: int = 1000) -> Source:
    """The text of ``corpus.dev`` or ``corpus.test``: one file, or all visible files of a folder, named by their
    stems.
    """
    path = Path(path)
    if path.is_file():
        return _from_files({path.name.split(".")[0]: path}, document_words)
    files = sorted(f for f in path.glob("*") if f.is_file() and not f.name.startswith(".")) if path.is_dir() else []
    if not files:
        raise ValueError(f"{path}: neither a text file nor a folder of text files (corpus.dev, corpus.test)")
    return _from_files(_named(files, lambda file: file.name.split(".")[0]), document_words)


def _toy(config: CorpusConfig) -> Source:
    from babylm.corpora import toy

    if config.words < 1:
        raise ValueError(f"corpus.words: {config.words} is not a positive number of words")
    identity = {"toy": toy.version(), "words": config.words, "seed": config.seed}
    kept: list[Document] = []

    def stream() -> Iterator[Document]:
        if config.words > _KEPT_WORDS:
            yield from _cut(toy.write(config.words, config.seed), config.document_words)
            return
        if not kept:  # read twice, by the tokenizer's training and by the encoding: writing it is the slow part
            kept.extend(_cut(toy.write(config.words, config.seed), config.document_words))
        yield from kept

    return Source((), identity, stream)


def _train_files(folder: Path) -> dict[str, Path]:
    """The visible regular files of a folder with the right endings; a pipe would block, a folder cannot be read."""
    files = []
    for file in (file for ending in TRAIN_ENDINGS for file in folder.glob(f"*{ending}")):
        if file.name.startswith("."):
            continue
        if file.is_symlink() and not file.exists():
            raise ValueError(f"corpus.path: {file} is a link to {file.readlink()}, which is not there")
        if file.is_file():
            files.append(file)
    return _named(sorted(files), lambda file: file.name.removesuffix(".txt").removesuffix(".train"))


def _passed_over(folder: Path) -> str:
    """What a person may have meant as a corpus and is none, as the end of a sentence."""
    meant = sorted(file for file in folder.glob("*") if file.name.lower().endswith(TRAIN_ENDINGS))
    why = {
        file.name: "its ending is not in small letters" if file.is_file() else "no regular file"
        for file in meant
        if not file.name.startswith(".")
    }
    return "".join(f"; {name} is not taken ({reason})" for name, reason in why.items())


def _named(files: list[Path], name_of: Callable[[Path], str]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for file in files:
        name = name_of(file)
        if name in named:
            raise ValueError(f"{named[name]} and {file}: two files for the source {name!r}; keep one of them")
        named[name] = file
    return named


def _from_files(paths: dict[str, Path], document_words: int) -> Source:
    if len(paths) > MOST_FILES:
        folder = next(iter(paths.values())).parent
        raise ValueError(f"{folder}: {len(paths)} files, more than {MOST_FILES} sources; join some of them")
    files = tuple(SourceFile(name, path, *_checked(path)) for name, path in sorted(paths.items()))
    identity = {"files": [[file.name, file.bytes, file.sha256] for file in files]}

    def stream() -> Iterator[Document]:
        for file in files:
            for text, goes_on in _pieces(read_lines(file.path), document_words):
                yield Document(file.name, text, goes_on)

    return Source(files, identity, stream)


def _checked(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file. Its text is looked at on the way: what is wrong with it is said before any work."""
    digest, size = hashlib.sha256(), 0
    for block, _ in _blocks(path):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file without their ends (``\\n``, ``\\r\\n`` or ``\\r``), a leading byte-order mark dropped.

    ``ValueError`` with the byte offset where the file is not UTF-8, or holds a NUL byte (then it is no plain text).
    """
    for number, (_, text) in enumerate(_blocks(path)):
        if number == 0:
            text = text.removeprefix("\ufeff")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        yield from text.removesuffix("\n").split("\n")


def _blocks(path: Path) -> Iterator[tuple[bytes, str]]:
    """A file's bytes, and the text they spell, in blocks that end at a line end (no character, no ``\\r\\n`` cut)."""
    with open(path, "rb") as file:
        position = 0
        while block := file.read(_BLOCK_BYTES) + file.readline():
            try:
                text = block.decode("utf-8")
            except UnicodeDecodeError as error:
                wide = position == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
                raise ValueError(
                    f"{path}: byte {position + error.start} is not UTF-8 ({error.reason}); convert the file, for "
                    f"example with iconv -f {'UTF-16' if wide else 'LATIN1'} -t UTF-8"
                ) from error
            if "\0" in text:
                offset = position + block.index(b"\0")
                raise ValueError(
                    f"{path}: NUL byte at offset {offset}; this is not plain text (UTF-16? a damaged copy?)"
                )
            yield block, text
            position += len(block)


def split_documents(lines: Iterable[str], limit: int) -> Iterator[str]:
    """Join lines into documents of at most ``limit`` words, none of them empty.

    A blank line ends a document and a wiki heading begins one; a heading is never left alone by a blank line after it.
    """
    return (text for text, _ in _pieces(lines, limit))


def _pieces(lines: Iterable[str], limit: int) -> Iterator[tuple[str, bool]]:
    """The documents, each with whether it ends within a line."""
    block: list[str] = []
    words = 0
    heading_only = False
    for line in lines:
        in_line = len(line.split())
        heading = line.startswith("= ") and is_heading(line.rstrip())
        full = words + in_line > limit
        if block and (heading or full or (in_line == 0 and not heading_only)):
            yield "\n".join(block), False
            block, words = [], 0
        if in_line == 0:
            continue
        while in_line > limit:
            start = _start_of_word(line, limit)
            yield line[:start].rstrip(), True
            line, in_line = line[start:], in_line - limit
        heading_only = heading and not block
        block.append(line)
        words += in_line
    if block:
        yield "\n".join(block), False


def is_heading(line: str) -> bool:
    """Whether a line without white space at its end is a wiki heading: ``= = = Title = = =``, two marks or more."""
    # No pattern: one with a repeated mark on both sides of anything takes cubic time on a line of marks.
    return len(line) >= 8 and line.startswith("= = ") and line.endswith(" = =") and "\n" not in line


def _cut(documents: Iterable[Document], limit: int) -> Iterator[Document]:
    for document in documents:
        for text, goes_on in _pieces(document.text.split("\n"), limit):
            yield Document(document.source, text, goes_on)


def _start_of_word(line: str, index: int) -> int:
    for number, match in enumerate(_WORD.finditer(line)):
        if number == index:
            return match.start()
    raise AssertionError(f"line has no word {index}")
