"""A finished run as a submission sees it: its settings, its plan, its revisions, and the results stored of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from babylm import config as configuration
from babylm import files, publication, tracks
from babylm.config.schema import Config
from babylm.evaluation.model_paths import default_backend
from babylm.evaluation.results import item_results, store
from babylm.evaluation.task_registry import combined_task, load_task, result_stem

RESTORE = "restore it from a copy of the run's folder"
SCORE_AGAIN = "remove it, and score again (python -m babylm.submit lists the command)"
RESULT_KEYS = (
    *("task", "suite", "rules", "weights_sha256", "tokenizer_sha256", "official"),
    *("n", "interval", "ties", "details"),
)


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
        file = self.folder / "plan.json"
        plan = _read(file, RESTORE, ("words", "epochs", "steps", "flops", "corpus_words", "milestones"))
        for milestone in plan["milestones"]:
            _check_keys(file, milestone, RESTORE, ("name", "words"))
        return plan

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions and machine."""
        return _read(self.folder / "environment.json", RESTORE, ("packages", "processor", "cores"))

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``; a last one that a kill has cut is left out."""
        return files.read_jsonl(self.folder / "metrics.jsonl", RESTORE, cut_last_line=True)

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
        return self.folder / "evaluation" / revision / f"{result_stem(task, which, self.rules, self.backend)}.json"

    def result(self, revision: str, task: str, which: str) -> store.StoredResult | None:
        """The stored result, or none; `files.DamagedFile` for one that cannot be read."""
        file = self.result_file(revision, task, which)
        if not file.is_file():
            return None
        return store.StoredResult(file, _read(file, SCORE_AGAIN, RESULT_KEYS))

    def item_results(self, result: store.StoredResult) -> item_results.ItemResults | None:
        """What is kept of a result's items, or none; `files.DamagedFile` when it cannot be read."""
        try:
            return result.item_results()
        except (ValueError, LookupError, TypeError):
            file = result.file.parent / item_results.FOLDER / result.file.name
            raise files.DamagedFile(f"{file}: damaged; remove it and {result.file}, then score again") from None

    def predictions(self, revision: str, task: str, which: str) -> dict[str, Any]:
        """The answers in the official format, with NaN where a number is missing."""
        file = self.result_file(revision, task, which)
        file = file.parent / "predictions" / file.name
        content = _read(file, SCORE_AGAIN)
        if load_task(task).over_revisions:
            _check_keys(file, content, SCORE_AGAIN, ("metadata", "results"))
        else:
            for uid, answers in content.items():
                lines = answers.get("predictions") if isinstance(answers, dict) else None
                if not isinstance(lines, list) or not all(isinstance(line, dict) and "pred" in line for line in lines):
                    raise files.DamagedFile(f"{file}: holds no predictions of {uid}; {SCORE_AGAIN}")
        return _official(content)

    def acquisition(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Score and surprisals (``surprisal.json``) of age of acquisition over the milestones; none without."""
        name = f"{result_stem(combined_task(self.rules).name, 'full', self.rules, self.backend)}.json"
        paths = (self.folder / "evaluation" / name, self.folder / "evaluation" / "predictions" / name)
        if not all(file.is_file() for file in paths):
            return None
        score = _read(paths[0], SCORE_AGAIN, ("score",))
        surprisals = _read(paths[1], SCORE_AGAIN, ("metadata", "results"))
        metadata = {"model_name": self.config.name, **surprisals["metadata"]}
        return score, _official({"metadata": metadata, "results": surprisals["results"]})


def open_run(folder: Path, given: dict[str, str]) -> Run:
    """The run of ``checkpoints/<name>``; ``ValueError`` where it is not finished."""
    settings = [f"submission.{key}={value}" for key, value in given.items() if key not in ("rules", "backend", "data")]
    config = configuration.load(folder / "config.yaml", settings)
    publication.check(config.submission)
    if not (folder / "main" / "manifest.json").is_file():
        raise ValueError(f"{folder} is not finished (it has no main): repeat its python -m babylm.train command")
    rules = int(given.get("rules", config.rules))
    wanted = given.get("backend", config.evaluation.backend)
    return Run(folder, config, rules, default_backend(config) if wanted == "auto" else wanted)


def unused_settings(run: Run, given: Sequence[str]) -> list[str]:
    """Settings ``submission.*`` of the user's own file that the run does not have: changed after it began.

    One line each, with the word that uses the new value; ``given`` are the keys that the command line sets. The file is
    that of the run's command, if it can still be read.
    """
    command = run.environment.get("command") or []
    if len(command) < 2 or not Path(command[1]).is_file():
        return []
    try:
        current = configuration.load(command[1], command[2:]).submission
    except ValueError:  # the user has changed more than that; it is the run that is submitted
        return []
    recorded, changed = asdict(run.config.submission), asdict(current)
    return [
        f"{command[1]} now says submission.{key}: {value!r}; the run has {recorded[key]!r}, which is used "
        f"(to use the new value, add {key}=... to this command, or change it in {run.folder / 'config.yaml'})"
        for key, value in changed.items()
        if value != recorded[key] and key not in given
    ]


def _read(file: Path, remedy: str, keys: Sequence[str] = ()) -> dict[str, Any]:
    """The object in a JSON file, which has these keys; `files.DamagedFile` otherwise."""
    content = files.read_json(file, remedy)
    _check_keys(file, content, remedy, keys)
    return content


def _check_keys(file: Path, content: Any, remedy: str, keys: Sequence[str]) -> None:
    missing = [key for key in keys if key not in content] if isinstance(content, dict) else list(keys)
    if missing:
        raise files.DamagedFile(f"{file}: has no {', '.join(missing)}; {remedy}")


def _official(value: Any) -> Any:
    """``value`` with ``None`` as NaN, which the official files hold."""
    if isinstance(value, dict):
        return {key: _official(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_official(own) for own in value]
    return float("nan") if value is None else value
