"""What the folder of a run says about it: everything the page shows, read without loading the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babylm import config as configuration
from babylm import files, places
from babylm.config.schema import Config
from babylm.evaluation.results import learning_curves, store
from babylm.evaluation.results.learning_curves import Curve
from babylm.evaluation.results.store import StoredResult
from babylm.tracks import milestone_words

LEFT_OUT = "restore it from a copy, or remove it: the report does without"
AGAIN = store.AGAIN
NUMBER = (int, float)
PLAN = {"epochs": NUMBER, "steps": (int,), "flops": NUMBER, "milestones": (list,)}
ENVIRONMENT = {
    **dict.fromkeys(("processor", "platform", "python"), (str,)),
    **{"packages": (dict,), "command": (list,)},
}
ACQUISITION = {"score": NUMBER, "words": (int,)}


@dataclass(frozen=True)
class Run:
    """A run's folder, or a model folder, as far as its files are there."""

    folder: Path
    name: str
    config: Config | None
    config_text: str
    plan: dict[str, Any]
    environment: dict[str, Any]
    facts: dict[str, Any]
    """``babylm.json`` of the last revision."""
    metrics: list[dict[str, Any]]
    revisions: list[str]
    """By words, ``main`` last."""
    vocabulary: int | None
    tokenizer_sha256: str | None
    test_loss: dict[str, dict[str, float]]
    """Held-out loss by source and mode, in nats."""
    curves: list[Curve]
    last: list[StoredResult]
    """The last revision's result of every (task, suite, rules, backend)."""
    acquisition: list[tuple[int, str, dict[str, Any]]]
    """(rules, backend, score over the revisions) of age of acquisition."""
    averages: list[tuple[int, dict[str, Any]]]
    """(rules, official averages) of the last revision that has any."""

    def series(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """(words, values) of a logged metric."""
        found = [(line["words"], line[metric]) for line in self.metrics if metric in line and line.get("words")]
        return np.array([w for w, _ in found], dtype=float), np.array([v for _, v in found], dtype=float)

    def result(self, task: str, rules: int, backend: str | None = None) -> StoredResult | None:
        """The last revision's result of ``task``, of the full suite where there is one."""
        own = [one for one in self.last if one.content["task"] == task and one.content["rules"] == rules]
        own = [one for one in own if backend in (None, one.backend)]
        return max(own, key=lambda one: one.content["suite"] == "full", default=None)


def read(folder: Path) -> Run:
    """The run in ``folder``; ``ValueError`` where there is neither a run nor a model."""
    if not folder.is_dir():
        raise ValueError(places.no_folder(folder))
    config_file = folder / "config.yaml"
    found = sorted((path.parent.name for path in folder.glob("*/config.json")), key=lambda n: (milestone_words(n), n))
    if not config_file.is_file() and not found and not (folder / "config.json").is_file():
        raise ValueError(f"{folder} is neither a run (config.yaml) nor a model folder (config.json)")
    last = folder / found[-1] if found else folder
    described = _object(last / "config.json")
    tokenizer = last / "tokenizer.json"
    results = folder / "evaluation"
    by_key: dict[tuple[Any, ...], StoredResult] = {}
    averages: list[tuple[int, dict[str, Any]]] = []
    for _, own in store.revisions(results):
        by_key |= {(*one.key, one.backend): one for one in own}
    for name in [*found, folder.name]:
        averages = [_averages(file) for file in sorted((results / name).glob("averages.*.json"))] or averages
    return Run(
        folder=folder,
        name=folder.resolve().name,
        config=configuration.load(config_file) if config_file.is_file() else None,
        config_text=files.read_text(config_file) if config_file.is_file() else "",
        plan=_object(folder / "plan.json", PLAN),
        environment=_object(folder / "environment.json", ENVIRONMENT),
        facts=_object(last / "babylm.json"),
        metrics=_metrics(folder / "metrics.jsonl"),
        revisions=found,
        vocabulary=described.get("vocab_size"),
        tokenizer_sha256=files.sha256_file(tokenizer) if tokenizer.is_file() else None,
        test_loss=_tables(results / "test_loss.json", LEFT_OUT),
        curves=learning_curves.curves(results),
        last=[by_key[key] for key in sorted(by_key, key=str)],
        acquisition=[
            (int(file.stem.split(".")[2]), file.stem.split(".")[3], _object(file, ACQUISITION, AGAIN))
            for file in sorted(results.glob("aoa.*.json"))
        ],
        averages=averages,
    )


def read_all(folders: list[Path]) -> list[Run]:
    """The runs; those of one name are told apart by their paths."""
    runs = [read(folder) for folder in folders]
    names = [run.name for run in runs]
    return [run if names.count(run.name) == 1 else Run(**{**vars(run), "name": str(run.folder)}) for run in runs]


def _object(file: Path, types: Mapping[str, tuple[type, ...]] | None = None, remedy: str = LEFT_OUT) -> dict[str, Any]:
    """The JSON object in ``file``, empty without a file; `files.DamagedFile` where a key of ``types`` has another."""
    if not file.is_file():
        return {}
    content = files.read_json(file, remedy)
    for key, kinds in (types or {}).items():
        if not isinstance(content.get(key), kinds) or isinstance(content.get(key), bool):
            raise files.DamagedFile(f"{file}: {key} is {content.get(key, 'missing')!r}; {remedy}")
    return content


def _tables(file: Path, remedy: str) -> dict[str, Any]:
    """A JSON object of objects."""
    content = _object(file, remedy=remedy)
    return _object(file, dict.fromkeys(content, (dict,)), remedy)


def _averages(file: Path) -> tuple[int, dict[str, Any]]:
    """(rules, averages) of ``averages.<rules>.<backend>.json``."""
    content = _tables(file, AGAIN)
    for name, part in content.items():
        if name != "columns" and not {"value", "present", "missing"} <= set(part):
            raise files.DamagedFile(f"{file}: {name} does not hold what it should; {AGAIN}")
    return int(file.stem.split(".")[1]), content


def _metrics(file: Path) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl``, whose values are numbers or null; a last line that a kill has cut is left out."""
    remedy = "remove that line: the report does without"
    lines = list(files.numbered_jsonl(file, remedy, cut_last_line=True)) if file.is_file() else []
    for number, line in lines:
        for key, value in line.items():
            if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                raise files.DamagedFile(f"{file}: line {number}: {key} is {value!r}, not a number; {remedy}")
    return [{key: value for key, value in line.items() if value is not None} for _, line in lines]
