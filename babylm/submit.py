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
package's own, or with trust=true. Keys: rules, backend, data, incomplete, load (false: do not load the revisions in a
fresh process), trust, reexport, push, private, and those of ``submission`` in babylm/config/schema.py (repo, license,
description, tags, ...).

Exit codes: 0 done; 2 something is wrong or missing (nothing was written).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from babylm import cli, files, places, registry
from babylm.config.schema import SubmissionConfig
from babylm.console import Log, size, table

SWITCHES = {
    "incomplete": "false",
    "load": "true",
    "trust": "false",
    "reexport": "false",
    "push": "false",
    "private": "false",
}
KEYS = ("rules", "backend", "data", *SWITCHES, *(field.name for field in fields(SubmissionConfig)))


def main(folder: Path, given: dict[str, str], log: Log) -> int:
    """Check, write and, when asked, push; returns the exit code."""
    begin = time.perf_counter()
    registry.check(given.get("rules", "2026"), ("2025", "2026"), "rules")
    switches = {
        key: registry.check(given.pop(key, usual), ("true", "false"), key) == "true" for key, usual in SWITCHES.items()
    }
    if not folder.is_dir():
        raise ValueError(places.no_folder(folder))
    if not (folder / "config.yaml").is_file():
        raise ValueError(f"{folder} is not the folder of a run (it has no config.yaml)")
    from babylm.submission import checks, load_check, package, push, results

    run = results.open_run(folder, given)
    repo = run.config.submission.repo
    if switches["push"] and repo is None:
        raise ValueError("push: name the repository with repo=owner/name")
    if switches["reexport"] and not switches["trust"]:
        raise ValueError("reexport=true runs the old code to compare what it predicts: add trust=true if you trust it")
    package.check_place(run)
    log(f"checking {folder} for {run.config.track}, rules of {run.rules}, scored {run.backend} ...")
    for line in results.unused_settings(run, list(given)):
        log(f"note: {line}")
    found = checks.problems(run)
    names = [*run.present, "main"]
    if switches["reexport"] and not any(one.fatal for one in found):
        for name in load_check.reexport(folder, names):
            log(f"{name}: exported again with this package's code; weights untouched, the same predictions")
    if switches["load"] and not any(one.fatal for one in found):
        more, versions = load_check.problems(folder, names, trust=switches["trust"])
        found += more
        if versions and not more:
            log(f"{len(names)} revisions load in a fresh process under transformers {', '.join(versions)}")
    elif not switches["load"]:
        for line in load_check.foreign_code(folder, names):
            log(f"note: {line}")
    blocking = [one for one in found if one.fatal or not switches["incomplete"]]
    if blocking:
        for number, one in enumerate(found, 1):
            log(f"{number}. {one}")
        hint = "" if any(one.fatal for one in found) else "; incomplete=true submits what there is"
        print(f"error: {len(found)} thing(s) to do before {folder} can be submitted{hint}", file=sys.stderr)
        return cli.EXIT_CONFIG
    data = places.given(given.get("data", run.config.evaluation.data))
    written = package.write(run, data, [one.what for one in found])
    rows = [(one.task, f"{100 * one.counted:.2f}", f"{100 * one.stored:.2f}", "equal") for one in written.scores]
    log(table(("task", "from the file", "the run's own", ""), rows))
    for name, part in written.averages.items():
        log(f"{name} {run.rules}: {'-' if part.value is None else format(100 * part.value, '.2f')}")
    for one in found:
        log(f"missing: {one.what}")
    total = files.used_bytes(written.folder)
    log(f"{written.folder}: {size(total)}; {written.archive.name}: {size(written.archive.stat().st_size)}")
    if repo is not None:
        wanted = push.branches(run, written.folder)
        for branch in wanted:
            log(f"{repo}@{branch.name}: {len(branch.files)} files, {size(branch.bytes)}")
        if switches["push"]:
            push.push(repo, wanted, log, private=switches["private"])
        else:
            log("nothing was sent: push=true sends it")
    log(f"done in {time.perf_counter() - begin:.0f}s")
    return 0


def _command(words: Sequence[str]) -> int:
    return cli.command(__doc__, _run, words)


def _run(words: list[str]) -> int:
    return main(places.given(words[0]), registry.options(words[1:], KEYS), Log())


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
