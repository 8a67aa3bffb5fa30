"""Every problem of a run that is to be submitted, problems at once, each with the command that solves it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from babylm import files, places, revisions, tracks
from babylm.evaluation.results import store
from babylm.evaluation.task_registry import combined_task, load_task
from babylm.runs import Run
from babylm.submission import official, teaching
from babylm.submission.problems import Problem


def problems(run: Run) -> list[Problem]:
    """All problems; empty for a run that can be submitted. (`babylm.submission.load_check` loads the revisions.)"""
    problems = [*_revisions(run), *_words(run), *_tokenizer(run), *teaching.problems(run)]
    scored = False
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, task, suite in official.required(run.config, run.rules, run.milestones):
        if not (run.folder / name / "config.json").is_file():
            continue
        again = f"remove it, then: {_command(run, [(task, suite)], name)}"
        try:
            result = run.result(name, task, suite)
            problems_of_result = [] if result is None else _result(run, name, result)
        except files.DamagedFile as error:
            problems.append(Problem(f"damaged result: {error}", again))
            continue
        if result is None:
            missing[task, suite].append(name)
        else:
            scored = scored or name == "main"
            problems += problems_of_result
    together: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (task, suite), names in missing.items():
        together[suite, tuple(names)].append(task)
    problems += [_missing(run, suite, names, tasks) for (suite, names), tasks in together.items()]
    if not scored:
        problems.append(_unscored(run))
    if run.config.track == "multimodal":
        problems += [
            Problem(f"{task} is missing: it needs images", "not part of this version", fatal=False)
            for task in official.vision_tasks()
        ]
    acquisition = (combined_task(run.rules).name, "full")
    if run.config.track != "free" and acquisition not in missing and run.acquisition() is None:
        what = f"age of acquisition has no score over the {len(run.milestones)} revisions"
        problems.append(Problem(what, _command(run, [acquisition]), fatal=False))
    return problems


def _unscored(run: Run) -> Problem:
    """The problem of a run whose ``main`` has no score: not even an incomplete submission is possible."""
    if run.config.track == "free" and not run.config.evaluation.tasks:
        return Problem("the run's configuration names no tasks (evaluation.tasks)", "there is nothing to submit")
    keys = [(task, suite) for name, task, suite in official.required(run.config, run.rules, []) if name == "main"]
    return Problem("no task of main has been scored", _command(run, keys, "main"))


def _revisions(run: Run) -> list[Problem]:
    """Missing and damaged ones, and files that must not be sent."""
    again = "repeat the run's python -m babylm.train command under another name"
    absent = [name for name in run.milestones if name not in run.present]
    planned = {milestone["name"] for milestone in run.plan["milestones"]}
    problems = []
    if lost := [name for name in absent if name in planned]:
        problems.append(
            Problem(f"revisions are missing that the run has saved: {', '.join(lost)}", f"restore them, or {again}")
        )
    if never := [name for name in absent if name not in planned]:
        what = f"the run ended at {run.plan['words']:,} words, before {', '.join(never)}"
        problems.append(Problem(what, "train with the budget of the whole track", fatal=False))
    for name in [*run.present, "main"]:
        damage = revisions.verify(run.folder / name)
        problems += [Problem(f"damaged revision: {what}", f"restore it, or {again}") for what in damage]
        private = [] if damage else revisions.find_private_files(run.folder / name)
        problems += [Problem(what, "only the files of the manifest are sent, and no links") for what in private]
    return problems


def _words(run: Run) -> list[Problem]:
    """Word counts against the track's budget, the plan and the milestones' names."""
    problems = []
    track, plan = run.track, run.plan
    remedy = "submit it to a larger track, or train again inside the budget"
    if track.unique_words is not None and plan["corpus_words"] > track.unique_words:
        problems.append(
            Problem(
                f"the corpus has {plan['corpus_words']:,} words; {run.config.track} allows {track.unique_words:,}",
                remedy,
            )
        )
    planned_words = {milestone["name"]: milestone["words"] for milestone in plan["milestones"]} | {
        "main": plan["words"]
    }
    for name in [*run.present, "main"]:
        facts = _facts(run, name)
        if not facts:
            continue  # verify has named the damaged file
        words = facts.get("words")
        if lacking := [key for key in ("words", "step", "parameters", "weights_sha256") if key not in facts]:
            problems.append(Problem(f"{name}/{revisions.FACTS} does not say {', '.join(lacking)}", revisions.RESTORE))
        if not isinstance(words, int):
            continue
        if track.exposure_words is not None and words > track.exposure_words:
            problems.append(
                Problem(f"{name} has read {words:,} words; {run.config.track} allows {track.exposure_words:,}", remedy)
            )
        if words != planned_words.get(name) or words < _least(name):
            problems.append(
                Problem(
                    f"{name} says {words:,} words, the run's plan says {planned_words.get(name, 0):,}",
                    "the revision is not of this run: restore the right one",
                )
            )
    return problems


def _least(name: str) -> float:
    words = tracks.milestone_words(name)
    return 0 if words == float("inf") else words


def _tokenizer(run: Run) -> list[Problem]:
    """The tokenizer must be the one of the run's own corpus, in every revision."""
    problems = []
    if run.config.tokenizer.path is not None:
        what = (
            f"the tokenizer is {run.config.tokenizer.path}: what it was trained on is not known here, "
            "and counts against the budget"
        )
        problems.append(
            Problem(what, "leave tokenizer.path empty to train one on the corpus", fatal=run.config.track != "free")
        )
    corpus = places.given(run.config.corpus.prepared) / str(_facts(run, "main").get("corpus"))
    prepared = corpus / "tokenizer" / "tokenizer.json"
    reference = prepared if prepared.is_file() else run.folder / "main" / "tokenizer.json"
    expected = files.sha256_unchanged(reference) if reference.is_file() else None
    for name in [*run.present, "main"]:
        file = run.folder / name / "tokenizer.json"
        if expected is not None and file.is_file() and files.sha256_unchanged(file) != expected:
            problems.append(Problem(f"{file} is not the run's tokenizer ({reference})", "restore the revision"))
    return problems


