"""The submission folder: predictions, result tree, scores, card, form, checksums, and one archive of them all.

``checkpoints/<run>/submission/<rules>/`` and ``<run>-<rules>.tar.gz`` beside it. Nothing in it depends on when or where
it was made, so the same run gives the same bytes. The weights stay where they are (``push`` sends them to the Hub);
their hashes are in it.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import files, publication, revisions
from babylm.runs import Run
from babylm.submission import collate, official_layout, rescoring
from babylm.submission.card import card
from babylm.submission.form import form
from babylm.submission.ledger import budget
from babylm.submission.rescoring import Score

FOLDER = "submission"
CHECKSUMS = "SHA256SUMS"
PUBLISHED = ("README.md", "form.json", "budget.json", "scores.json", "revisions.json")
"""Texts of ours that strangers read."""


@dataclass(frozen=True)
class Package:
    """What was written."""

    folder: Path
    archive: Path
    scores: list[Score]
    averages: dict[str, Any]


def write(run: Run, data: Path, missing: Sequence[str] = ()) -> Package:
    """Write the package of a run that has been checked; ``missing`` are lines about what it lacks.

    Raises:
        ValueError: the scores counted from the collated file are not those that the run has stored.
    """
    gold = collate.Gold(data, run.rules)
    collated = collate.collate(run, gold)
    scores = rescoring.scores(collated, run, gold)
    if wrong := [score for score in scores if not score.equal]:
        differing = "; ".join(
            f"{score.task}: {score.counted:.6f} counted, {score.stored:.6f} stored" for score in wrong
        )
        raise ValueError(
            f"the collated predictions give other scores than the stored results: {differing}. Score these tasks again"
        )
    if not scores:
        raise ValueError(f"{run.folder} has no score of main: there is nothing to submit yet")
    averages = {} if run.config.track == "free" else rescoring.averages(scores, run.rules)
    predictions = f"all_full_preds_and_fast_scores_{run.backend}.json"
    folder = check_place(run)
    archive = folder.parent / f"{run.config.name}-{run.rules}.tar.gz"
    with files.atomic_folder(folder) as work:
        collate.write(work / predictions, collated)
        official_layout.write_tree(work / "results", run, gold)
        files.write_json(work / "scores.json", _scores(run, scores, averages, missing))
        files.write_json(work / "budget.json", budget(run))
        files.write_text(work / "README.md", card(run, scores, averages, missing))
        answers = form(run, {"results": "scores.json", "predictions": predictions})
        files.write_json(work / "form.json", answers)
        files.write_json(work / "revisions.json", _revisions(run))
        listed = sorted(file for file in work.rglob("*") if file.is_file())
        sums = "".join(f"{files.sha256_file(file)}  {file.relative_to(work).as_posix()}\n" for file in listed)
        files.write_text(work / CHECKSUMS, sums)
        for name in PUBLISHED:
            publication.check_text(name, files.read_text(work / name))
        # Before the folder has its name: a disk that is full then leaves no folder without its archive.
        _archive(work, archive, f"{run.config.name}-{run.rules}")
    return Package(folder, archive, scores, averages)


def check_place(run: Run) -> Path:
    """The folder of the package; ``ValueError`` if a link or a file has its name: it would be followed, or lost."""
    folder = run.folder / FOLDER / str(run.rules)
    for path in (folder.parent, folder):
        if path.is_symlink():
            raise ValueError(f"{path} is a link: remove it, or put a folder there")
        if path.exists() and not path.is_dir():
            raise ValueError(f"{path} is not a folder: move it elsewhere")
    return folder


def _scores(run: Run, scores: Sequence[Score], averages: dict[str, Any], missing: Sequence[str]) -> dict[str, Any]:
    content = {
        "rules": run.rules,
        "backend": run.backend,
        "scores": {score.task: {"counted": score.counted, "stored": score.stored} for score in scores},
        "averages": {name: vars(part) for name, part in averages.items()},
        "missing": list(missing),
    }
    return files.nan_to_none(content)


def _revisions(run: Run) -> dict[str, Any]:
    keys = ("words", "step", "weights_sha256")
    by_name = {name: revisions.facts(run.folder / name) for name in [*run.present, "main"]}
    return {name: {key: facts[key] for key in keys} for name, facts in by_name.items()}


def _archive(folder: Path, archive: Path, root: str) -> None:
    """A ``.tar.gz`` whose bytes depend on names and contents alone."""
    with (
        files.atomic_file(archive) as out,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                info = tarfile.TarInfo(f"{root}/{file.relative_to(folder).as_posix()}")
                content = file.read_bytes()
                info.size, info.mode, info.mtime = len(content), 0o644, 0
                tar.addfile(info, io.BytesIO(content))
