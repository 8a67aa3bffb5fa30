"""Score the revisions of a run, one model folder, or a model of the Hugging Face Hub.

    python -m babylm.evaluate FOLDER [key=value ...]
    python -m babylm.evaluate compare A B            two models' stored results on the same items (compare -h)
    python -m babylm.evaluate --get [FOLDER]         download the official evaluation data, into evaluation_data
    python -m babylm.evaluate --list [data=FOLDER]   all tasks: their suites, chance, whether their data is there

    python -m babylm.evaluate checkpoints/smoke                              its tasks, on every revision
    python -m babylm.evaluate checkpoints/s1 suite=fast                      the official fast suite, on every revision
    python -m babylm.evaluate checkpoints/s1 suite=full revisions=main       the official full suite, on the last one
    python -m babylm.evaluate checkpoints/s1 tasks=aoa suite=full            age of acquisition, over all revisions
    python -m babylm.evaluate checkpoints/s1 tasks=glue revisions=main       the seven tasks with fine-tuning
    python -m babylm.evaluate checkpoints/s1 tasks=rte,wsc glue.epochs=3 glue.seeds=[1,2,3]
    python -m babylm.evaluate checkpoints/s1 revisions=main scorer=mntp      one revision, read as masked
    python -m babylm.evaluate some/model tasks=my/pairs                      any local Hugging Face model, any pairs
    python -m babylm.evaluate some/model tasks=my/pairs.csv pairs.good=ok pairs.bad=star   the columns of the pairs
    python -m babylm.evaluate checkpoints/s1 tasks=my/times.csv reading_csv.time=RT   surprisal against reading times
    python -m babylm.evaluate owner/name@revision suite=fast                 a model of the Hub; into evaluation/
    python -m babylm.evaluate checkpoints/s1 suite=fast part=3/10            every tenth one (slurm/evaluate.sbatch)

FOLDER is checkpoints/<run> (defaults come from its config.yaml) or a folder with a config.json. Keys: tasks, suite
(fast or full: which tasks, and whose data), rules (2025 or 2026), revisions, scorer (auto, causal, mntp, mlm), data,
limit, dtype (auto, fp32, bf16), device (auto, cpu, cuda), trust (true runs a model's own code), part (i/n: the
revisions i, i + n, ... counted from 0; once all parts are done, the command without it adds what is of all revisions),
glue.*, reading_csv.*, pairs.* (all in babylm/config/evaluation.py). A result is a file,
FOLDER/evaluation/<revision>/<task>.<suite>.<rules>.<scorer>.json; what is there already, from the same weights and
items, is not computed again, unless it is damaged. Without device, a GPU is used where torch sees one. A task of a
suite whose data is not there is named, left out; of several revisions, a suite fine-tunes the last. A task with an item
that the model cannot read (too many tokens, or tokens that it does not have) is named with the item and left out; if it
was asked for by name, the exit code is 2.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from babylm import cli, files, places, registry
from babylm import config as configuration
from babylm.config.evaluation import EvaluationConfig, task_path
from babylm.console import Log
from babylm.evaluation import model_paths
from babylm.evaluation.results.averages import GLUE, expand
from babylm.evaluation.scoring import device
from babylm.tables import text_table

KEYS = ("tasks", "suite", "rules", "revisions", "scorer", "data", "limit", "trust", "dtype", "device", "part")
SECTIONS = ("glue.", "reading_csv.", "pairs.")
"""Of the evaluation section, as ``glue.epochs=3``."""
SYNONYMS = {
    "backend": "scorer", "task": "tasks", "benchmarks": "tasks", "revision": "revisions", "checkpoints": "revisions",
    "num_samples": "limit", "max_items": "limit", "max_samples": "limit", "precision": "dtype", "torch_dtype": "dtype",
    "bf16": "dtype", "gpu": "device", "cuda": "device", "accelerator": "device", "trust_remote_code": "trust",
    "data_dir": "data", "data_path": "data", "year": "rules", "batch_size": "glue.batch", "lr": "glue.lr",
    "learning_rate": "glue.lr", "epochs": "glue.epochs", "num_train_epochs": "glue.epochs", "seed": "glue.seeds",
    "max_length": "glue.length", "array": "part", "shard": "part",
}  # fmt: skip
"""What other tools call our options."""


@dataclass(frozen=True)
class Request:
    """A command line that was checked: what is wrong in it is told before torch is imported."""

    settings: EvaluationConfig
    suite: str
    rules: int
    tasks: list[str]
    """Named on the command line or in the run's configuration; none: the suite."""
    limit: int | None
    backend: str
    trust: bool
    models: list[Path]
    part: str
    last: Path
    """The last of all models, whichever part this is."""
    results: Path
    data: Path


