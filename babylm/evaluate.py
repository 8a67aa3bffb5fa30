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
    python -m babylm.evaluate checkpoints/s1 revisions=main backend=mntp     one revision, scored as a masked model
    python -m babylm.evaluate some/model tasks=my/pairs                      any local Hugging Face model, any pairs
    python -m babylm.evaluate some/model tasks=my/pairs.csv pairs.good=ok pairs.bad=star   the columns of the pairs
    python -m babylm.evaluate checkpoints/s1 tasks=my/times.csv reading_csv.time=RT   surprisal against reading times
    python -m babylm.evaluate owner/name@revision suite=fast                 a model of the Hub; into evaluation/
    python -m babylm.evaluate checkpoints/s1 suite=fast part=3/10            every tenth one (slurm/evaluate.sbatch)

FOLDER is checkpoints/<run> (defaults come from its config.yaml) or a folder with a config.json.

With part=i/n a job scores revisions i, i+n, ...; when all parts are done, run once without part= to add what needs
every revision (curves, age of acquisition).

A result is a file, FOLDER/evaluation/<revision>/<task>.<suite>.<rules>.<backend>.json. A result that is there, made
from the same weights and items, is not computed again unless it is damaged. Suite tasks without data are skipped with a
message. A suite fine-tunes (GLUE) on the last revision only. A task with an item that the model cannot read (too many
tokens, or unknown ones) is skipped, naming the item; if the task was named, the exit code is 2.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from babylm import cli, registry
from babylm.config import options
from babylm.console import Log
from babylm.evaluation.request import Request, parse_limit, request

KEYS = options.keys(options.EvaluateOptions)
SECTIONS = ("glue.", "reading_csv.", "pairs.")
"""Sections of the evaluation settings, as in ``glue.epochs=3``."""
SYNONYMS = {
    "scorer": "backend", "task": "tasks", "benchmarks": "tasks", "revision": "revisions", "checkpoints": "revisions",
    "num_samples": "limit", "max_items": "limit", "max_samples": "limit", "precision": "dtype", "torch_dtype": "dtype",
    "bf16": "dtype", "gpu": "device", "cuda": "device", "accelerator": "device", "trust_remote_code": "trust",
    "data_dir": "data", "data_path": "data", "year": "rules", "batch_size": "glue.batch", "lr": "glue.lr",
    "learning_rate": "glue.lr", "epochs": "glue.epochs", "num_train_epochs": "glue.epochs", "seed": "glue.seeds",
    "max_length": "glue.length", "array": "part", "shard": "part",
}  # fmt: skip
"""Option of another tool, or an older name -> our option."""


def request_of(target: str, given: dict[str, str]) -> Request:
    """What ``target`` and the options of a command line ask for; ``ValueError`` for the first mistake."""
    for key, value in given.items():
        if not value.strip() and key not in ("revisions",):
            raise ValueError(f"{key}: no value given; leave the option out for its default")
    if "rules" in given:
        registry.check(given["rules"], ("2025", "2026"), "rules")
    return request(
        target,
        tasks=_words(given["tasks"]) if "tasks" in given else None,
        suite=given.get("suite"),
        rules=int(given["rules"]) if "rules" in given else None,
        revisions=_words(given.get("revisions", "")),
        backend=given.get("backend"),
        data=given.get("data"),
        limit=parse_limit(given.get("limit", "none")),
        trust=registry.check(given.get("trust", "false"), ("true", "false"), "trust") == "true",
        part=given.get("part", ""),
        settings=[f"{key}={value}" for key, value in given.items() if "." in key or key in ("dtype", "device")],
    )


def main(target: str, given: dict[str, str], log: Log) -> int:
    """Score what is asked for; returns the exit code."""
    checked = request_of(target, given)

    from babylm.evaluation import suite

    suite.evaluate_request(checked, log)
    return 0


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.strip("[] ").split(",") if word.strip()]


def _missing(data: Path) -> list[str]:
    from babylm.evaluation import suite

    return suite.missing_data(data)


def _command(words: Sequence[str]) -> int:
    """Run one of the forms above; returns the exit code."""
    if words[:1] == ["compare"]:
        from babylm.evaluation.results import comparison

        return cli.command(
            comparison.__doc__, comparison.run, words[1:], lambda: options.describe(options.CompareOptions)
        )
    if words[:1] == ["--get"]:
        from babylm.evaluation.data import download

        def fetch(rest: list[str]) -> int:
            return download.main(rest, Log(), _missing)

        return cli.command(download.__doc__, fetch, words[1:], needs_words=False)
    return cli.command(__doc__, _run, words, lambda: options.describe(options.EvaluateOptions))


def _run(words: list[str]) -> int:
    if words[0] == "--list":
        from babylm.evaluation import catalogue

        return catalogue.main(registry.options(words[1:], ("data",)))
    if words[0].startswith("-"):
        raise ValueError(f"{words[0]}: no such option; --get, --list, --help, or FOLDER key=value")
    return main(words[0], registry.options(words[1:], KEYS, SECTIONS, SYNONYMS), Log())


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
