"""Download of the official evaluation data into a folder.

    python -m babylm.evaluate --get [FOLDER] [source=2026|2025|ewok] [password=...]

    python -m babylm.evaluate --get                        into evaluation_data, of 2026: from the Hugging Face Hub
    python -m babylm.evaluate --get source=2025            of 2025: from the Open Science Framework
    python -m babylm.evaluate --get source=ewok            EWoK, filtered, from its authors with your own access

FOLDER gets ``fast_eval`` and ``full_eval``. Every file is checked against the size and hash that the server gives, and
appears whole or not at all; repeating the command continues. EWoK is not in the open archives (its authors ask not to
spread it as plain text): accept its terms on huggingface.co/datasets/ewok-core/ewok-core-1.0, log in with
``hf auth login`` and take source=ewok. The archive ewok_fast.zip is unpacked with the password of the official README.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from babylm import files, places, registry
from babylm.console import Log, first_line, size
from babylm.evaluation.data import fetch

FOLDER = Path("evaluation_data")
OSF = "https://api.osf.io/v2/nodes/ryjfm/files/osfstorage/"
HUB = "BabyLM-community/BabyLM-2026-Strict-Evals"
MANUAL_DOWNLOAD = (
    "On a machine with network get https://osf.io/ryjfm (its folder evaluation_data) or "
    f"https://huggingface.co/datasets/{HUB}, and put their fast_eval and full_eval into {{folder}}"
)
RECORD = "downloaded.json"
"""File with the hashes of the archives that were unpacked, by name."""
SUITES = ("fast_eval", "full_eval")


@dataclass(frozen=True)
class Remote:
    """One file of a source."""

    path: PurePosixPath
    """Below the source."""
    bytes: int | None
    """Its size."""
    sha256: str | None
    """As the server gives it."""
    bring: Callable[[Path], None]
    """Downloads to a file, checked."""


def main(words: Sequence[str], log: Log, missing: Callable[[Path], Iterable[str]]) -> int:
    """Download what ``words`` ask for; returns the exit code. ``missing`` lists tasks that still lack data."""
    if set(words) & {"-h", "--help"}:
        log((__doc__ or "").strip())
        return 0
    given = dict(word.partition("=")[::2] for word in words if "=" in word)
    for key in given:
        registry.check(key, ("source", "password"), "--get")
    named = [word for word in words if "=" not in word]
    if len(named) > 1:
        raise ValueError(f"--get takes one folder, not {' and '.join(named)}")
    folder = places.given(named[0]) if named else FOLDER
    source = registry.check(given.get("source", "2026"), ("2025", "2026", "ewok"), "source")
    if source == "ewok":
        from babylm.evaluation.data import ewok

        log(ewok.build(folder / "full_eval" / "ewok_filtered"))
        return 0
    try:
        remotes = list(_osf(OSF) if source == "2025" else _hub())
        bring(remotes, folder, given.get("password"), log)
    except fetch.Unreachable as error:
        raise ValueError(f"--get: {error}. {MANUAL_DOWNLOAD.format(folder=folder)}") from None
    for line in missing(folder):
        log(line)
    return 0


def bring(remotes: Sequence[Remote], folder: Path, password: str | None, log: Log) -> None:
    """Download and unpack the files of the evaluation data; files that are there, with the right hash, stay."""
    selected = [(remote, place) for remote in remotes if (place := placed(remote.path)) is not None]
    if not selected:
        raise ValueError(f"--get: the source holds no evaluation data. {MANUAL_DOWNLOAD.format(folder=folder)}")
    record = folder / RECORD
    unpacked: dict[str, str] = files.read_json(record, "remove it, and repeat") if record.is_file() else {}
    for number, (remote, place) in enumerate(selected, 1):
        target = folder / place
        archive = target.suffix == ".zip"
        done = unpacked.get(str(place)) if archive else _hash(target, remote)
        if done is not None and (remote.sha256 is None or done == remote.sha256):
            continue
        amount = "" if remote.bytes is None else f" ({size(remote.bytes)})"
        log(f"[{number}/{len(selected)}] {remote.path}{amount}")
        if not (archive and _hash(target, remote) is not None):
            remote.bring(target)
        if not archive:
            continue
        try:
            count = len(fetch.unpack(target, folder, partial(placed, archive=target.name), password))
        except PermissionError as error:
            log.warn(f"{target} is kept as it is ({error}): repeat with password=... (it is in the official README)")
            continue
        if not count:
            log.warn(f"{target} holds no evaluation data that is known here: it is kept as it is")
            continue
        log(f"  {count} files unpacked")
        unpacked[str(place)] = files.sha256_file(target)
        files.write_json(record, unpacked)
        target.unlink()


def placed(path: PurePosixPath, archive: str = "") -> PurePosixPath | None:
    """Path in the data folder of a file of a source, or of the ``archive`` of this name; None for other files.

    The same project has training text, and some archives contain files of their maker's file manager.
    """
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return None
    start = next((k for k, part in enumerate(path.parts) if part in SUITES), None)
    if start is not None:
        return PurePosixPath(*path.parts[start:])
    if archive == "ewok_fast.zip" and path.suffix == ".jsonl":  # holds the task's folder, or its files, alone
        return PurePosixPath("fast_eval", "ewok_fast", path.name)
    evaluation = path.suffix == ".zip" and any(word in str(path).lower() for word in ("eval", "ewok"))
    return PurePosixPath(path.name) if evaluation and not archive else None


def _hash(file: Path, remote: Remote) -> str | None:
    """The hash of a local file that is as long as the remote one."""
    if not file.is_file() or (remote.bytes is not None and file.stat().st_size != remote.bytes):
        return None
    digest = files.sha256_file(file)
    return digest if remote.sha256 in (None, digest) else None


def _osf(url: str) -> Iterator[Remote]:
    """Files of an Open Science Framework folder and of those in it; its listing gives sizes and hashes."""
    page: str | None = url
    while page:
        answer = fetch.read_json(page)
        for entry in answer["data"]:
            attributes = entry["attributes"]
            path = PurePosixPath(attributes["materialized_path"].lstrip("/"))
            if attributes["kind"] == "folder":
                yield from _osf(entry["relationships"]["files"]["links"]["related"]["href"])
                continue
            sha256 = attributes.get("extra", {}).get("hashes", {}).get("sha256")
            yield Remote(
                path, attributes["size"], sha256, _by_web(entry["links"]["download"], attributes["size"], sha256)
            )
        page = answer["links"].get("next")


def _by_web(url: str, length: int | None, sha256: str | None) -> Callable[[Path], None]:
    return lambda file: fetch.download(url, file, size=length, sha256=sha256)


def _hub() -> Iterator[Remote]:
    """Files of the Hub's data set; they pass through its cache, which checks and continues by itself."""
    import huggingface_hub

    try:
        info = huggingface_hub.HfApi().dataset_info(HUB, timeout=20, files_metadata=True)
    except Exception as error:  # offline, the libraries raise errors of three different network libraries
        raise fetch.Unreachable(f"the Hugging Face Hub gives no {HUB} ({first_line(error)})") from None

    def by_hub(name: str) -> Callable[[Path], None]:
        def bring(file: Path) -> None:
            try:
                cached = huggingface_hub.hf_hub_download(HUB, name, repo_type="dataset", revision=info.sha)
            except Exception as error:
                raise fetch.Unreachable(f"{name} of {HUB} ({first_line(error)})") from None
            fetch.copy(Path(cached), file)

        return bring

    for sibling in info.siblings or ():
        lfs: Any = sibling.lfs
        sha256 = lfs.sha256 if lfs else None
        yield Remote(PurePosixPath(sibling.rfilename), sibling.size, sha256, by_hub(sibling.rfilename))
