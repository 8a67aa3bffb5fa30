"""Score the revisions of a run, or one model folder.

    python -m babylm.evaluate FOLDER [key=value ...]

    python -m babylm.evaluate checkpoints/smoke                              its tasks, on every revision
    python -m babylm.evaluate checkpoints/s1 suite=fast                      the official fast suite, on every revision
    python -m babylm.evaluate checkpoints/s1 suite=full revisions=main       the official full suite, on the last one
    python -m babylm.evaluate checkpoints/s1 tasks=aoa suite=full            age of acquisition, over all revisions
    python -m babylm.evaluate checkpoints/s1 tasks=blimp,supplement          other tasks
    python -m babylm.evaluate checkpoints/s1 revisions=main scorer=mntp      one revision, read as masked
    python -m babylm.evaluate some/model tasks=my/pairs data=evaluation_data any local Hugging Face model, any pairs

FOLDER is checkpoints/<run> (defaults come from its config.yaml) or a folder with a config.json. Keys: tasks, suite
(fast or full: which tasks, and whose data), rules (2025 or 2026), revisions, scorer (auto, causal, mntp, mlm), data,
limit. Each result is a file, FOLDER/evaluation/<revision>/<task>.<suite>.<rules>.<scorer>.json; what is there already,
from the same weights and items, is not computed again. A task of a suite whose data is not there is named, left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from babylm import config as configuration
from babylm import registry, tracks
from babylm.console import Log, table
from babylm.sections import Config, EvaluationConfig

KEYS = ("tasks", "suite", "rules", "revisions", "scorer", "data", "limit")


def main(folder: Path, given: dict[str, str], log: Log) -> int:
    """Score what is asked; returns the exit code."""
    wanted, own_backend, own_rules = defaults(folder)
    suite_name = registry.check(given.get("suite", "fast"), ("fast", "full"), "suite")
    rules = int(registry.check(given.get("rules", str(own_rules)), ("2025", "2026"), "rules"))
    tasks = _words(given["tasks"]) if "tasks" in given else [] if "suite" in given else wanted.tasks
    known = registry.names("evaluation/tasks")
    if not tasks and "suite" not in given:
        raise ValueError(f"tasks: none given and none in the run's configuration (there are: {', '.join(known)})")
    for name in tasks:
        if "/" not in name and not Path(name).is_dir():
            registry.check(name, known, "tasks")
    limit = int(given["limit"]) if given.get("limit", "none") != "none" else None
    backend = given.get("scorer", own_backend)
    registry.check(backend, ("auto", "causal", "mntp", "mlm"), "scorer")
    models = revisions(folder, _words(given.get("revisions", "")))

    from babylm.evaluation import suite, tables

    data = Path(given.get("data", wanted.data))
    questions = suite.questions(tasks or suite.SUITES[suite_name, rules], data, limit, suite_name, rules, log, tasks)
    log(f"babylm: scoring {len(models)} model(s) on {', '.join(questions)} ...")
    rows = []
    for number, model in enumerate(models, 1):
        for found in suite.evaluate(model, questions, backend, folder / "evaluation", suite=suite_name, rules=rules):
            rows.append(tables.row(model.name, found))
            log(f"[{number}/{len(models)}] {model.name} {found['task']}: {rows[-1][5]}")
            if len(models) == 1 and found["by_uid"]:
                log(tables.parts(found))
    if "aoa" in questions:
        suite.acquisition(models, backend, folder / "evaluation", suite_name, rules, log)
    log(table(tables.HEADER, rows))
    if not tasks and suite_name == "full":
        suite.averages(models, backend, folder / "evaluation", rules, log)
    log(f"results are in {folder / 'evaluation'}")
    return 0


def defaults(folder: Path) -> tuple[EvaluationConfig, str, int]:
    """The evaluation section of a run, its way of scoring, and its rules; without a run, the defaults and ``auto``."""
    file = folder / "config.yaml"
    if not file.is_file():
        return EvaluationConfig(), "auto", Config().rules
    config = configuration.load(file)
    wanted = config.evaluation.scorer
    return config.evaluation, trained_reading(config) if wanted == "auto" else wanted, config.rules


def trained_reading(config: Config) -> str:
    """How a run's model is scored when nobody says: causally, unless its objective is masked only."""
    return config.objective.reading if config.objective.name == "masked" else "causal"


def revisions(folder: Path, names: Sequence[str]) -> list[Path]:
    """The model folders: those named, else all of a run by words, ``main`` last, else the folder itself."""
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}")
    found = {path.parent.name: path.parent for path in folder.glob("*/config.json")}
    if not found and not names and (folder / "config.json").is_file():
        return [folder]
    if names:
        return [found[registry.check(name, found, "revisions")] for name in names]
    if not found:
        raise ValueError(f"{folder} holds neither a model nor revisions (folders with a config.json)")
    return [found[name] for name in sorted(found, key=lambda name: (tracks.milestone_words(name), name))]


def _words(text: str) -> list[str]:
    return [word for word in text.strip("[] ").replace(" ", "").split(",") if word]


def _command(words: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if words else configuration.EXIT_CONFIG
    try:
        given = {}
        for word in words[1:]:
            key, equals, value = word.partition("=")
            if not equals:
                raise ValueError(f"{word!r}: an option is written key=value, for example tasks=grammar")
            given[registry.check(key, KEYS, "option")] = value
        return main(Path(words[0]), given, Log())
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return configuration.EXIT_CONFIG


if __name__ == "__main__":
    sys.exit(_command(sys.argv[1:]))
