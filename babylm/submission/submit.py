"""`submit`: check a finished run, write its package and, if asked, push it to the Hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from babylm import files, places
from babylm.console import size
from babylm.runs import Run
from babylm.submission import checks, load_check, package, push
from babylm.submission.package import Package
from babylm.submission.problems import Problem
from babylm.submission.push import Branch

Log = Callable[[str], None]


class NotReady(ValueError):
    """The run cannot be submitted yet; ``problems`` says why, each with its remedy."""

    def __init__(self, folder: Path, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        hint = "" if any(problem.fatal for problem in problems) else "; incomplete=true submits what there is"
        super().__init__(f"{len(problems)} thing(s) to do before {folder} can be submitted{hint}")


@dataclass(frozen=True)
class Submission:
    """What `submit` has written and, if pushed, sent."""

    run: Run
    package: Package
    missing: list[str]
    """What the package lacks; empty unless ``incomplete``."""
    branches: list[Branch]
    """What the Hub has, or would have, by revision; empty without a repository."""
    pushed: bool


def submit(
    run: Run,
    data: str | Path | None = None,
    *,
    incomplete: bool = False,
    load: bool = True,
    trust: bool = False,
    reexport: bool = False,
    push_to_hub: bool = False,
    private: bool = False,
    log: Log = lambda text: None,
) -> Submission:
    """Check a run (see `babylm.submission.settings.open_run`), write its package and, with ``push_to_hub``, send it.

    Args:
        run: finished, with its results stored.
        data: folder of the evaluation data; None for the run's.
        incomplete: write what there is, and say what is missing.
        load: load every revision in a fresh process, as a stranger would.
        trust: run the code in a revision though it is not this package's.
        reexport: put the code of this package into revisions that have another; needs ``trust``.
        push_to_hub: send the package to ``submission.repo``, one branch per revision.
        private: create the repository as a private one.
        log: receives a line about each step.

    Raises:
        NotReady: something is wrong or missing; nothing was written.
        ValueError: the arguments do not fit together, or the Hub refused.
    """
    repo = run.config.submission.repo
    if push_to_hub and repo is None:
        raise ValueError("push: name the repository with repo=owner/name")
    if reexport and not trust:
        raise ValueError("reexport=true runs the old code to compare what it predicts: add trust=true if you trust it")
    package.check_place(run)
    log(f"checking {run.folder} for {run.config.track}, rules of {run.rules}, scored {run.backend} ...")
    if reexport:
        files.restore_replaced(run.folder)  # an earlier call may have been killed
    problems = _problems(run, load=load, trust=trust, reexport=reexport, log=log)
    if any(problem.fatal for problem in problems) or (problems and not incomplete):
        raise NotReady(run.folder, problems)
    missing = [problem.what for problem in problems]
    written = package.write(run, places.given(data or run.config.evaluation.data), missing)
    branches = push.branches(run, written.folder) if repo is not None else []
    for branch in branches:
        log(f"{repo}@{branch.name}: {len(branch.files)} files, {size(branch.bytes)}")
    if repo is not None and push_to_hub:
        push.push(repo, branches, log, private=private)
    return Submission(run, written, missing, branches, pushed=push_to_hub)


def _problems(run: Run, *, load: bool, trust: bool, reexport: bool, log: Log) -> list[Problem]:
    """What is wrong with the run, and with its revisions once they are loaded."""
    problems = checks.problems(run)
    names = [*run.present, "main"]
    sound = not any(problem.fatal for problem in problems)
    if reexport and sound:
        for name in load_check.reexport(run.folder, names):
            log(f"{name}: exported again with this package's code; weights untouched, the same predictions")
    if load and sound:
        more, versions = load_check.problems(run.folder, names, trust=trust)
        problems += more
        if versions and not more:
            log(f"{len(names)} revisions load in a fresh process under transformers {', '.join(versions)}")
    elif not load:
        for line in load_check.foreign_code(run.folder, names):
            log(f"note: {line}")
    return problems
