"""The results in a run's folder (``evaluation/``), read without torch; `babylm.runs.Run` has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from babylm import files
from babylm.config.schema import Config
from babylm.evaluation import task_registry
from babylm.evaluation.results import item_results, learning_curves, store
from babylm.evaluation.task import YEARS

Types = Mapping[str, tuple[type, ...]]
LEFT_OUT = "restore it from a copy, or remove it: the report does without"
NUMBER = (int, float)
ACQUISITION: Types = {"score": NUMBER, "words": (int,)}
RESULT_KEYS = (
    *("task", "suite", "rules", "weights_sha256", "tokenizer_sha256", "official"),
    *("n", "interval", "ties", "details"),
)
SCORE_AGAIN = "remove it, and score again (python -m babylm.submit lists the command)"


class RunResults(ABC):
    """What was measured of a run's revisions; the base of `babylm.runs.Run`."""

    folder: Path

    @property
    @abstractmethod
    def config(self) -> Config:
        """The run's configuration."""

    @property
    @abstractmethod
    def rules(self) -> int:
        """The year by whose rules `result`, `predictions` and `acquisition` read."""

    @property
    @abstractmethod
    def backend(self) -> str:
        """How the results that they read were scored."""

    @property
    @abstractmethod
    def revisions(self) -> list[str]:
        """Names of the revisions, by words, ``main`` last."""

    @property
    def results_folder(self) -> Path:
        """The folder of all results."""
        return self.folder / "evaluation"

    @cached_property
    def last_results(self) -> list[store.StoredResult]:
        """The result of the last revision that has one, for each (task, suite, rules, backend)."""
        by_key: dict[tuple[Any, ...], store.StoredResult] = {}
        for _, results in store.revisions(self.results_folder):
            by_key |= {(*result.key, result.backend): result for result in results}
        return [by_key[key] for key in sorted(by_key, key=str)]

    def last_result(self, task: str, rules: int) -> store.StoredResult | None:
        """The last revision's result of ``task``, preferably of the full suite and by the run's backend."""
        results = [r for r in self.last_results if (r.content["task"], r.content["rules"]) == (task, rules)]
        return max(results, key=lambda r: (r.content["suite"] == "full", r.backend == self.backend), default=None)

    @cached_property
    def curves(self) -> list[learning_curves.Curve]:
        """Scores over words, for each (task, suite, rules, backend)."""
        return learning_curves.curves(self.results_folder)

    @cached_property
    def test_loss(self) -> dict[str, dict[str, float]]:
        """Held-out loss of ``main`` by source and mode, in nats; empty if none was measured."""
        return _read_objects(self.results_folder / "test_loss.json")

    @cached_property
    def acquisitions(self) -> list[tuple[int, str, dict[str, Any]]]:
        """(rules, backend, score over the revisions) of age of acquisition; first those by the run's `backend`."""
        scores, name = [], task_registry.combined_task(max(YEARS)).name
        for file in sorted(self.results_folder.glob(f"{name}.*.json")):
            _, _, rules, backend = file.stem.split(".", 3)
            scores.append((int(rules), backend, files.read_typed(file, ACQUISITION, store.AGAIN)))
        return sorted(scores, key=lambda score: score[1] != self.backend)

    @cached_property
    def averages(self) -> list[tuple[int, dict[str, Any]]]:
        """(rules, official averages) of the last revision that has any; first those by the run's `backend`."""
        averages: list[tuple[int, dict[str, Any]]] = []
        for name in [*self.revisions, self.folder.name]:
            stored = sorted((self.results_folder / name).glob("averages.*.json"))
            stored.sort(key=lambda file: file.stem.split(".", 2)[2] != self.backend)
            averages = [(int(file.stem.split(".")[1]), _read_averages(file)) for file in stored] or averages
        return averages

    def result_file(self, revision: str, task: str, suite: str) -> Path:
        """The file of a result by the run's rules and backend; it need not exist."""
        stem = task_registry.result_stem(task, suite, self.rules, self.backend)
        return self.results_folder / revision / f"{stem}.json"

    def result(self, revision: str, task: str, suite: str) -> store.StoredResult | None:
        """The stored result, None if there is none; `files.DamagedFile` if it cannot be read."""
        file = self.result_file(revision, task, suite)
        if not file.is_file():
            return None
        return store.StoredResult(file, _read_keys(file, RESULT_KEYS))

    def item_results_of(self, result: store.StoredResult) -> item_results.ItemResults | None:
        """The stored items of a result, None if there are none; `files.DamagedFile` if they cannot be read."""
        try:
            return result.item_results()
        except (ValueError, LookupError, TypeError):
            file = result.file.parent / item_results.FOLDER / result.file.name
            raise files.DamagedFile(f"{file}: damaged; remove it and {result.file}, then score again") from None

    def predictions(self, revision: str, task: str, suite: str) -> dict[str, Any]:
        """The answers in the official format, with NaN for a missing number."""
        file = self.result_file(revision, task, suite)
        file = file.parent / "predictions" / file.name
        content = _read_keys(file)
        if task_registry.load_task(task).over_revisions:
            files.check_keys(file, content, ("metadata", "results"), SCORE_AGAIN)
        else:
            for uid, answers in content.items():
                lines = answers.get("predictions") if isinstance(answers, dict) else None
                if not isinstance(lines, list) or not all(isinstance(line, dict) and "pred" in line for line in lines):
                    raise files.DamagedFile(f"{file}: holds no predictions of {uid}; {SCORE_AGAIN}")
        return files.none_to_nan(content)

    def acquisition(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Score and surprisals (``surprisal.json``) of age of acquisition over the milestones; None without."""
        task = task_registry.combined_task(self.rules).name
        name = f"{task_registry.result_stem(task, 'full', self.rules, self.backend)}.json"
        paths = (self.results_folder / name, self.results_folder / "predictions" / name)
        if not all(file.is_file() for file in paths):
            return None
        score = _read_keys(paths[0], ("score",))
        surprisals = _read_keys(paths[1], ("metadata", "results"))
        metadata = {"model_name": self.config.name, **surprisals["metadata"]}
        return score, files.none_to_nan({"metadata": metadata, "results": surprisals["results"]})


def _read_keys(file: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """The object in a result's file, which has these keys; `files.DamagedFile` otherwise."""
    content: dict[str, Any] = files.read_json(file, SCORE_AGAIN)
    files.check_keys(file, content, keys, SCORE_AGAIN)
    return content


def _read_objects(file: Path, remedy: str = LEFT_OUT) -> dict[str, Any]:
    """A JSON object of objects, empty without a file."""
    return files.read_typed(file, dict.fromkeys(files.read_typed(file, {}, remedy), (dict,)), remedy)


def _read_averages(file: Path) -> dict[str, Any]:
    """The official averages of one revision, by name."""
    content = _read_objects(file, store.AGAIN)
    for name, part in content.items():
        if name != "columns" and not {"value", "present", "missing"} <= set(part):
            raise files.DamagedFile(f"{file}: {name} does not hold what it should; {store.AGAIN}")
    return content
