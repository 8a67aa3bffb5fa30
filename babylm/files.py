"""Files written whole or not at all, and read with errors that name the file and the remedy.

Files are written beside their final name, flushed to the disk and renamed; folders are complete when their manifest
exists, which is written last. So whatever is killed and whenever, a name that exists is a whole file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from babylm import strict_json

MANIFEST = "manifest.json"
PARTIAL = ".partial"
"""Ending of a name that is being written; such leftovers are never read and are removed by the next writer."""
REPLACED = f".old{PARTIAL}"
"""Ending of a folder's name while another takes its place."""


@contextmanager
def atomic_file(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that appears under ``path`` only once the block has ended without an error, flushed to the disk."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _naming(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    try:
        with _naming(path, handle, name):
            with open(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) whole or not at all."""
    with atomic_file(path, "w") as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON (NaN refused), whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def atomic_folder(path: Path, replace: bool = True) -> Iterator[Path]:
    """Fill a folder that appears under ``path`` only once the block has ended without an error.

    An existing folder of that name is replaced and its permissions are kept; with ``replace=False`` it is an
    ``OSError`` unless it is empty. Every file is flushed to the disk before the rename. Replacing takes two renames:
    `restore_replaced` puts the old folder back if a kill falls between them.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_partial(path.parent, path.name)
    with _naming(path):
        work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL))
    try:
        with _naming(path):
            yield work
        for file in work.rglob("*"):
            if file.is_file():
                _sync_file(file)
        inherited = work.stat().st_mode & 0o7000  # a shared parent's group
        replaces = replace and path.exists()
        os.chmod(work, inherited | (path.stat().st_mode if replaces else 0o777 & ~_umask()) & 0o777)
        if replaces:
            old = work.with_name(f".{path.name}{REPLACED}")
            os.replace(path, old)
            os.replace(work, path)
            shutil.rmtree(old)
        else:
            os.replace(work, path)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        restore_replaced(path.parent, path.name)
        raise
    _sync_folder(path.parent)


def restore_replaced(parent: Path, name: str = "") -> None:
    """Put back a folder that a kill left without its name; with ``name``, that of this name alone."""
    for old in parent.glob(f".*{REPLACED}"):
        folder = parent / old.name.removesuffix(REPLACED)[1:]
        if name in ("", folder.name) and not folder.exists():
            os.replace(old, folder)


@contextmanager
def _naming(path: Path, *temporary: object) -> Iterator[None]:
    """Let file errors name ``path``: a full disk is reported without a name, and temporary names mean nothing."""
    try:
        yield
    except OSError as error:
        # A path below a folder that is being written is as temporary as the folder.
        hidden = error.filename in (None, *temporary) or PARTIAL in str(error.filename)
        if error.errno is not None and hidden:
            error.filename = str(path)
        raise


