"""Scoring a whole suite, or the tasks that a `Request` names: `evaluate` is the library call.

The command ``python -m babylm.evaluate`` is a thin layer over it. One model folder is scored by `score_model`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from babylm import files, folders, places, registry
from babylm.config.schema import EvaluationConfig
from babylm.console import Log
from babylm.evaluation.request import Request
from babylm.evaluation.request import request as make_request
from babylm.evaluation.results import learning_curves, store, tables
from babylm.evaluation.results.averages import columns_of, official_averages
from babylm.evaluation.results.store import StoredResult
from babylm.evaluation.results.task_result import Result, nan_to_none
from babylm.evaluation.score_model import evaluate_model, score_task
from babylm.evaluation.scoring import bf16, log_probs
from babylm.evaluation.scoring import device as placement
from babylm.evaluation.scoring.load_model import resolve
from babylm.evaluation.scoring.scorer import BACKENDS, Scorer
from babylm.evaluation.task import SUITES, YEARS, Task
from babylm.evaluation.task_registry import expand, load_task, plugin_tasks, result_stem, suite_names
from babylm.evaluation.tasks._data import MissingData
from babylm.models.modeling_babylm import BabyLMForCausalLM, BabyLMForMaskedLM
from babylm.tables import text_table
from babylm.tracks import milestone_words

ENOUGH_REVISIONS = 5
"""Revisions for a score over revisions: a curve of four parameters needs more points than that."""


def evaluate(target: str | Path, *, log: Log | None = None, **options: Any) -> list[StoredResult]:
    """Score the revisions of a run, one model folder, or a model of the Hugging Face Hub; returns the stored results.

    ``options`` are those of `babylm.evaluation.request.request`: ``suite="fast"``, ``tasks=["blimp"]``, ... ``log``
    gets progress and tables; by default nothing is printed.

    Raises: ``ValueError`` for a wrong option, missing data, and a named task that the model cannot be scored on (after
    all others were scored).
    """
    return evaluate_request(make_request(target, **options), log or Log(quiet=True))


def evaluate_request(request: Request, log: Log) -> list[StoredResult]:
    """`evaluate` for options that were checked."""
    device = placement.choose(request.settings.device)
    folders.check_writable(request.results)
    log_probs.tune_malloc()
    names = expand(request.tasks) or suite_names(request.suite, request.rules)
    items = load_items(
        names, request.data, request.limit, request.suite, request.rules, log, request.tasks, request.settings
    )
    tasks = {name: load_task(name, request.settings) for name in items}
    models = request.models
    log(f"babylm: scoring {len(models)} model(s) on {', '.join(items)} ({placement.described(device)}) ...")
    refused: dict[str, str] = {}

    def refuse(task: str, error: ValueError) -> None:
        log.warn(f"{task} is left out: {error}")
        refused[task] = str(error)

    stored: list[StoredResult] = []
    for number, model in enumerate(models, 1):
        # A suite fine-tunes the last revision alone.
        everything = request.tasks or model == request.last
        model_items = {name: items[name] for name, task in tasks.items() if everything or not task.finetuned}
        stored += evaluate_model(
            model,
            model_items,
            request.backend,
            request.results,
            suite=request.suite,
            rules=request.rules,
            settings=request.settings,
            trust=request.trust,
            device=device,
            on_result=partial(tables.log_result, log, f"[{number}/{len(models)}] {model.name}", len(models) == 1),
            warn=log.warn,
            refuse=refuse if len(model_items) > 1 else None,
        )
    if request.part:
        log(f"part {request.part} is done, in {request.results}; once all are, repeat the command without part=")
    else:
        _finish(request, [task for name, task in tasks.items() if name not in refused], stored, log)
    failed = [name for name in refused if name in expand(request.tasks)]
    if failed:
        raise ValueError(f"not scored: {', '.join(failed)}: {refused[failed[0]]}")
    return stored


def _finish(request: Request, tasks: Sequence[Task], stored: Sequence[StoredResult], log: Log) -> None:
    """Scores over revisions, tables, averages and learning curves."""
    where = request.models, request.backend, request.results
    for task in tasks:
        if task.over_revisions:
            score_over_revisions(task, *where, request.suite, request.rules, log, request.settings.dtype)
    log(text_table(tables.HEADER, [tables.row(result.content) for result in stored]))
    if not request.tasks and request.suite == "full":
        write_averages(*where, request.rules, log, request.settings.dtype)
    for file in learning_curves.write(request.results, log.warn):
        log(f"learning curves and order of acquisition: {file}")
    log(f"results are in {request.results}")


def run(
    network: BabyLMForCausalLM,
    tokenizer_folder: Path,
    tasks: Sequence[str],
    *,
    backend: str = "causal",
    data: str | Path = "evaluation_data",
    limit: int | None = None,
    suite: str = "fast",
    rules: int = 2026,
    settings: EvaluationConfig | None = None,
) -> dict[str, Result]:
    """Results by task of a network in memory; its mode and weights stay as they are.

    In the dtype of its weights, or on a copy in bf16 if ``settings`` say so.
    """
    settings = settings or EvaluationConfig()
    fp32_scorer = scorer = scorer_for(network, tokenizer_folder, backend)
    if settings.dtype == "bf16":
        scorer = bf16.to_bf16(scorer_for(copy.deepcopy(network), tokenizer_folder, backend))
    results = {}
    for name in expand(tasks):
        task = load_task(name, settings)
        items = task.items(places.given(data), limit, suite=suite, rules=rules)
        used = fp32_scorer if task.finetuned else scorer
        scorer.task = fp32_scorer.task = name
        result = score_task(task, used, items, rules, settings)
        results[name] = bf16.count_flips(task, result, used, lambda: fp32_scorer, items)
    return results


def scorer_for(network: BabyLMForCausalLM, tokenizer_folder: Path, backend: str) -> Scorer:
    """A scorer of our network in memory; masked backends get the masked class around the same modules."""
    from transformers import PreTrainedTokenizerFast

    registry.check(backend, BACKENDS, "evaluation.backend")
    model: Any = network
    if backend != "causal":
        with torch.device("meta"):  # takes no memory and, above all, no random numbers from the run
            model = BabyLMForMaskedLM(network.config)
        model.model, model.head = network.model, network.head
        model.train(network.training)
    return Scorer(model, PreTrainedTokenizerFast.from_pretrained(tokenizer_folder), backend)


def load_items(
    tasks: Sequence[str],
    data: Path,
    limit: int | None,
    suite: str,
    rules: int,
    log: Log,
    required: Sequence[str],
    settings: EvaluationConfig | None = None,
) -> dict[str, Sequence[Any]]:
    """The items of ``tasks``. Missing data is an error for ``required`` tasks; others are left out with a log line."""
    items: dict[str, Sequence[Any]] = {}
    for name in tasks:
        try:
            items[name] = load_task(name, settings).items(data, limit, suite=suite, rules=rules)
        except MissingData as error:
            if name in required:
                raise
            log(f"{name} is left out: {error}")
    if not items:
        raise ValueError(f"evaluation.data: nothing of the suite {suite} is in {data}")
    return items


def missing_data(data: Path) -> list[str]:
    """A line for each task of the suites whose data is not in ``data``."""
    lines = {}
    for suite in SUITES:
        for rules in YEARS:
            for name in suite_names(suite, rules):
                try:
                    load_task(name).items(data, 1, suite=suite, rules=rules)
                except MissingData as error:
                    lines[result_stem(name, suite, 0, "")] = f"no data of {name} for suite={suite} yet: {error}"
    return list(lines.values())


def score_over_revisions(
    task: Task,
    models: Sequence[Path],
    backend: str,
    results: Path,
    suite: str,
    rules: int,
    log: Log,
    dtype: str = "auto",
) -> None:
    """The score of a task over the milestones among ``models``, from their stored predictions.

    Written to ``results/<stem>.json``, with the official ``surprisal.json`` below ``results/predictions``.
    """
    steps = [(model.name, words) for model in models if (words := milestone_words(model.name)) != float("inf")]
    name = task.name
    if len(steps) < ENOUGH_REVISIONS:
        log(f"{name}: surprisals kept; {len(steps)} revisions named by words (chck_*) are too few for its score")
        return
    stems = {model.name: result_stem(name, suite, rules, resolve(model, backend, dtype)) for model in models}
    predictions = [
        files.read_json(results / revision / "predictions" / f"{stems[revision]}.json", store.AGAIN)
        for revision, _ in steps
    ]
    score = task.combine(predictions, steps, str(rules))
    stem = stems[steps[0][0]]
    files.write_json(results / "predictions" / f"{stem}.json", nan_to_none(score.pop("surprisals")))
    files.write_json(results / f"{stem}.json", nan_to_none({"revisions": [revision for revision, _ in steps], **score}))
    log(f"{name}: {100 * score['score']:.2f} over {len(steps)} revisions ({score['words']} words with both ages)")


def write_averages(
    models: Sequence[Path], backend: str, results: Path, rules: int, log: Log, dtype: str = "auto"
) -> None:
    """The averages of each model's stored results of the full suite, with what is missing named.

    Written to ``results/<model>/averages.<rules>.<backend>.json``. A score over revisions is the run's.
    """
    averaged = {name for names in columns_of(rules).values() for name in names}
    tasks = [task for task in plugin_tasks() if (task.group or task.name) in averaged]
    for model in models:
        label = resolve(model, backend, dtype)
        columns = {}
        for task in tasks:
            stem = result_stem(task.name, "full", rules, label)
            file = results / (f"{stem}.json" if task.over_revisions else f"{model.name}/{stem}.json")
            if file.is_file():
                columns[task.name] = store.load(file).get("score" if task.over_revisions else "official")
        averages = official_averages(columns, rules)
        file = results / model.name / f"averages.{rules}.{label}.json"
        files.write_json(file, {"columns": columns, **{name: vars(average) for name, average in averages.items()}})
        for name, average in averages.items():
            value = "-" if average.value is None else f"{100 * average.value:.2f}"
            present = average.present
            rest = "" if present is None else f" ({100 * present:.2f} without: {', '.join(average.missing)})"
            log(f"{model.name} {name} {rules}: {value}{rest if average.missing else ''}")