def request(target: str, given: dict[str, str]) -> Request:
    """What ``target`` and the options ask for; ``ValueError`` for the first mistake."""
    for key, value in given.items():
        if not value.strip() and key not in ("revisions",):
            raise ValueError(f"{key}: no value given; leave the option out for its default")
    model_paths.check(target)
    settings, own_backend, own_rules = model_paths.defaults(places.given(target))
    device.check(given.get("device", settings.device))
    changes = [f"{key}={value}" for key, value in given.items() if "." in key or key in ("dtype", "device")]
    settings = configuration.change(settings, changes)
    suite_name = registry.check(given.get("suite", "fast"), ("fast", "full"), "suite")
    rules = int(registry.check(given.get("rules", str(own_rules)), ("2025", "2026"), "rules"))
    tasks = _words(given["tasks"]) if "tasks" in given else [] if "suite" in given else settings.tasks
    known = ["glue", *registry.names("evaluation/tasks")]
    if not tasks and "suite" not in given:
        raise ValueError(f"tasks: none given and none in the run's configuration (there are: {', '.join(known)})")
    paths = [name for name in tasks if task_path(name) is not None]
    for name in tasks:
        if name not in paths:
            registry.check(name, known, "tasks")
    for section in ("reading_csv.", "pairs."):
        keys = [key for key in given if key.startswith(section)]
        if keys and not paths:
            raise ValueError(f"{keys[0]}: names a field of your own data, and tasks has no folder or file of that")
    backend = registry.check(given.get("scorer", own_backend), ("auto", "causal", "mntp", "mlm"), "scorer")
    trust = registry.check(given.get("trust", "false"), ("true", "false"), "trust") == "true"
    limit, which = _limit(given.get("limit", "none")), given.get("part", "")
    if which:
        model_paths.part([], which)  # told before a model is downloaded
    models, results = model_paths.find(target, _words(given.get("revisions", "")))
    return Request(
        settings=settings,
        suite=suite_name,
        rules=rules,
        tasks=tasks,
        limit=limit,
        backend=backend,
        trust=trust,
        models=model_paths.part(models, which) if which else models,
        part=which,
        last=models[-1],
        results=results,
        data=places.given(given.get("data", settings.data)),
    )


def main(target: str, given: dict[str, str], log: Log) -> int:
    """Score what is asked for; returns the exit code."""
    asked = request(target, given)
    settings, models, results, name, rules = asked.settings, asked.models, asked.results, asked.suite, asked.rules

    from babylm.evaluation import suite
    from babylm.evaluation.results import learning_curves, tables
    from babylm.evaluation.scoring import log_probs

    placed = device.choose(settings.device)
    files.check_writable(results)
    log_probs.keep_memory()
    tasks = expand(asked.tasks) or suite.SUITES[name, rules]
    questions = suite.questions(tasks, asked.data, asked.limit, name, rules, log, asked.tasks, settings)
    where = device.described(placed)
    log(f"babylm: scoring {len(models)} model(s) on {', '.join(questions)} ({where}) ...")
    rows: list[tuple[object, ...]] = []
    refused: dict[str, str] = {}

    def refuse(task: str, error: ValueError) -> None:
        log.warn(f"{task} is left out: {error}")
        refused[task] = str(error)

    for number, model in enumerate(models, 1):
        here = {
            task: items for task, items in questions.items() if asked.tasks or model == asked.last or task not in GLUE
        }
        stored = suite.evaluate(
            model,
            here,
            asked.backend,
            results,
            suite=name,
            rules=rules,
            settings=settings,
            trust=asked.trust,
            device=placed,
            tell=partial(tables.tell, log, f"[{number}/{len(models)}] {model.name}", len(models) == 1),
            warn=log.warn,
            refused=refuse if len(here) > 1 else None,
        )
        rows += [tables.row(model.name, result) for result in stored]
    if asked.part:
        log(f"part {asked.part} is done, in {results}; once all are, repeat the command without part=")
        return _code(refused, asked.tasks)
    if "aoa" in questions and "aoa" not in refused:
        suite.acquisition(models, asked.backend, results, name, rules, log, settings.dtype)
    log(text_table(tables.HEADER, rows))
    if not asked.tasks and name == "full":
        suite.averages(models, asked.backend, results, rules, log, settings.dtype)
    for file in learning_curves.write(results, log.warn):
        log(f"learning curves and order of acquisition: {file}")
    log(f"results are in {results}")
    return _code(refused, asked.tasks)


def _code(refused: dict[str, str], named: Sequence[str]) -> int:
    """The exit code: a task that was asked for by name and could not be scored is an error."""
    lost = [task for task in refused if task in expand(named)]
    if lost:
        raise ValueError(f"not scored: {', '.join(lost)}: {refused[lost[0]]}")
    return 0


def _limit(text: str) -> int | None:
    if text == "none":
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ValueError(f"limit={text}: give the largest number of items per file, 1 or more, or none for all")
    return int(text)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.strip("[] ").split(",") if word.strip()]


def _missing(data: Path) -> list[str]:
    from babylm.evaluation import suite

    return suite.missing(data)


def _command(words: Sequence[str]) -> int:
    """Run one of the three forms; returns the exit code."""
    if words[:1] == ["compare"]:
        from babylm.evaluation.results import comparison

        return cli.command(comparison.__doc__, comparison.run, words[1:])
    if words[:1] == ["--get"]:
        from babylm.evaluation.data import download

        def fetch(rest: list[str]) -> int:
            return download.main(rest, Log(), _missing)

        return cli.command(download.__doc__, fetch, words[1:], needs_words=False)
    return cli.command(__doc__, _run, words)


def _run(words: list[str]) -> int:
    if words[0] == "--list":
        from babylm.evaluation import catalogue

        return catalogue.main(registry.options(words[1:], ("data",)), Log())
    if words[0].startswith("-"):
        raise ValueError(f"{words[0]}: no such option; --get, --list, --help, or FOLDER key=value")
    return main(words[0], registry.options(words[1:], KEYS, SECTIONS, SYNONYMS), Log())


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
