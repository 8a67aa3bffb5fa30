"""Upload to one Hub repository, one branch per revision, ``main`` for the final one; read back and compared.

The token is huggingface_hub's own (``hf auth login`` or ``HF_TOKEN``): it is never asked for, printed or stored here.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import files, revisions
from babylm.console import first_line
from babylm.runs import Run

CARD = "README.md"


@dataclass(frozen=True)
class Branch:
    """What one branch of the repository will hold."""

    name: str
    folder: Path
    files: dict[str, Path]
    """The local file of each path in the repository."""

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.stat().st_size for file in self.files.values())


def branches(run: Run, package: Path) -> list[Branch]:
    """The revisions in order and ``main``, which also gets the model card.

    They hold what the manifests list and nothing else.

    Raises:
        ValueError: a folder holds more.
    """
    result = []
    for name in [*run.present, "main"]:
        folder = run.folder / name
        if private := revisions.find_private_files(folder):
            raise ValueError(private[0])
        paths = {file: folder / file for file in sorted([*revisions.read_manifest(folder), files.MANIFEST])}
        result.append(Branch(name, folder, paths | ({CARD: package / CARD} if name == "main" else {})))
    return result


def push(repo: str, branches: Sequence[Branch], log: Callable[[str], None], private: bool = False) -> None:
    """Upload the branches and compare what the Hub then lists and gives back.

    A branch that holds the same files already is left alone, so a push that was cut off continues.

    Raises:
        ValueError: no token or a refused one, an unreachable Hub, or a branch that reads back differently.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HfHubHTTPError

    api = HfApi()
    try:
        api.create_repo(repo, exist_ok=True, private=private)
        existing = {ref.name for ref in api.list_repo_refs(repo).branches}
        # main first, from which the Hub makes branches.
        for branch in sorted(branches, key=lambda branch: branch.name != "main"):
            if branch.name not in existing:
                api.create_branch(repo, branch=branch.name, exist_ok=True)
            if _differing(api, repo, branch):
                _upload(api, repo, branch)
                log(f"{repo}@{branch.name}: sent {len(branch.files)} files")
            wrong = _differing(api, repo, branch)
            if wrong:
                raise ValueError(f"{repo}@{branch.name} differs after the upload: {', '.join(wrong[:5])}; push again")
            log(f"{repo}@{branch.name}: read back, {len(branch.files)} files equal")
    # Its bases are the errors of the HTTP library, whichever one huggingface_hub uses; of requests all are OSErrors.
    except (*HfHubHTTPError.__bases__, OSError, RuntimeError) as error:  # type: ignore[misc]
        status = getattr(getattr(error.__cause__ or error, "response", None), "status_code", None)
        if status in (401, 403):
            raise ValueError(
                f"the Hub refuses to write {repo} ({status}): log in with a token that may write (hf auth login)"
            ) from None
        raise ValueError(f"the Hub cannot be reached, or failed: {first_line(error)[:200]}; push again") from None


def _upload(api: Any, repo: str, branch: Branch) -> None:
    """One commit that leaves the branch with exactly these files."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for name, file in branch.files.items():
            if file.is_symlink() or not file.is_file():
                raise ValueError(f"{file} is no longer a regular file: nothing of {branch.name} was sent")
            try:
                (work / name).hardlink_to(file)
            except OSError:  # another file system
                shutil.copyfile(file, work / name)
        api.upload_folder(
            repo_id=repo,
            folder_path=work,
            revision=branch.name,
            commit_message=f"babylm revision {branch.name}",
            delete_patterns="*",
        )


def _differing(api: Any, repo: str, branch: Branch) -> list[str]:
    """Names of files that the branch lacks, holds differently, or holds and should not.

    Large files are compared by their SHA-256, small ones by git's hash of their content: what the Hub lists.
    """
    listed = {}
    for entry in api.list_repo_tree(repo, revision=branch.name, recursive=True):
        if hasattr(entry, "blob_id"):
            listed[entry.path] = (entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
    listed.pop(".gitattributes", None)
    wrong = sorted(set(listed) - set(branch.files))
    for name, file in branch.files.items():
        sha256, blob = listed.get(name, (None, None))
        equal = files.sha256_file(file) == sha256 if sha256 else _git_hash(file) == blob
        wrong += [] if equal else [name]
    return wrong


def _git_hash(file: Path) -> str:
    """Git's object id of a file's content."""
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
