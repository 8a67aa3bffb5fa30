"""Results of one model folder, in three steps: *cached*, *scored*, *stored*.

Cached: which results are there already, made from the same weights, tokenizer, items and settings. Scored: the others
are computed. Stored: predictions and items are written first, the result last, so a result that is there is whole.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from babylm import environment, files, hardware
from babylm.config.schema import EvaluationConfig
from babylm.evaluation.results import calibration, item_results, store
from babylm.evaluation.results.store import StoredResult
from babylm.evaluation.results.task_result import Item, Result, fingerprint, nan_to_none
from babylm.evaluation.scoring import bf16, limits, load_model, weight_files
from babylm.evaluation.scoring import device as placement
from babylm.evaluation.scoring.item_limits import check_items
from babylm.evaluation.scoring.load_model import TOKENIZER, check_folder, load_scorer, read_json, resolve
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.task import FINETUNED, Task
from babylm.evaluation.task_registry import load_task, result_stem

ItemsByTask = Mapping[str, Sequence[Any]]
Refuse = Callable[[str, ValueError], None]
"""Called with the name of a task that the model cannot be scored on, and the reason."""


def score_task(task: Task, scorer: Scorer, items: Sequence[Any], rules: int, settings: EvaluationConfig) -> Result:
    """The result of one task; fine-tuning in the precision that suits the machine."""
    if task.finetuned:
        precision, _ = hardware.choose_precision(settings.glue.precision, scorer.device, "evaluation.glue.precision")
        glue = replace(settings.glue, precision="bf16" if precision == "bf16" else "fp32")
        settings = replace(settings, glue=glue)
    return task.score(scorer, items, rules=rules, settings=settings)


@dataclass(frozen=True)
class _Job:
    """A task to be scored on one model folder."""

    task: Task
    items: Sequence[Any]
    file: Path
    key: Mapping[str, Any]
    """What the stored result must say to be this one."""


def evaluate_model(
    model: Path,
    items: ItemsByTask,
    backend: str,
    results: Path,
    *,
    suite: str = "fast",
    rules: int = 2026,
    settings: EvaluationConfig | None = None,
    trust: bool = False,
    device: torch.device | None = None,
    on_result: Callable[[Mapping[str, Any]], None] = lambda content: None,
    warn: Callable[[str], None] = lambda text: None,
    refuse: Refuse | None = None,
) -> list[StoredResult]:
    """Results of one model folder on ``items``, each stored in ``results/<model>/<stem>.json`` as soon as it is there.

    The stem is ``<task>.<suite>.<rules>.<backend>`` (``causal-bf16`` if ``settings.dtype`` is bf16). The official
    predictions are in ``predictions/<stem>.json`` beside it, the outcome of each item in ``items/<stem>.json``
    (`babylm.evaluation.results.item_results`). A file with the same weights, tokenizer, task version, items and backend
    is read instead of computed; a damaged one is computed again, after a word to ``warn``.

    ``trust``: run the code in the folder of a foreign model. ``device``: None for the CPU. ``on_result`` gets the
    content of each result. ``refuse`` gets a task with an item that the model cannot read, before anything is scored,
    and the task is left out; without it, that is a ``ValueError``.
    """
    settings = settings or EvaluationConfig()
    backend = resolve(model, backend)
    check_folder(model, trust=trust)
    jobs = _jobs(model, items, backend, results, suite, rules, settings, trust)
    cached = {job.task.name: content for job in jobs if (content := _cached(job.file, job.key, warn)) is not None}
    pending = [job for job in jobs if job.task.name not in cached]
    scoring = None
    if pending:
        load_model.warn_of_code(model, trust, warn)
        scoring = _Scoring(model, backend, settings, rules, trust, device)
        pending = [job for job in pending if _fits(scoring.scorer, job, refuse)]
    stored = []
    for job in jobs:
        content = cached.get(job.task.name)
        if content is None and job in pending and scoring is not None:
            content = _scored_and_stored(scoring, job, refuse)
        if content is not None:
            on_result(content)
            stored.append(StoredResult(job.file, content))
    return stored


def _jobs(
    model: Path,
    items: ItemsByTask,
    backend: str,
    results: Path,
    suite: str,
    rules: int,
    settings: EvaluationConfig,
    trust: bool,
) -> list[_Job]:
    """What is to be scored, with the file and the key of each result."""
    label = bf16.scorer_name(backend, settings.dtype)
    shared = {
        "model": model.name,
        "backend": label,
        "suite": suite,
        "rules": rules,
        "weights_sha256": weight_files.sha256(model),
        "tokenizer_sha256": files.sha256_file(model / TOKENIZER),
        **load_model.code_that_runs(model, trust),
    }
    jobs = []
    for name, task_items in items.items():
        task = load_task(name, settings)
        key = {"task": name, "version": task.version, "items_sha256": fingerprint(task_items), **shared}
        if task.finetuned:
            key |= {"backend": FINETUNED, "suite": "full"}
        key |= task.identity(settings, task_items)
        file = results / model.name / f"{result_stem(name, suite, rules, label)}.json"
        jobs.append(_Job(task, task_items, file, key))
    return jobs


def _cached(file: Path, key: Mapping[str, Any], warn: Callable[[str], None]) -> dict[str, Any] | None:
    """A stored result with this ``key``; None if there is none, or another, or a damaged one."""
    if not file.is_file():
        return None
    try:
        content = store.verify(file)
    except files.DamagedFile as error:
        warn(f"{str(error).removesuffix(f'; {store.AGAIN}')}; computed again")
        return None
    # Results of an older version say nothing about their items.
    items_file = file.parent / item_results.FOLDER / file.name
    whole = "items_kept" in content and (items_file.is_file() or not content["items_kept"])
    key = {load_model.CODE: None, **key}
    return content if whole and all(content.get(name) == value for name, value in key.items()) else None


class _Scoring:
    """A loaded model folder, in the dtype of the settings and, once it is needed, in fp32."""

    def __init__(
        self,
        model: Path,
        backend: str,
        settings: EvaluationConfig,
        rules: int,
        trust: bool,
        device: torch.device | None,
    ) -> None:
        load = functools.partial(load_scorer, model, backend, trust=trust, device=device)
        self.settings, self.rules = settings, rules
        self.scorer = load(dtype=settings.dtype)
        self.fp32_scorer = functools.cache(load) if settings.dtype == "bf16" else lambda: self.scorer
        facts = model / "babylm.json"
        self.words = read_json(facts).get("words") if facts.is_file() else None

    def scorer_of(self, task: Task) -> Scorer:
        """Fine-tuning starts from the weights as they are stored, and has a precision of its own."""
        return self.fp32_scorer() if task.finetuned else self.scorer

    def score(self, job: _Job) -> tuple[Result, float]:
        """The result of a task, and the seconds it took."""
        start = time.perf_counter()
        scorer = self.scorer_of(job.task)
        scorer.task = job.task.name
        result = score_task(job.task, scorer, job.items, self.rules, self.settings)
        seconds = round(time.perf_counter() - start, 3)
        return bf16.count_flips(job.task, result, scorer, self.fp32_scorer, job.items), seconds


def _fits(scorer: Scorer, job: _Job, refuse: Refuse | None) -> bool:
    """Whether the model can read all items; tasks of another kind of items find out when they begin."""
    try:
        if job.items and isinstance(job.items[0], Item):
            check_items(scorer, job.items, job.task.name)
    except limits.BeyondModel as error:
        if refuse is None:
            raise
        refuse(job.task.name, error)
        return False
    return True


def _scored_and_stored(scoring: _Scoring, job: _Job, refuse: Refuse | None) -> dict[str, Any] | None:
    try:
        result, seconds = scoring.score(job)
    except limits.BeyondModel as error:
        if refuse is None:
            raise
        refuse(job.task.name, error)
        return None
    return _stored(scoring, job, result, seconds)


def _stored(scoring: _Scoring, job: _Job, result: Result, seconds: float) -> dict[str, Any]:
    """Write the files of a result, the result itself last; returns its content."""
    scorer, folder, name = scoring.scorer_of(job.task), job.file.parent, job.file.name
    files.write_json(folder / "predictions" / name, nan_to_none(result.predictions))
    examples = item_results.examples(scorer, job.items, result) if job.task.shows_examples else {}
    content = {
        **job.key,
        "words": scoring.words,
        "items_kept": item_results.write(folder / item_results.FOLDER / name, job.items, result, examples),
        "dtype": result.details.get("dtype", str(scorer.model.dtype).removeprefix("torch.")),
        "device": placement.described(scorer.device),
        "chance": job.task.chance,
        **result.as_dict(),
        "calibration": calibration.of_result(job.items, result),
        "code": environment.code_revision(),
        "seconds": seconds,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return store.write(job.file, content)
