"""A finished run as a submission sees it: its settings, its plan, its revisions, and the results stored of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from babylm import config as configuration
from babylm import tracks
from babylm.evaluation import stored, suite
from babylm.evaluation.targets import trained_reading
from babylm.sections import Config


@dataclass(frozen=True)
class Run:
    """``checkpoints/<name>``; ``rules`` and ``backend`` say which of its results are meant."""

    folder: Path
    config: Config
    rules: int
    backend: str

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Words, epochs, steps, FLOPs and milestones of the whole run."""
        return _json(self.folder / "plan.json")

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions and machine."""
        return _json(self.folder / "environment.json")

    @property
    def track(self) -> tracks.Track:
        """Its track's budget."""
        return tracks.TRACKS[self.config.track]

    @property
    def milestones(self) -> list[str]:
        """Names of the revisions its track requires, ``main`` not among them; of a free run, those it planned."""
        if self.track.milestones:
            return [tracks.milestone_name(words) for words in self.track.milestones]
        return [one["name"] for one in self.plan["milestones"]]

    @property
    def present(self) -> list[str]:
        """Those that are there."""
        return [name for name in self.milestones if (self.folder / name / "config.json").is_file()]

    def result_file(self, revision: str, task: str, which: str) -> Path:
        """Where the result of a task lies."""
        return self.folder / "evaluation" / revision / f"{suite.stored_as(task, which, self.rules, self.backend)}.json"

    def result(self, revision: str, task: str, which: str) -> stored.Stored | None:
        """The stored result, or none."""
        file = self.result_file(revision, task, which)
        return stored.Stored(file, _json(file)) if file.is_file() else None

    def predictions(self, revision: str, task: str, which: str) -> dict[str, Any]:
        """The answers in the official format, with NaN where a number is missing."""
        file = self.result_file(revision, task, which)
        return _official(_json(file.parent / "predictions" / file.name))

    def acquisition(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Score and surprisals (``surprisal.json``) of age of acquisition over the milestones; none without."""
        name = f"{suite.stored_as('aoa', 'full', self.rules, self.backend)}.json"
        files = (self.folder / "evaluation" / name, self.folder / "evaluation" / "predictions" / name)
        if not all(file.is_file() for file in files):
            return None
        score, surprisals = (_json(file) for file in files)
        metadata = {"model_name": self.config.name, **surprisals["metadata"]}
        return score, _official({"metadata": metadata, "results": surprisals["results"]})


def open_run(folder: Path, given: dict[str, str]) -> Run:
    """The run of ``checkpoints/<name>``; ``ValueError`` where it is not finished."""
    own = [f"submission.{key}={value}" for key, value in given.items() if key not in ("rules", "scorer", "data")]
    config = configuration.load(folder / "config.yaml", own)
    if not (folder / "main" / "manifest.json").is_file():
        raise ValueError(f"{folder} is not finished (it has no main): repeat its python -m babylm.train command")
    rules = int(given.get("rules", config.rules))
    wanted = given.get("scorer", config.evaluation.scorer)
    return Run(folder, config, rules, trained_reading(config) if wanted == "auto" else wanted)


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ValueError(f"{file} is missing")
    return json.loads(file.read_text(encoding="utf-8"))


def _official(value: Any) -> Any:
    """``value`` with ``None`` as NaN, which the official files hold."""
    if isinstance(value, dict):
        return {key: _official(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_official(own) for own in value]
    return float("nan") if value is None else value
