"""What a folder is: a run, a revision, or a folder of them; each is converted by its room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from babylm import files, places, revisions, runs
from babylm.conversion import results, revision, run
from babylm.conversion.changes import Changes


def convert(
    folder: str | Path,
    log: Callable[[str], None] = lambda line: None,
    *,
    dry_run: bool = False,
    accept_weights: bool = False,
) -> Changes:
    """Bring a run's folder, a revision or a folder of them over to this version's names, in place.

    What is new already is left alone, so the call can be repeated. What is damaged is refused by name, and the rest
    converted.

    Args:
        folder: ``checkpoints/<name>``, a revision in it, or ``checkpoints``.
        log: gets a line for each change and each refusal.
        dry_run: change nothing.
        accept_weights: seal a revision whose weights are not those of its manifest, if they fit the model.

    Returns:
        What was changed and what was refused.

    Raises:
        ValueError: there is no such folder, it holds nothing of this package, or the run is being trained.
    """
    root = places.given(folder)
    if not dry_run:
        files.restore_replaced(root.resolve().parent)
    if not root.is_dir():
        raise ValueError(places.no_folder(root))
    changes = Changes(log, dry_run, accept_weights)
    _convert(root, changes)
    return changes


def _convert(folder: Path, changes: Changes) -> None:
    if (folder / runs.CONFIG).is_file():
        run.convert(folder, changes)
    elif (folder / revisions.CONFIG).is_file():
        _convert_revision(folder, changes)
    else:
        _convert_children(folder, changes)


def _convert_revision(folder: Path, changes: Changes) -> None:
    if not revision.is_ours(folder):
        raise ValueError(f"{folder}: not a model of babylm (see model_type in its {revisions.CONFIG})")
    # Results of a revision that was scored by itself; those of a run's revision are in the run's folder.
    name = folder.resolve().name
    for parent in (folder, folder.resolve().parent):
        if (results_folder := parent / "evaluation" / name).is_dir():
            results.convert(results_folder, changes)
    revision.convert(folder, changes)


def _convert_children(folder: Path, changes: Changes) -> None:
    if not changes.dry_run:
        files.restore_replaced(folder)
    children = [path for path in sorted(folder.glob("*")) if path.is_dir() and not path.name.startswith(".")]
    ours = [path for path in children if (path / runs.CONFIG).is_file() or revision.is_ours(path)]
    if not ours:
        raise ValueError(f"{folder} is neither a run ({runs.CONFIG}), nor a revision of babylm, nor a folder of them")
    for child in ours:
        try:
            _convert(child, changes)
        except ValueError as error:  # the others are converted all the same
            changes.refuse(str(error))
