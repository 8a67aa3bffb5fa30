"""Score the revisions of a run, one model folder, or a model of the Hugging Face Hub.

    python -m babylm.evaluate FOLDER [key=value ...]
    python -m babylm.evaluate compare A B            two models' stored results on the same items (compare -h)
    python -m babylm.evaluate --get [FOLDER]         download the official evaluation data, into evaluation_data

    python -m babylm.evaluate checkpoints/smoke                              its tasks, on every revision
    python -m babylm.evaluate checkpoints/s1 suite=fast                      the official fast suite, on every revision
    python -m babylm.evaluate checkpoints/s1 suite=full revisions=main       the official full suite, on the last one
    python -m babylm.evaluate checkpoints/s1 tasks=aoa suite=full            age of acquisition, over all revisions
    python -m babylm.evaluate checkpoints/s1 tasks=glue revisions=main       the seven tasks with fine-tuning
    python -m babylm.evaluate checkpoints/s1 tasks=rte,wsc glue.epochs=3 glue.seeds=[1,2,3]
    python -m babylm.evaluate checkpoints/s1 revisions=main scorer=mntp      one revision, read as masked
    python -m babylm.evaluate some/model tasks=my/pairs data=evaluation_data  any local model, any pairs
    python -m babylm.evaluate checkpoints/s1 tasks=my/times.csv reading_csv.time=RT   surprisal against reading times
    python -m babylm.evaluate owner/name@revision suite=fast                 a model of the Hub; into evaluation/
    python -m babylm.evaluate checkpoints/s1 suite=fast part=3/10            every tenth one (slurm/evaluate.sbatch)

FOLDER is checkpoints/<run> (defaults come from its config.yaml) or a folder with a config.json. Keys: tasks, suite
(fast or full: which tasks, and whose data), rules (2025 or 2026), revisions, scorer (auto, causal, mntp, mlm), data,
limit, dtype (auto, fp32, bf16), trust (true runs a model's own code), part (i/n: the revisions i, i + n, ... counted
from 0; once all parts are done, the command without it adds what is of all revisions), glue.*, reading_csv.* (all in
babylm/evaluation_sections.py). A result is a file, FOLDER/evaluation/<revision>/<task>.<suite>.<rules>.<scorer>.json;
what is there already, from the same weights and items, is not computed again. A task of a suite whose data is not there
is named, left out; of several revisions, a suite fine-tunes the last.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from babylm import cli, registry
from babylm import config as configuration
from babylm.console import Log, table
from babylm.evaluation import targets
from babylm.evaluation.aggregates import GLUE, expand

KEYS = ("tasks", "suite", "rules", "revisions", "scorer", "data", "limit", "trust", "dtype", "part")
SECTIONS = ("glue.", "reading_csv.")
"""Of the evaluation section, as ``glue.epochs=3``."""


def main(target: str, given: dict[str, str], log: Log) -> int:
    """Score what is asked; returns the exit code."""
    wanted, own_backend, own_rules = targets.defaults(Path(target))
    own = [f"{key}={value}" for key, value in given.items() if "." in key or key == "dtype"]
    wanted = configuration.change(wanted, own)
    suite_name = registry.check(given.get("suite", "fast"), ("fast", "full"), "suite")
    rules = int(registry.check(given.get("rules", str(own_rules)), ("2025", "2026"), "rules"))
    asked = _words(given["tasks"]) if "tasks" in given else [] if "suite" in given else wanted.tasks
    known = ["glue", *registry.names("evaluation/tasks")]
    if not asked and "suite" not in given:
        raise ValueError(f"tasks: none given and none in the run's configuration (there are: {', '.join(known)})")
    for name in asked:
        if not ("/" in name or name.endswith(".csv") or Path(name).is_dir()):
            registry.check(name, known, "tasks")
    tasks = expand(asked)
    limit = int(given["limit"]) if given.get("limit", "none") != "none" else None
    backend = given.get("scorer", own_backend)
    registry.check(backend, ("auto", "causal", "mntp", "mlm"), "scorer")
    trust = registry.check(given.get("trust", "false"), ("true", "false"), "trust") == "true"
    models, results = targets.find(target, _words(given.get("revisions", "")))
    last, own_part = models[-1], given.get("part", "")
    models = targets.part(models, own_part) if own_part else models

    from babylm.evaluation import curves, forward, suite, tables

    forward.keep_memory()
    data = Path(given.get("data", wanted.data))
    questions = suite.questions(tasks or suite.SUITES[suite_name, rules], data, limit, suite_name, rules, log, asked)
    log(f"babylm: scoring {len(models)} model(s) on {', '.join(questions)} ...")
    rows: list[tuple[object, ...]] = []
    for number, model in enumerate(models, 1):
        here = {name: own for name, own in questions.items() if asked or model == last or name not in GLUE}
        tell = partial(tables.tell, log, f"[{number}/{len(models)}] {model.name}", len(models) == 1)
        found = suite.evaluate(
            model, here, backend, results, suite=suite_name, rules=rules, settings=wanted, trust=trust, tell=tell
        )
        rows += [tables.row(model.name, own) for own in found]
    if own_part:
        log(f"part {own_part} is done, in {results}; once all are, repeat the command without part=")
        return 0
    if "aoa" in questions:
        suite.acquisition(models, backend, results, suite_name, rules, log, wanted.dtype)
    log(table(tables.HEADER, rows))
    if not asked and suite_name == "full":
        suite.averages(models, backend, results, rules, log, wanted.dtype)
    for file in curves.write(results):
        log(f"learning curves and order of acquisition: {file}")
    log(f"results are in {results}")
    return 0


def _words(text: str) -> list[str]:
    return [word for word in text.strip("[] ").replace(" ", "").split(",") if word]


def _missing(data: Path) -> list[str]:
    from babylm.evaluation import suite

    return suite.missing(data)


def _command(words: Sequence[str]) -> int:
    if words[:1] == ["compare"]:
        from babylm.evaluation import comparison

        return cli.command(comparison.__doc__, comparison.run, words[1:])
    return cli.command(__doc__, _run, words)


def _run(words: list[str]) -> int:
    if words[0] == "--get":
        from babylm.evaluation import download

        return download.main(words[1:], Log(), _missing)
    return main(words[0], registry.options(words[1:], KEYS, SECTIONS), Log())


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
