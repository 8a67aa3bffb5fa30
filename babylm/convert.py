"""Bring runs and revisions that were written before 0.1.0 over to its names, in place.

    python -m babylm.convert FOLDER [key=value ...]

    python -m babylm.convert checkpoints/s1              a run: settings, revisions, results, saved states
    python -m babylm.convert checkpoints/s1/main         one revision alone
    python -m babylm.convert checkpoints                 all runs in a folder
    python -m babylm.convert checkpoints dry_run=true    say what would be changed, and change nothing

Afterwards they load, score, report, submit and continue as before: no weight and no number changes, and results are
read, not computed again. A revision is checked by its manifest first; a damaged one is left as it is and named, and the
exit code is 2. Its code is replaced by this package's, and is not run. What is new already is left alone, so the
command can be repeated, also after a kill.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from babylm import cli, registry
from babylm.config import options
from babylm.console import Log

KEYS = options.keys(options.ConvertOptions)


def main(folder: str, log: Log, *, dry_run: bool = False, accept_weights: bool = False) -> int:
    """Convert a folder; returns the exit code."""
    from babylm.conversion import folders

    changes = folders.convert(folder, log, dry_run=dry_run, accept_weights=accept_weights)
    if changes.refused:
        number = len(changes.refused)
        raise ValueError(f"{folder}: {number} {'thing was' if number == 1 else 'things were'} left as above")
    if not changes.made:
        log(f"{folder}: nothing to do, everything in it is of this version")
    return 0


def _command(words: Sequence[str]) -> int:
    return cli.command(__doc__, _run, words, lambda: options.describe(options.ConvertOptions))


def _run(words: list[str]) -> int:
    folders = [word for word in words if "=" not in word]
    if len(folders) != 1:
        raise ValueError("name one folder: a run, a revision, or a folder of runs")
    given = registry.options([word for word in words if "=" in word], KEYS)
    flags = {key: registry.check(value, ("true", "false"), key) == "true" for key, value in given.items()}
    return main(folders[0], Log(), **flags)


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
