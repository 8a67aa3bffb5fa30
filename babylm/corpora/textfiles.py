"""The text files of a folder, and their bytes as lines; files that are not read are named, unreadable ones refused.

A corpus is one file, or a folder with everything below it. If there is any ``*.train`` file, such files are the corpus;
else the plain text files are. Hidden files are left out; so are folders named after held-out text, with a note. Each
file is a source, named by its path below the folder, without the ending.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from babylm import places

TRAIN_ENDINGS = (".train", ".train.txt", ".train.gz", ".train.txt.gz")
TEXT_ENDINGS = (".txt", ".text", ".cha", ".srt", ".vtt")
"""Plain text; the last three are transcripts and subtitles, for which ``corpus.cleaning`` has functions."""
SPLITS = ("dev", "test", "valid", "validation", "val", "eval", "heldout", "held_out")
"""Names of folders and endings of files (``wiki.dev``) that are held-out text by convention."""
NOT_TEXT = {
    ".json": "JSON", ".jsonl": "JSON lines", ".csv": "a table", ".tsv": "a table", ".parquet": "Parquet",
    ".arrow": "Arrow", ".xml": "XML", ".html": "HTML", ".htm": "HTML", ".pdf": "PDF", ".docx": "Word", ".epub": "EPUB",
    ".zip": "an archive", ".tar": "an archive", ".tgz": "an archive", ".7z": "an archive", ".rar": "an archive",
    ".bz2": "packed", ".xz": "packed", ".zst": "packed",
}  # fmt: skip
"""Endings of files that hold text in another form, and what that is; never read as they are."""
BLOCK_BYTES = 1 << 20
"""Files are read in blocks of this size; a longer line is passed on in fragments, cut between words."""
LONGEST_WORD = 1 << 20
"""Bytes without white space that are refused: memory would grow with such a word, and no language has one."""


class NoText(ValueError):
    """There is no such path, or no text in it."""


@dataclass(frozen=True)
class Listing:
    """The files of a corpus by source name, sorted, and notes about the others."""

    files: dict[str, Path]
    notes: tuple[str, ...] = ()
    """One line each, for files and folders that are left out or read twice."""


def find(path: Path, key: str, *, held_out: bool = False, without: Iterable[Path] = ()) -> Listing:
    """The text files of ``path``, a file or a folder; ``key`` is the setting that errors name (``corpus.path``).

    ``held_out``: every visible text file is one, whatever its ending, folders of held-out text included. ``without``:
    files and folders that are left out (the held-out text of the same configuration). `NoText` when there is no such
    path or no text in it, with what is there instead; ``ValueError`` for a broken link and for two files of one source.
    """
    path = places.given(path)
    if path.is_dir():
        return _find_in_folder(path, key, held_out, {_real(places.given(p)) for p in without})
    if not os.path.lexists(path):
        raise NoText(f"{key}: there is no file or folder {path}{places.nearest(path)}")
    if problem := _irregular(path):
        raise ValueError(f"{key}: {path} {problem}")
    if form := _other_form(path.name):
        raise ValueError(f"{key}: {path} is {form}, not plain text. {_REMEDY}")
    _check_name(path, key)
    return Listing({_source_name(path.name): path})


def _find_in_folder(folder: Path, key: str, held_out: bool, without: set[Path]) -> Listing:
    notes: list[str] = []
    files: list[Path] = []
    for file in _walk(folder, key, held_out, without, notes):
        if problem := _irregular(file):
            if file.is_symlink() and not file.exists():
                raise ValueError(f"{key}: {file} {problem}; mend the link or remove it")
            notes.append(f"{file} is not read: it {problem}")
        else:
            files.append(file)
    readable = [file for file in files if not _other_form(file.name)]
    train = [file for file in readable if file.name.lower().endswith(TRAIN_ENDINGS)]
    plain = [file for file in readable if _is_plain(file.name)]
    chosen = readable if held_out else train or [file for file in plain if not _is_held_out(file.name)] or plain
    if not chosen:
        raise NoText(f"{key}: no text in {folder}, which holds {_kinds(files, notes)}. {_REMEDY}")
    left = [file for file in files if file not in set(chosen)]
    if train and not held_out:  # the other files of a track's folder are no surprise, unless they are text too
        notes = [note for note in notes if "held-out" not in note]
        reasons = [("as only *.train files are read if there are any", plain)]
    else:
        reasons = [
            ("by its name it is held-out text (corpus.dev, corpus.test)", plain),
            ("not plain text by its ending", [file for file in left if file not in plain]),
        ]
    for why, some in reasons:
        if unread := [file for file in some if file in left]:
            notes.append(f"not read, {why}: {_few(unread, folder)}")
    named: dict[str, Path] = {}
    for file in sorted(chosen):
        _check_name(file, key)
        name = _source_name(str(file.relative_to(folder)))
        if name in named:
            raise ValueError(f"{key}: {named[name]} and {file}: two files for the source {name!r}; keep one of them")
        named[name] = file
    return Listing(named, tuple(notes))


_REMEDY = (
    "Text is read from *.train files, else from *.txt (.cha, .srt, .vtt) files, all also packed as .gz, in UTF-8: one "
    "utterance or paragraph per line, a blank line between documents"
)


def _check_name(path: Path, key: str) -> None:
    """``ValueError`` for a name that is not UTF-8: it is a source's name, which is written down with the corpus."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        readable = str(path).encode(errors="surrogateescape").decode(errors="replace")
        raise ValueError(f"{key}: the name of {readable} is not UTF-8; rename it") from None


