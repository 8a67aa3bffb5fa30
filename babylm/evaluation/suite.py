"""Tasks by name over one loaded model.

A task is a plug-in of ``babylm/evaluation/tasks``, or the path of a user's own data: a folder or file of minimal pairs,
or a table of reading times. Official suites: ``fast`` is asked of every revision, ``full`` of the last one (and
age of acquisition of all of them).
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from babylm import environment, files, hardware, places, registry
from babylm.config.evaluation import task_path
from babylm.config.schema import EvaluationConfig
from babylm.console import Log
from babylm.evaluation.results import calibration, item_results, store
from babylm.evaluation.results.averages import GLUE, HUMAN_LIKENESS, NLP, aggregates, expand
from babylm.evaluation.results.task_result import Item, Result, fingerprint, plain
from babylm.evaluation.scoring import bf16, limits, load_model, weight_files
from babylm.evaluation.scoring import device as placement
from babylm.evaluation.scoring.load_model import TOKENIZER, check_folder, load_scorer, read_json, resolve
from babylm.evaluation.scoring.scorer import BACKENDS, Scorer
from babylm.evaluation.tasks import _user
from babylm.evaluation.tasks._data import MissingData
from babylm.models.modeling_babylm import BabyLMForCausalLM, BabyLMForMaskedLM
from babylm.tracks import milestone_words

FOLDER = "evaluation/tasks"
TUNED = "tuned"
"""Stands where the backend does in results of tasks with fine-tuning."""
ENOUGH_REVISIONS = 5
"""A curve of four parameters needs more points than that."""
SUITES: dict[tuple[str, int], tuple[str, ...]] = {
    ("fast", 2025): ("blimp", "supplement", "ewok", "entity_tracking", "wug_adj", "wug_past", "reading"),
    ("fast", 2026): ("blimp", "supplement", "ewok", "entity_tracking", "global_piqa", "reading"),
    ("full", 2025): (
        *("blimp", "supplement", "ewok", "entity_tracking", "comps", "wug_adj", "wug_past", "reading", "aoa"),
        *GLUE,
    ),
    ("full", 2026): (
        *("blimp", "supplement", "ewok", "entity_tracking", "comps", "global_piqa", "reading", "aoa"),
        *GLUE,
    ),
}
"""Tasks by suite and year of the rules."""


def task(name: str, settings: EvaluationConfig | None = None) -> Any:
    """The task module ``name``, or one made of a folder or file; ``ValueError`` with the nearest names for neither.

    ``settings`` name the fields of a user's own data.
    """
    path = task_path(name)
    if path is not None:
        return _user.task(path, settings or EvaluationConfig())
    registry.check(name, registry.names(FOLDER), "evaluation.tasks")
    return registry.load(FOLDER, name)


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

    In the dtype of its weights, or on a copy in bf16 where ``settings`` ask for it.
    """
    settings = settings or EvaluationConfig()
    wide = scorer = scorer_for(network, tokenizer_folder, backend)
    if settings.dtype == "bf16":
        scorer = bf16.narrowed(scorer_for(copy.deepcopy(network), tokenizer_folder, backend))
    results = {}
    for name in expand(tasks):
        chosen = task(name, settings)
        items = chosen.items(places.given(data), limit, suite=suite, rules=rules)
        scorer.task = wide.task = name
        asked = wide if name in GLUE else scorer
        result = _score(chosen, asked, items, rules, settings)
        results[name] = bf16.with_flips(chosen, result, asked, lambda: wide, items, rules)
    return results


def _score(chosen: Any, scorer: Scorer, items: Sequence[Any], rules: int, settings: EvaluationConfig) -> Result:
    if not hasattr(chosen, "identity"):
        return chosen.score(scorer, items, rules=rules)
    used, _ = hardware.choose_precision(settings.glue.precision, scorer.device)
    glue = replace(settings.glue, precision="bf16" if used == "bf16" else "fp32")
    return chosen.score(scorer, items, rules=rules, settings=replace(settings, glue=glue))


def scorer_for(network: BabyLMForCausalLM, tokenizer_folder: Path, backend: str) -> Scorer:
    """A scorer of our own network in memory; masked backends get the masked class around the same modules."""
    from transformers import PreTrainedTokenizerFast

    registry.check(backend, BACKENDS, "evaluation.scorer")
    model: Any = network
    if backend != "causal":
        with torch.device("meta"):  # takes no memory and, above all, no random numbers from the run
            model = BabyLMForMaskedLM(network.config)
        model.model, model.head = network.model, network.head
        model.train(network.training)
    return Scorer(model, PreTrainedTokenizerFast.from_pretrained(tokenizer_folder), backend)


