"""The work of a recipe search: measure a speed, train a run, score it."""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babylm import config as configuration
from babylm import files, registry
from babylm.config.schema import Config, CorpusConfig
from babylm.console import Log
from babylm.corpora import sources, word_count
from babylm.runs import Run
from babylm.studies import _training
from babylm.studies._recipe_scales import Scale
from babylm.studies.experiment import Measurement, Piece, TimeUp

ROOT = registry.PACKAGE.parent
"""The repository: configurations and benchmarks are not part of the installed package."""
SPEED_FACTS = {"tokens_per_second": "tokens per second", "mfu": "MFU", "seconds_to_first_step": "seconds to first step"}
"""Key of the benchmark's file -> measure."""


def configured(scale: Scale, overrides: Sequence[str]) -> Config:
    """The configuration of a run, but for where it is written; not to be changed."""
    return _loaded(scale.config, (*scale.common, *overrides))


@functools.lru_cache(maxsize=256)
def _loaded(name: str, overrides: tuple[str, ...]) -> Config:
    return configuration.load(ROOT / name, overrides)


def sample_text(scale: Scale, experiment: Path, overrides: Sequence[str]) -> list[str]:
    """The overrides by which runs read samples of the text, written once; none if they read all of it."""
    if not scale.sample_words:
        return []
    corpus = configured(scale, overrides).corpus
    folder = experiment / "samples"
    words = [_sample(sources.read(CorpusConfig(path=corpus.path)), scale.sample_words, folder)]
    if corpus.dev is not None:
        words.append(_sample(sources.held_out(corpus.dev), scale.dev_words, folder))
    return [f"corpus.{key}={folder}" for key, folder in zip(("path", "dev"), words, strict=False)]


def _sample(source: sources.Source, words: int, parent: Path) -> Path:
    """The folder of every k-th document of ``source``, about ``words`` words, written unless it is there."""
    folder = parent / files.sha256_json([source.identity, words])[:16]
    if folder.is_dir():
        return folder
    every = max(1, sum(word_count.count(document.text) for document in source.documents()) // words)
    texts: dict[str, list[str]] = {}
    for number, document in enumerate(source.documents()):
        if number % every == 0:
            texts.setdefault(document.source, []).append(document.text)
    with files.atomic_folder(folder) as work:
        for name, documents in texts.items():
            files.write_text(work / f"{name}.train", "\n\n".join(documents) + "\n")
    return folder


def folders(scale: Scale, experiment: Path) -> list[str]:
    """Overrides that put runs (and, in miniature, all text) into the experiment's folder."""
    overrides = [f"checkpoints={experiment / 'runs'}"]
    if scale.sample_words:
        overrides.append(f"corpus.prepared={experiment / 'prepared'}")
    if scale.config == "configs/smoke.yaml":
        held_out = experiment / "dev.txt"
        if not held_out.is_file():
            from babylm.corpora import toy

            files.write_text(held_out, "\n\n".join(document.text for document in toy.write(1000, seed=7)))
        overrides += [f"corpus.prepared={experiment / 'prepared'}", f"corpus.dev={held_out}"]
    return overrides


def measure_speed(piece: Piece, scale: Scale, overrides: Sequence[str]) -> list[Measurement]:
    """Tokens per second by a program of its own, which measures the start, too."""
    out = piece.scratch / "speed.json"
    command = [sys.executable, ROOT / "benchmarks" / "profile_step.py", ROOT / scale.config]
    command += [*folders(scale, piece.folder), *overrides, *scale.speed_options, "--json", out]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    left = piece.time_limit.seconds_left
    try:
        process = subprocess.run(
            [str(word) for word in command],
            timeout=None if left == float("inf") else max(1.0, left),
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeUp from None
    if process.returncode:
        last_line = (process.stderr.strip().splitlines() or ["without a message"])[-1]
        raise RuntimeError(f"profile_step.py ended with {process.returncode}: {last_line}")
    facts = json.loads(out.read_text(encoding="utf-8"))
    return [piece.measurement(facts[key], measure=name) for key, name in SPEED_FACTS.items() if key in facts]


def train(piece: Piece, scale: Scale, name: str, overrides: Sequence[str]) -> list[Measurement]:
    """Train a run to its end, or continue it; its last losses on the held-out text, and its median speed.

    Raises:
        TimeUp: A signal stopped the run, and its state is saved.
    """
    words = [*scale.common, *folders(scale, piece.folder), *overrides]
    words += [*sample_text(scale, piece.folder, overrides), f"seed={piece.seed}", f"name={name}"]
    run = _training.train(piece, configuration.load(ROOT / scale.config, words))
    losses = {key: value for line in run.metrics for key, value in line.items() if key.startswith("dev/")}
    speeds = [line["tokens_per_second"] for line in run.metrics if "tokens_per_second" in line]
    return [
        *(piece.measurement(loss, key.removeprefix("dev/"), "loss") for key, loss in losses.items()),
        piece.measurement(statistics.median(speeds), measure="tokens per second"),
    ]


def score(folder: Path, words: Sequence[str], backend: str, log: Log) -> dict[str, float]:
    """Task -> official score of the last revision, after `babylm.evaluate` with these options (``suite=fast``)."""
    from babylm.evaluation import suite

    try:
        results = suite.evaluate(folder, log=Log(quiet=log.quiet), backend=backend, **_options(words))
    finally:
        _training.tidy()
    of_main = (result.content for result in results if result.file.parent.name == "main")
    return {content["task"]: content["official"] for content in of_main if content["official"] is not None}


def full_scores(run: Run, rules: int, backend: str) -> dict[str, float]:
    """Official scores of the full suite by task, group and average, in %, as far as nothing of them is missing."""
    from babylm.evaluation.results.averages import official_averages
    from babylm.evaluation.task import FINETUNED
    from babylm.evaluation.task_registry import combined_task, groups

    scores: dict[str, float] = {}
    for result in run.last_results:
        content = result.content
        task, suite, of_rules = result.key
        if (suite, of_rules) == ("full", rules) and content["backend"] in (backend, FINETUNED):
            scores[task] = content["official"]
    scores.pop(combined_task(rules).name, None)  # of one revision it is nothing
    for of_rules, scored_by, content in run.acquisitions:
        if (of_rules, scored_by) == (rules, backend):
            scores[combined_task(rules).name] = content["score"]
    scores = {task: value for task, value in scores.items() if value is not None}
    for group, tasks in groups().items():
        members = [scores.pop(task.name) for task in tasks if task.name in scores]
        if members and len(members) == len(tasks):
            scores[group] = statistics.fmean(members)
    for name, average in official_averages(dict(scores), rules).items():
        if average.value is not None and not average.missing:
            scores[name] = average.value
    return {name: 100 * value for name, value in scores.items()}


def _options(words: Sequence[str]) -> dict[str, Any]:
    """Options of the command as those of the library.

    >>> _options(("suite=full", "rules=2025", "revisions=main", "limit=5"))
    {'suite': 'full', 'rules': 2025, 'revisions': ['main'], 'limit': 5}
    """
    options: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in ("tasks", "revisions"):
            options[key] = value.split(",")
        else:
            options[key] = int(value) if value.isdigit() else value
    return options
