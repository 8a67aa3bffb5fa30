"""Score the revisions of a run, or one model folder.

    python -m babylm.evaluate FOLDER [key=value ...]

    python -m babylm.evaluate checkpoints/smoke                              its tasks, on every revision
    python -m babylm.evaluate checkpoints/s1 tasks=blimp,supplement          other tasks
    python -m babylm.evaluate checkpoints/s1 revisions=main scorer=mntp      one revision, read as masked
    python -m babylm.evaluate some/model tasks=my/pairs data=evaluation_data any local Hugging Face model, any pairs

FOLDER is checkpoints/<run> (defaults come from its config.yaml) or a folder with a config.json. Keys: tasks, revisions,
scorer (auto, causal, mntp, mlm), data, limit. Each result is a file, FOLDER/evaluation/<revision>/<task>.<scorer>.json;
what is there already, from the same weights and items, is not computed again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from babylm import config as configuration
from babylm import registry, tracks
from babylm.console import Log, table
from babylm.sections import Config, EvaluationConfig

KEYS = ("tasks", "revisions", "scorer", "data", "limit")


def main(folder: Path, given: dict[str, str], log: Log) -> int:
    """Score what is asked; returns the exit code."""
    wanted, own_backend = defaults(folder)
    tasks = _words(given["tasks"]) if "tasks" in given else wanted.tasks
    known = registry.names("evaluation/tasks")
    if not tasks:
        raise ValueError(f"tasks: none given and none in the run's configuration (there are: {', '.join(known)})")
    for name in tasks:
        if "/" not in name and not Path(name).is_dir():
            registry.check(name, known, "tasks")
    limit = int(given["limit"]) if given.get("limit", "none") != "none" else None
    backend = given.get("scorer", own_backend)
    registry.check(backend, ("auto", "causal", "mntp", "mlm"), "scorer")
    models = revisions(folder, _words(given.get("revisions", "")))

    log(f"babylm: scoring {len(models)} model(s) on {', '.join(tasks)} ...")
    from babylm.evaluation import suite

    questions = {name: suite.task(name).items(Path(given.get("data", wanted.data)), limit) for name in tasks}
    rows = []
    for model in models:
        for found in suite.evaluate(model, questions, backend, folder / "evaluation"):
            low, high = found["interval"]
            words = f"{found['words']:,}" if found.get("words") is not None else "-"
            shares = [f"{100 * found[key]:.2f}" for key in ("official", "tie_aware")]
            interval = f"{100 * low:.1f} to {100 * high:.1f}"
            rows.append(
                (model.name, words, found["task"], found["scorer"], found["n"], *shares, found["ties"], interval)
            )
            log(f"{model.name} {found['task']}: {shares[0]}")
            if len(models) == 1:
                parts = [(uid, t["n"], f"{100 * t['official']:.1f}", t["ties"]) for uid, t in found["by_uid"].items()]
                log(table((found["task"], "items", "official %", "ties"), parts))
    log(table(("revision", "words", "task", "scorer", "items", "official %", "tie-aware %", "ties", "95 %"), rows))
    log(f"results are in {folder / 'evaluation'}")
    return 0


def defaults(folder: Path) -> tuple[EvaluationConfig, str]:
    """The evaluation section of the run and how its model is scored; without a run, the defaults and ``auto``."""
    file = folder / "config.yaml"
    if not file.is_file():
        return EvaluationConfig(), "auto"
    config = configuration.load(file)
    wanted = config.evaluation.scorer
    return config.evaluation, trained_reading(config) if wanted == "auto" else wanted


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
