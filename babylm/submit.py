"""Turn a finished run into a submission, or list everything that is missing with the command that makes it.

    python -m babylm.submit checkpoints/RUN [key=value ...]

    python -m babylm.submit checkpoints/s1                              check, then write checkpoints/s1/submission/
    python -m babylm.submit checkpoints/s1 rules=2025 backend=mntp       by other rules, from results scored another way
    python -m babylm.submit checkpoints/s1 incomplete=true              write what there is, and say what is missing
    python -m babylm.submit checkpoints/s1 repo=me/s1                   also show what a push would send
    python -m babylm.submit checkpoints/s1 repo=me/s1 push=true         send it: one branch per revision, read back
    python -m babylm.submit checkpoints/s1 reexport=true trust=true     put this version's code into older revisions

The package holds the collated predictions, the official result tree, scores counted again from the predictions, the
budget, a model card, the answers to the form, checksums, and all of it as one archive. Only files that a revision's
manifest lists are sent. The code in a revision is run (in a fresh process, to see that it loads) only if it is this
package's own, or with trust=true.

Exit codes: 0 done; 2 something is wrong or missing (nothing was written).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from babylm import cli, folders, places, registry
from babylm.config import options
from babylm.config.schema import SubmissionConfig
from babylm.console import Log, size
from babylm.submission import settings
from babylm.tables import text_table

if TYPE_CHECKING:
    from babylm.submission.submit import Submission

SWITCHES = {
    field.name: str(field.default).lower() for field in fields(options.SubmitOptions) if isinstance(field.default, bool)
}
KEYS = (*options.keys(options.SubmitOptions), *options.keys(SubmissionConfig))


def main(folder: Path, given: dict[str, str], log: Log) -> int:
    """Check, write and, if asked, push; returns the exit code."""
    begin = time.perf_counter()
    registry.check(given.get("rules", "2026"), ("2025", "2026"), "rules")
    given = dict(given)
    switches = {
        key: registry.check(given.pop(key, usual), ("true", "false"), key) == "true" for key, usual in SWITCHES.items()
    }
    if not folder.is_dir():
        raise ValueError(places.no_folder(folder))
    if not (folder / "config.yaml").is_file():
        raise ValueError(f"{folder} is not the folder of a run (it has no config.yaml)")
    run = settings.open_run(folder, given)
    for line in settings.unused_settings(run, list(given)):
        log(f"note: {line}")
    from babylm.submission import submit  # loads torch: only now that command line and folder are right

    switches["push_to_hub"] = switches.pop("push")
    try:
        result = submit.submit(run, given.get("data"), log=log, **switches)
    except submit.NotReady as error:
        for number, problem in enumerate(error.problems, 1):
            log(f"{number}. {problem}")
        print(f"error: {error}", file=sys.stderr)
        return cli.EXIT_CONFIG
    _show(result, log)
    log(f"done in {time.perf_counter() - begin:.0f}s")
    return 0


def _show(result: Submission, log: Log) -> None:
    """Log what was written and sent."""
    run, written = result.run, result.package
    rows = [
        (score.task, f"{100 * score.counted:.2f}", f"{100 * score.stored:.2f}", "equal") for score in written.scores
    ]
    log(text_table(("task", "from the file", "the run's own", ""), rows))
    for name, average in written.averages.items():
        log(f"{name} {run.rules}: {'-' if average.value is None else format(100 * average.value, '.2f')}")
    for line in result.missing:
        log(f"missing: {line}")
    total = folders.used_bytes(written.folder)
    log(f"{written.folder}: {size(total)}; {written.archive.name}: {size(written.archive.stat().st_size)}")
    if result.branches and not result.pushed:
        log("nothing was sent: push=true sends it")


def _command(words: Sequence[str]) -> int:
    return cli.command(__doc__, _run, words, lambda: options.describe(options.SubmitOptions))


def _run(words: list[str]) -> int:
    return main(places.given(words[0]), registry.options(words[1:], KEYS), Log())


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