def evaluate(
    model: Path,
    questions: Mapping[str, Sequence[Any]],
    backend: str,
    results: Path,
    *,
    suite: str = "fast",
    rules: int = 2026,
    settings: EvaluationConfig | None = None,
    trust: bool = False,
    device: torch.device | None = None,
    tell: Callable[[dict[str, Any]], None] = lambda result: None,
    warn: Callable[[str], None] = lambda text: None,
    refused: Callable[[str, ValueError], None] | None = None,
) -> list[dict[str, Any]]:
    """Results of one model folder by task, each written to ``results/<model>/<stem>.json`` once it is there.

    The stem is ``<task>.<suite>.<rules>.<backend>`` (``causal-bf16`` where ``settings.dtype`` is bf16). The official
    predictions are written first, to ``results/<model>/predictions/<stem>.json``, and what is kept of each item to
    ``items/<stem>.json`` beside them (`babylm.evaluation.results.item_results`). A file of the same weights, tokenizer,
    task version, items and backend is read, not computed; a damaged one is computed again, after a word to ``warn``.
    ``settings`` are those of tasks that have any (such a task says in ``identity`` which decide its result); ``trust``
    runs the code in the folder of a foreign model, and ``device`` is where it computes (None: the CPU); ``tell`` gets
    each result as soon as it is there. A task with an item that the model cannot read is given to ``refused`` before
    anything is scored, and left out; without it, that is the ``ValueError``.
    """
    backend, settings = resolve(model, backend), settings or EvaluationConfig()
    label = bf16.named(backend, settings.dtype)
    check_folder(model, trust=trust)
    about = {
        "model": model.name,
        "scorer": label,
        "suite": suite,
        "rules": rules,
        "weights_sha256": weight_files.sha256(model),
        "tokenizer_sha256": files.sha256_file(model / TOKENIZER),
        **load_model.code_that_runs(model, trust),
    }
    pending = []
    by_task: dict[str, dict[str, Any]] = {}
    for name, items in questions.items():
        chosen = task(name, settings)
        key = {"task": name, "version": chosen.VERSION, "items_sha256": fingerprint(items), **about}
        if name in GLUE:
            key |= {"scorer": TUNED, "suite": "full"}
        if hasattr(chosen, "identity"):
            key |= chosen.identity(settings, items)
        file = results / model.name / f"{stored_as(name, suite, rules, label)}.json"
        content = _stored(file, key, warn)
        if content is None:
            pending.append((name, chosen, key, file))
        else:
            by_task[name] = content
    if pending:
        load_model.warn_of_code(model, trust, warn)
        load = functools.partial(load_scorer, model, backend, trust=trust, device=device)
        scorer = load(dtype=settings.dtype)
        pending = [entry for entry in pending if _fits(scorer, entry[0], questions[entry[0]], refused)]
        wide = functools.cache(load) if settings.dtype == "bf16" else lambda: scorer
        facts = read_json(model / "babylm.json") if (model / "babylm.json").is_file() else {}
    for name in questions:
        entry = next((entry for entry in pending if entry[0] == name), None)
        if entry is not None:
            _, chosen, key, file = entry
            # Fine-tuning begins with the weights as they are stored, and has a precision of its own.
            used = wide() if name in GLUE else scorer
            content = {**key, "words": facts.get("words")}
            try:
                by_task[name] = _compute(file, chosen, used, wide, questions[name], rules, settings, content)
            except limits.BeyondModel as error:
                if refused is None:
                    raise
                refused(name, error)
        if name in by_task:
            tell(by_task[name])
    return [by_task[name] for name in questions if name in by_task]


def _stored(file: Path, key: Mapping[str, Any], warn: Callable[[str], None]) -> dict[str, Any] | None:
    """A result that need not be computed again; None where there is none, or another, or a damaged one."""
    if not file.is_file():
        return None
    try:
        content = store.verify(file)
    except files.DamagedFile as error:
        warn(f"{str(error).removesuffix(f'; {store.AGAIN}')}; computed again")
        return None
    # Results of an older version say nothing about their items.
    kept = file.parent / item_results.FOLDER / file.name
    whole = "items_kept" in content and (kept.is_file() or not content["items_kept"])
    key = {load_model.CODE: None, **key}
    return content if whole and all(content.get(name) == value for name, value in key.items()) else None


def _fits(scorer: Scorer, name: str, items: Sequence[Any], refused: Callable[[str, ValueError], None] | None) -> bool:
    """Whether the model can read all items; those of fine-tuning, times and ages are looked at when they begin."""
    try:
        if items and isinstance(items[0], Item):
            limits.check_items(scorer, items, name)
    except limits.BeyondModel as error:
        if refused is None:
            raise
        refused(name, error)
        return False
    return True