def _real(path: Path) -> Path:
    """Where links lead; unlike ``Path.resolve`` of Python 3.11, no error for a link that leads to itself."""
    return Path(os.path.realpath(path))


def _walk(folder: Path, key: str, held_out: bool, without: set[Path], notes: list[str]) -> Iterator[Path]:
    """Everything visible below a folder that is no folder, each folder once, whatever links lead to it."""

    def fail(error: OSError) -> None:
        raise ValueError(f"{key}: {error.filename}: {error.strerror}") from error

    seen = {_real(folder)}
    for root, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        visible = []
        for name in sorted(folders):
            inner = Path(root, name)
            if name.startswith(".") or _real(inner) in without:
                continue
            if _real(inner) in seen:
                notes.append(f"{inner} is not read: it is a link to a folder that is read already")
            elif not held_out and name.lower() in SPLITS:
                notes.append(f"{inner} is not read: by its name it holds held-out text (corpus.dev, corpus.test)")
            else:
                seen.add(_real(inner))
                visible.append(name)
        folders[:] = visible
        for name in sorted(names):
            file = Path(root, name)
            if not name.startswith(".") and _real(file) not in without:
                yield file


def _irregular(path: Path) -> str:
    """Why a path cannot be read as a file, as the end of a sentence; empty if it can."""
    if path.is_symlink() and not path.exists():
        return f"is a link to {path.readlink()}, which is not there"
    if path.is_file():
        return "" if os.access(path, os.R_OK) else "may not be read by you (see its permissions)"
    kinds = ((path.is_fifo, "a pipe"), (path.is_socket, "a socket"), (path.is_block_device, "a device"))
    return f"is {next((kind for test, kind in kinds if test()), 'a device')}, not a file"


def _is_plain(name: str) -> bool:
    """Whether a name says plain text, packed or not; ``notes.gz`` does, ``data.json.gz`` does not."""
    return name.lower().endswith((".gz", *TEXT_ENDINGS)) and not _other_form(name)


def _is_held_out(name: str) -> bool:
    """Whether a file's name says held-out text: ``valid.txt``, ``wiki_dev.txt``, ``wiki.test.gz``."""
    stem = name.lower().removesuffix(".gz")
    for ending in TEXT_ENDINGS:
        stem = stem.removesuffix(ending)
    return re.split(r"[._-]", stem)[-1] in SPLITS


def _other_form(name: str) -> str:
    """The form that a file's ending says, if that is not plain text; else empty."""
    return NOT_TEXT.get(Path(name.lower().removesuffix(".gz")).suffix, "")


def _source_name(path: str) -> str:
    """A file's path without the endings that say nothing of its content: ``en/childes.train.gz`` -> ``en/childes``."""
    for ending in (".gz", *TEXT_ENDINGS, ".train", *(f".{split}" for split in SPLITS)):
        if path.lower().endswith(ending) and Path(path).name.lower() != ending:
            path = path[: -len(ending)]
    return path