def remove_partial(parent: Path, name: str = "") -> None:
    """Remove the leftovers of killed writers in ``parent``; with ``name``, those of that name alone."""
    restore_replaced(parent, name)
    for leftover in parent.glob(f".*{PARTIAL}"):
        if name and leftover.name.removesuffix(PARTIAL).rpartition(".")[0] != f".{name}":
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def open_in_place(path: Path, flags: int) -> int:
    """A descriptor of a regular file that is written where it is; ``flags`` of ``os.open``, made with ``os.O_CREAT``.

    In a folder of somebody else's, a link of this name would let us write into any file, and a pipe would wait.

    Raises:
        ValueError: A link, a pipe or a device has this name.
        OSError: It cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO) and (path.is_symlink() or path.exists()):
            what = "a link" if path.is_symlink() else "no regular file"
            raise ValueError(f"{path} is {what}, and is not written into: remove it") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} is no regular file, and is not written into: remove it")
    return descriptor


def append_text(path: Path, text: str) -> None:
    """Add ``text`` (UTF-8) to a file, which is made if it is absent; errors as of `open_in_place`."""
    descriptor = open_in_place(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with open(descriptor, "a", encoding="utf-8") as file:
        file.write(text)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_hashes: dict[tuple[str, int, int, int, int], str] = {}


def sha256_unchanged(path: Path) -> str:
    """`sha256_file`, cached in this process until the file's size, times or inode change."""
    status = os.stat(path)
    key = (os.path.realpath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    if key not in _hashes:
        _hashes[key] = sha256_file(path)
    return _hashes[key]


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class DamagedFile(ValueError):
    """A file's content is not what it should be; the message names the file and the remedy."""


AS_UTF8 = "save it as UTF-8 (from Latin-1, for example: iconv -f latin1 -t utf-8 OLD > NEW)"
FROM_UTF16 = "save it as UTF-8 (iconv -f utf-16 -t utf-8 OLD > NEW; in Excel: CSV UTF-8)"


def read_text(path: Path, remedy: str = "") -> str:
    """The text of a UTF-8 file (a byte order mark is left out); `DamagedFile` if it cannot be read.

    Without a ``remedy``, the error for another encoding names the command that converts. A named pipe is refused: who
    reads one waits for a writer; those of a shell (``<(zcat FILE)``) have one.
    """
    if Path(path).is_fifo() and not str(path).startswith(("/dev/", "/proc/")):
        raise DamagedFile(_message(path, "a pipe, not a file", remedy))
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DamagedFile(_message(path, "there is no such file", remedy)) from None
    except OSError as error:
        raise DamagedFile(_message(path, error.strerror or str(error), remedy)) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8 text (byte {error.object[error.start]:#04x} in line {line})"
        if Path(path).read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff"):
            what, remedy = "UTF-16 text, not UTF-8", remedy or FROM_UTF16
        raise DamagedFile(_message(path, what, remedy or AS_UTF8)) from None


def read_json(path: Path, remedy: str = "", kind: type = dict) -> Any:
    """The value of a JSON file, of type ``kind``; `DamagedFile` names the file, what is wrong, and ``remedy``."""
    text = read_text(path, remedy)
    value = _parse_json(text, path, remedy)
    if strict_json.has_half_characters(text, value):
        raise DamagedFile(_message(path, "holds half a character (\\ud800 to \\udfff alone)", remedy))
    if not isinstance(value, kind):
        raise DamagedFile(_message(path, f"holds {_json_type(value)}, not {_JSON_TYPES[kind]}", remedy))
    return value


def read_typed(path: Path, types: Mapping[str, tuple[type, ...]], remedy: str = "") -> dict[str, Any]:
    """The JSON object in ``path``, empty without a file; `DamagedFile` if a key of ``types`` is not of its types."""
    if not Path(path).is_file():
        return {}
    content: dict[str, Any] = read_json(path, remedy)
    check_types(path, content, types, remedy, missing_is_null=True)
    return content


def check_types(
    path: Path,
    content: Mapping[str, Any],
    types: Mapping[str, tuple[type, ...]],
    remedy: str = "",
    part: str = "",
    *,
    missing_is_null: bool = False,
) -> None:
    """`DamagedFile` if a key of ``types`` is not in ``content``, read from ``path``, or its value is not of its types.

    ``part``: what of the file ``content`` is. A truth value is no number.
    """
    for key, kinds in types.items():
        value, is_there = content.get(key), key in content
        is_of_kinds = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if not is_of_kinds or not (is_there or missing_is_null):
            what = f"{key} is {repr(value) if is_there else 'missing'}"
            raise DamagedFile(_message(path, f"{part}: {what}" if part else what, remedy))


def check_keys(path: Path, content: Any, keys: Iterable[str], remedy: str = "") -> None:
    """`DamagedFile` if ``content``, read from ``path``, is no object with all of ``keys``."""
    missing = [key for key in keys if key not in content] if isinstance(content, dict) else list(keys)
    if missing:
        raise DamagedFile(_message(path, f"has no {', '.join(missing)}", remedy))


def nan_to_none(value: Any) -> Any:
    """A value as JSON can hold it, NaN as None, tuples as lists: ``(1.0, nan)`` -> ``[1.0, None]``."""
    if isinstance(value, dict):
        return {key: nan_to_none(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_to_none(inner) for inner in value]
    return None if isinstance(value, float) and value != value else value


def none_to_nan(value: Any) -> Any:
    """The inverse of `nan_to_none`, as the official files are written."""
    if isinstance(value, dict):
        return {key: none_to_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [none_to_nan(inner) for inner in value]
    return float("nan") if value is None else value


def read_jsonl(path: Path, remedy: str = "", *, cut_last_line: bool = False) -> list[dict[str, Any]]:
    """The objects of a JSONL file, one per line; blank lines are left out.

    ``cut_last_line``: a last line that a kill has cut is left out too. `DamagedFile` for anything else.
    """
    return [row for _, row in numbered_jsonl(path, remedy, cut_last_line=cut_last_line)]


def numbered_jsonl(
    path: Path, remedy: str = "", *, cut_last_line: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of each line that is not blank; see `read_jsonl`."""
    lines = read_text(path, remedy).split("\n")  # not splitlines: a string may hold U+2028
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = _parse_json(line, path, remedy, number)
            if not isinstance(value, dict):
                what = f"line {number} holds {_json_type(value)}, not an object"
                raise DamagedFile(_message(path, what, remedy or "write one object per line"))
        except DamagedFile as error:
            if number == 1 and line.strip() in ("{", "[", "[{"):
                what = "an object or a list over several lines"
                raise DamagedFile(_message(path, what, remedy or "write one object per line")) from error
            if cut_last_line and number == len(lines):  # a whole line ends with a line feed, so an empty one follows
                break
            raise
        yield number, value


_JSON_TYPES = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number"}


def _json_type(value: Any) -> str:
    return _JSON_TYPES.get(type(value), "true or false" if isinstance(value, bool) else "null")


def _parse_json(text: str, path: Path, remedy: str, line: int | None = None) -> Any:
    try:
        return strict_json.parse(text, line)
    except strict_json.NotJson as error:
        raise DamagedFile(_message(path, str(error), remedy)) from None


def _message(path: Path, what: str, remedy: str) -> str:
    return f"{path}: {what}" + (f"; {remedy}" if remedy else "")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    with suppress(OSError):  # some file systems refuse fsync on a folder
        _sync_file(path)