def _compute(
    file: Path,
    chosen: Any,
    scorer: Scorer,
    wide: Callable[[], Scorer],
    items: Sequence[Any],
    rules: int,
    settings: EvaluationConfig,
    content: dict[str, Any],
) -> dict[str, Any]:
    """Score one task and write its files; ``content`` is what the result says beside its numbers."""
    begin = time.perf_counter()
    scorer.task = content["task"]
    result = _score(chosen, scorer, items, rules, settings)
    seconds = round(time.perf_counter() - begin, 3)
    result = bf16.with_flips(chosen, result, scorer, wide, items, rules)
    files.write_json(file.parent / "predictions" / file.name, plain(result.predictions))
    shown = {} if content["task"] in item_results.UNSHOWN else item_results.examples(scorer, items, result)
    content = {
        **content,
        "items_kept": item_results.write(file.parent / item_results.FOLDER / file.name, items, result, shown),
        "dtype": result.details.get("dtype", str(scorer.model.dtype).removeprefix("torch.")),
        "device": placement.described(scorer.device),
        "chance": chosen.CHANCE,
        **result.as_dict(),
        "calibration": calibration.of(items, result),
        "code": environment.code_revision(),
        "seconds": seconds,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    store.write(file, content)
    return content


def questions(
    tasks: Sequence[str],
    data: Path,
    limit: int | None,
    suite: str,
    rules: int,
    log: Log,
    asked: Sequence[str],
    settings: EvaluationConfig | None = None,
) -> dict[str, Sequence[Any]]:
    """The items of ``tasks``; data that is not there is an error for a task that was ``asked`` for, else a line."""
    found = {}
    for name in tasks:
        try:
            found[name] = task(name, settings).items(data, limit, suite=suite, rules=rules)
        except MissingData as error:
            if name in asked:
                raise
            log(f"{name} is left out: {error}")
    if not found:
        raise ValueError(f"evaluation.data: nothing of the suite {suite} is in {data}")
    return found


def missing(data: Path) -> list[str]:
    """A line for each task of the suites whose data is not in ``data``."""
    lines = {}
    for (which, rules), names in SUITES.items():
        for name in names:
            try:
                task(name).items(data, 1, suite=which, rules=rules)
            except MissingData as error:
                lines[stored_as(name, which, 0, "")] = f"no data of {name} for suite={which} yet: {error}"
    return list(lines.values())


def acquisition(
    models: Sequence[Path], backend: str, results: Path, suite: str, rules: int, log: Log, dtype: str = "auto"
) -> None:
    """The score of age of acquisition of the milestones among ``models``, from their stored surprisals.

    Written to ``results/<stem>.json``, with the official ``surprisal.json`` below ``results/predictions``.
    """
    from babylm.evaluation.tasks import aoa

    steps = [(model.name, words) for model in models if (words := milestone_words(model.name)) != float("inf")]
    if len(steps) < ENOUGH_REVISIONS:
        log(f"aoa: surprisals kept; {len(steps)} revisions named by words (chck_*) are too few for its score")
        return
    stems = {model.name: stored_as("aoa", suite, rules, resolve(model, backend, dtype)) for model in models}
    predictions = [
        files.read_json(results / name / "predictions" / f"{stems[name]}.json", store.AGAIN) for name, _ in steps
    ]
    found = aoa.combine(predictions, steps, str(rules))
    stem = stems[steps[0][0]]
    files.write_json(results / "predictions" / f"{stem}.json", plain(found.pop("surprisals")))
    files.write_json(results / f"{stem}.json", plain({"revisions": [name for name, _ in steps], **found}))
    log(f"aoa: {100 * found['score']:.2f} over {len(steps)} revisions ({found['words']} words with both ages)")


def averages(models: Sequence[Path], backend: str, results: Path, rules: int, log: Log, dtype: str = "auto") -> None:
    """The official averages of each model's stored results of the full suite, with what is missing named.

    Written to ``results/<model>/averages.<rules>.<backend>.json``. Age of acquisition is the run's.
    """
    names = [*NLP, *GLUE, *HUMAN_LIKENESS[rules], *(["global_piqa"] if rules == 2026 else [])]
    for model in models:
        own = resolve(model, backend, dtype)
        columns = {}
        for name in names:
            stem = stored_as(name, "full", rules, own)
            file = results / (f"{stem}.json" if name == "aoa" else f"{model.name}/{stem}.json")
            if file.is_file():
                columns[name] = store.load(file).get("score" if name == "aoa" else "official")
        found = aggregates(columns, rules)
        file = results / model.name / f"averages.{rules}.{own}.json"
        files.write_json(file, {"columns": columns, **{name: vars(part) for name, part in found.items()}})
        for name, part in found.items():
            value = "-" if part.value is None else f"{100 * part.value:.2f}"
            rest = "" if part.present is None else f" ({100 * part.present:.2f} without: {', '.join(part.missing)})"
            log(f"{model.name} {name} {rules}: {value}{rest if part.missing else ''}")


def stored_as(task: str, suite: str, rules: int, backend: str) -> str:
    """Name of a result's files, without ``.json``; the tasks with fine-tuning have one suite and no backend."""
    if task in GLUE:
        suite, backend = "full", TUNED
    return f"{task.strip('/').replace('/', '_')}.{suite}.{rules}.{backend}"