def _kinds(files: list[Path], notes: list[str] | None = None) -> str:
    """``12 files: 10 .json, 2 .csv``."""
    if not files:
        return "no file" + (f" that is read ({'; '.join(notes)})" if notes else "")
    endings = Counter(file.suffix.lower() or "without an ending" for file in files)
    counted = ", ".join(f"{number} {ending}" for ending, number in endings.most_common(6))
    return f"{len(files)} file{'s' if len(files) > 1 else ''}: {counted}"


def _few(files: list[Path], folder: Path) -> str:
    names = [str(file.relative_to(folder)) for file in files[:5]]
    return ", ".join(names) + (", ..." if len(files) > 5 else "")


def digest(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file's text (unpacked). It is read to its end: what is wrong is said before any work."""
    sha, size = hashlib.sha256(), 0
    for block, _ in _blocks(path):
        sha.update(block)
        size += len(block)
    return size, sha.hexdigest()


def read_lines(path: Path) -> Iterator[tuple[str, bool]]:
    """The lines of a UTF-8 file without their ends (``\\n``, ``\\r\\n`` or ``\\r``), each with whether it continues.

    A line longer than `BLOCK_BYTES` comes in fragments, cut after white space; all but its last one continue. A leading
    byte-order mark is dropped. Other marks between lines (form feeds, U+2028) are white space inside a line, as for
    ``str.split``. ``ValueError`` with the byte offset for what is not UTF-8 or no plain text.
    """
    rest = ""
    first = True
    for _, text in _blocks(path):
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        lines = (rest + text).split("\n")
        rest = lines.pop()
        for line in lines:
            yield line, False
        if len(rest) >= BLOCK_BYTES:
            end = len(rest) if rest[-1].isspace() else len(rest) - len(rest.rsplit(None, 1)[-1])
            if end:
                yield rest[:end], True
                rest = rest[end:]
    yield rest, False


def _blocks(path: Path) -> Iterator[tuple[bytes, str]]:
    """A file's bytes in blocks, and the text that they complete, with ``\\n`` as its only line end.

    ``ValueError`` for bytes that are no UTF-8, for a NUL, for a damaged ``.gz``, and for a word of more than
    `LONGEST_WORD`.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    position, in_word, carriage_return = 0, 0, ""
    with _open(path) as file:
        while True:
            block = _read(file, path)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise ValueError(_not_utf8(path, position - pending, block, error)) from error
            if "\0" in text:
                raise ValueError(
                    f"{path}: NUL byte at offset {position + block.index(0)}; this is not plain text (UTF-16? a "
                    "damaged copy?)"
                )
            in_word = 0 if text[:1].isspace() or len(text.split(None, 1)) > 1 else in_word + len(block)
            if in_word >= LONGEST_WORD:
                raise ValueError(
                    f"{path}: more than {LONGEST_WORD:,} bytes without white space before offset "
                    f"{position + len(block):,}, and white space ends a word; end its lines (for text without spaces, "
                    "after each sentence), or leave the file out"
                )
            text = carriage_return + text
            carriage_return = "\r" if text.endswith("\r") and block else ""
            text = text.removesuffix(carriage_return)
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            yield block, text
            if not block:
                return
            position += len(block)


def _open(path: Path) -> BinaryIO:
    try:
        return cast(BinaryIO, gzip.open(path)) if path.name.lower().endswith(".gz") else open(path, "rb")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error


def _read(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(BLOCK_BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: not a whole .gz file ({error}); copy it anew, or test it with gzip -t") from error
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error


def _not_utf8(path: Path, start: int, block: bytes, error: UnicodeDecodeError) -> str:
    wide = start == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    convert = f"iconv -f {'UTF-16' if wide else 'LATIN1'} -t UTF-8"
    if path.name.lower().endswith(".gz"):
        convert = f"zcat FILE | {convert}"
    return (
        f"{path}: byte {max(start, 0) + error.start} is not UTF-8 ({error.reason}); convert the file, for example with "
        f"{convert}"
    )