def _result(run: Run, name: str, result: store.StoredResult) -> list[Problem]:
    """A stored result against the revision's weights and tokenizer, and against the official counts."""
    task, suite, _ = result.key
    content = result.content
    label = f"{name}: {task} ({suite})"
    again = f"remove {result.file}, then: {_command(run, [(task, suite)], name)}"
    problems = []
    for key, file in (("weights_sha256", revisions.WEIGHTS), ("tokenizer_sha256", "tokenizer.json")):
        path = run.folder / name / file
        if path.is_file() and content[key] != files.sha256_unchanged(path):
            problems.append(Problem(f"{label} is stale: {file} has changed since it was scored", again))
    expected = official.counts(task, suite, run.rules)
    if expected is not None:
        actual = _counted(run, name, result)
        wrong = [
            f"{uid} has {actual.get(uid, 0):,} items, not {n:,}"
            for uid, n in expected.items()
            if actual.get(uid, 0) != n
        ]
        wrong += [f"{uid} is no part of it" for uid in actual if uid not in expected]
        if wrong and run.config.track != "free":
            more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
            remedy = f"put the official data in place (evaluation.data), without limit=, {again}"
            problems.append(Problem(f"{label}: {'; '.join(wrong[:3])}{more}", remedy))
    lost = _not_finite(run, name, result)
    if lost:
        problems.append(Problem(f"{label}: {lost} answers are NaN", f"the weights are broken; {again}"))
    return problems


def _counted(run: Run, name: str, result: store.StoredResult) -> dict[str, int]:
    """Number of answers per UID (lower case), or per part."""
    task = load_task(result.key[0])
    if task.over_revisions:
        return {task.name: result.content["n"]}
    if task.official is not None and task.official.parts:
        items = run.item_results_of(result)
        splits = [] if items is None else items.splits
        return {part: splits.count(part) for part in dict.fromkeys(splits)}
    predictions = run.predictions(name, task.name, result.key[1])
    return {uid.lower(): len(answers["predictions"]) for uid, answers in predictions.items()}


def _not_finite(run: Run, name: str, result: store.StoredResult) -> int:
    """How many answers are NaN and must not be."""
    task = load_task(result.key[0])
    if task.numeric:
        return task.count_nan(run.predictions(name, task.name, result.key[1]))
    items = run.item_results_of(result)
    lost = 0 if items is None else int((items.margins != items.margins).sum())
    return lost or int(result.content["official"] is None)


def _missing(run: Run, suite: str, names: tuple[str, ...], tasks: list[str]) -> Problem:
    listed = ", ".join(names) if len(names) <= 4 else f"{len(names)} revisions, {names[0]} ... {names[-1]}"
    command = _command(run, [(task, suite) for task in tasks], *names)
    return Problem(f"results are missing ({suite}) of {listed}: {', '.join(tasks)}", command, fatal=False)


def _command(run: Run, keys: list[tuple[str, str]], *names: str) -> str:
    """The command that makes results; all revisions when several are named."""
    words = store.command(run.folder, [(task, suite, run.rules) for task, suite in keys], run.backend)
    return f"{words} revisions={names[0]}" if len(names) == 1 else words


def _facts(run: Run, name: str) -> dict[str, Any]:
    try:
        return revisions.facts(run.folder / name)
    except (OSError, ValueError):
        return {}  # verify has named it
