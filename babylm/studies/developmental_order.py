"""In which order are phenomena and words learnt, is it the order of children, and does it depend on the objective?

Each condition is a training run with revisions: one objective, several seeds (or finished runs, by path). Every
revision is scored on a task of minimal pairs; a paradigm is acquired where its accuracy passes half-way from chance to
its final value for good (`babylm.evaluation.results.learning_curves`). With a table of child norms, words are acquired
where their mean surprisal in held-out sentences passes half-way from guessing to its minimum (the challenge's rule of
2026), and the order is compared with the children's. Two controls stand beside that: how well seeds of one objective
agree, and how well the frequency of a word in the training text alone predicts the children's age.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm import config as configuration
from babylm import places, registry, revisions
from babylm.config.fields import number
from babylm.config.schema import Config
from babylm.config.studies import StudyConfig
from babylm.lazy import torch
from babylm.randomness import Purpose, derive_seed
from babylm.runs import Run
from babylm.studies import _developmental_tables as tables
from babylm.studies._subject_checks import check_usable
from babylm.studies._task_checks import OF_RUNS, check_task
from babylm.studies.experiment import Condition, Measurement, Measurements, Piece, Summary, inputs

if TYPE_CHECKING:
    from babylm.corpora.sources import Source
    from babylm.evaluation.results.task_result import Result
    from babylm.models.modeling_babylm import BabyLMForCausalLM

VERSION = 1


@dataclass
class Settings(StudyConfig):
    """The settings of the study of developmental order."""

    config: str = "configs/smoke.yaml"
    """Configuration of the runs, with milestones (of its track, or ``changes: ["milestones=[...]"]``)."""
    changes: list[str] = field(default_factory=list)
    """Overrides of all runs, as [track=free]."""
    objectives: list[str] = field(default_factory=lambda: ["causal", "hybrid"])
    """Objectives that are compared."""
    runs: list[str] = field(default_factory=list)
    """Finished runs with revisions, instead of training any: each is a condition of its own."""
    task: str = ""
    """Task of minimal pairs (blimp, or a path of your own); empty: the first that the configuration names."""
    suite: str = "fast"
    """``fast`` or ``full``: how many of its items."""
    data: str | None = None
    """Folder of the evaluation data; null: that of the runs' configuration."""
    backend: str = "causal"
    """How revisions are scored: causal for all, so that objectives are compared by one measure."""
    norms: str | None = None
    """Table (CSV, TSV) of child norms: words with ages, or a share of children per month; null: phenomena alone."""
    text: str | None = None
    """Held-out text (file or folder) whose sentences the words are met in; null: ``corpus.dev`` of the runs."""
    contexts: int = number(8, "[1, 1000]")
    """Most sentences per word; words with less than half of them are left out."""
    most_words: int = number(300, "[3, 1e6]")
    """Most words, those of most sentences first."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """Which conditions there are does not change what each of them measures."""
        return (*super().not_deciding, "objectives", "runs")

    @property
    def inputs(self) -> dict[str, Any]:
        """Norms, held-out text, and the configuration of runs that are trained here, by their contents."""
        paths = {key: inputs.contents(getattr(self, key)) for key in ("norms", "text")}
        return paths if self.runs else paths | self.of_config(configuration.load(self.config, self.changes))

    def of_config(self, config: Config) -> dict[str, Any]:
        """What runs of a configuration learn from, and the items that they are scored on."""
        task = self.task or next(iter(config.evaluation.tasks), "")
        data = self.data or config.evaluation.data
        return {"config": inputs.of_run(config), "data": inputs.of_task(task, data, self.suite)}

    def scored(self, config: Config) -> tuple[str, str, str]:
        """The task that runs of a configuration are scored on, the folder of its data, and the setting that names it.

        Raises:
            ValueError: Neither the study nor the configuration names a task.
        """
        task = self.task or next(iter(config.evaluation.tasks), None)
        if task is None:
            raise ValueError("task: name a task of minimal pairs; the runs' configuration has none")
        if self.data is not None:
            return task, self.data, "data"
        return task, config.evaluation.data, OF_RUNS

    def check(self) -> None:
        """Known objectives, each once, and a suite there is."""
        registry.check(self.suite, ("fast", "full"), "suite")
        registry.check_all(self.objectives, registry.names("objectives"), "objectives")
        registry.check_once(self.runs, "runs")
        if not self.objectives and not self.runs:
            raise ValueError("objectives: name at least one, or finished runs (runs=[checkpoints/s1])")
        for word in self.changes:
            if "=" not in word:
                raise ValueError(f"changes: {word!r}: an override is written key=value")

    def check_before_run(self) -> None:
        """Revisions that are whole; the task's items; norms, and the texts in which words are counted and met."""
        for path in self.runs:
            opened = Run(path)
            _check_revisions(opened)
            for name in opened.revisions:
                check_usable(str(opened.folder / name), "runs", revision=True)
        configs = [Run(path).config for path in self.runs] or [configuration.load(self.config, self.changes)]
        for config in configs:
            task, data, key = self.scored(config)
            check_task(task, data, self.suite, key)
        if self.norms is None:
            return
        from babylm.corpora import sources
        from babylm.studies import _child_norms as norms

        norms.read(places.given(self.norms))
        for config in configs:
            _held_out(self, config)
            sources.read(config.corpus)


def conditions(settings: Settings) -> list[Condition]:
    """An objective each, or a finished run each (with its own seed)."""
    if settings.runs:
        return [_of_finished(Run(path), settings) for path in settings.runs]
    return [Condition(name, {"objective": name}, resumable=True) for name in settings.objectives]


def _check_revisions(run: Run) -> None:
    if len(run.revisions) < 3:
        raise ValueError(f"{run.folder} has {len(run.revisions)} revisions: an order needs three (milestones)")


def _of_finished(finished: Run, settings: Settings) -> Condition:
    _check_revisions(finished)
    weights = {name: revisions.facts(finished.folder / name)["weights_sha256"] for name in finished.revisions}
    return Condition(
        finished.name,
        {"run": str(finished.folder)},
        seeds=[finished.config.seed],
        resumable=True,
        inputs={"revisions": weights, **settings.of_config(finished.config)},
    )


def run(piece: Piece, settings: Settings) -> list[Measurement]:
    """Train (or open) the run, score its revisions, and find when paradigms and words are acquired."""
    from babylm.evaluation import suite

    opened = Run(piece.settings["run"]) if "run" in piece.settings else _train(piece, settings)
    _check_revisions(opened)
    task, *_ = settings.scored(opened.config)
    options: dict[str, Any] = {"tasks": [task], "suite": settings.suite, "backend": settings.backend}
    if settings.data is not None:
        options["data"] = settings.data
    last = suite.evaluate(opened.folder, log=piece.log, **options)[-1]
    # The run may have results of this task by other rules, of the other suite or by other backends, too.
    curve = next(c for c in opened.curves if (c.task, c.suite, c.rules, c.backend) == (*last.key, last.backend))
    rows = [
        piece.measurement(math.log10(when.words), uid, "acquired")
        for uid, when in curve.acquired.items()
        if when.words is not None
    ]
    rows += [piece.measurement(float(when.before_first), uid, tables.AT_FIRST) for uid, when in curve.acquired.items()]
    rows += [piece.measurement(float(values[-1]), uid, "final accuracy") for uid, values in curve.by_uid.items()]
    words, flops = opened.series("flops")
    for name, read, score in zip(curve.revisions, curve.words, curve.tie_aware, strict=True):
        rows.append(piece.measurement(float(score), name, "score"))
        rows.append(piece.measurement(float(np.interp(read, words, flops)), name, "flops"))
    rows.append(piece.measurement(float(curve.chance), "", tables.CHANCE))
    if opened.config.init_from is None:
        before = _untrained_scores(opened, settings)
        rows.append(piece.measurement(before.tie_aware, tables.UNTRAINED, "score"))
        rows.append(piece.measurement(0.0, tables.UNTRAINED, "flops"))
        rows += [
            piece.measurement(float(before.by_uid[uid].tie_aware >= when.threshold), uid, tables.BEFORE_TRAINING)
            for uid, when in curve.acquired.items()
            if when.before_first
        ]
    if settings.norms is not None:
        rows += _words(piece, settings, opened)
    return rows


def untrained(opened: Run) -> BabyLMForCausalLM:
    """A network with the weights that a run began with: no revision holds them, but its seed gives them."""
    from babylm.models.configuration_babylm import BabyLMConfig
    from babylm.models.modeling_babylm import BabyLMForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(opened.config.seed, Purpose.WEIGHTS))
        return BabyLMForCausalLM(BabyLMConfig.from_pretrained(opened.folder / "main")).eval()


def _untrained_scores(opened: Run, settings: Settings) -> Result:
    from babylm.evaluation import suite

    task, data, _ = settings.scored(opened.config)
    options: dict[str, Any] = {"data": data, "suite": settings.suite, "backend": settings.backend}
    options |= {"rules": opened.config.rules, "settings": opened.config.evaluation}
    return suite.run(untrained(opened), opened.folder / "main", [task], **options)[task]


def _train(piece: Piece, settings: Settings) -> Run:
    from babylm.studies import _training

    words = [
        f"checkpoints={piece.scratch}",
        f"corpus.prepared={piece.folder / 'prepared'}",
        *settings.changes,
        *("name=run", f"seed={piece.seed}", f"objective.name={piece.settings['objective']}"),
    ]
    return _training.train(piece, configuration.load(settings.config, words))


def _words(piece: Piece, settings: Settings, opened: Run) -> list[Measurement]:
    """log10 of the words read when each word is acquired, and its log10 frequency in the training text."""
    from babylm.corpora import sources
    from babylm.evaluation.scoring.load_model import load_scorer
    from babylm.evaluation.tasks.aoa import METRICS
    from babylm.studies import _child_norms as norms

    assert settings.norms is not None
    source = _held_out(settings, opened.config)
    lines = [line for document in source.documents() for line in document.text.split("\n")]
    ages = norms.read(places.given(settings.norms))
    contexts = norms.contexts(lines, ages, settings.contexts, max(1, settings.contexts // 2))
    chosen = sorted(contexts, key=lambda word: (-len(contexts[word]), word))[: settings.most_words]
    pairs = [(f"{context} {word}", word) for word in chosen for context in contexts[word]]
    if len(chosen) < 3:
        raise ValueError(
            f"norms: {len(chosen)} words of {settings.norms} occur often enough in the held-out text: too few"
        )
    read, surprisals = [], []
    for name in opened.revisions:
        scorer = load_scorer(opened.folder / name, settings.backend)
        read.append(float(_words_read(opened, name)))
        surprisals.append(-scorer.sequence_log_probs(pairs).log_probability)
    by_revision = np.stack(surprisals)  # (revisions, pairs)
    order = np.argsort(read, kind="stable")
    texts = [document.text for document in sources.read(opened.config.corpus).documents()]
    counts = norms.frequencies(texts, chosen)
    encode, rows, first = scorer.tokenizer, [], 0
    start = len(encode("The", add_special_tokens=False)["input_ids"])
    for word in chosen:
        last = first + len(contexts[word])
        pieces = len(encode(f"The {word}", add_special_tokens=False)["input_ids"]) - start
        curve = by_revision[order, first:last]
        first = last
        age = METRICS["2026"].age(np.array(read)[order], curve, max(1, pieces), encode.vocab_size)
        if age is not None:
            rows.append(piece.measurement(age, word, "word acquired"))
            rows.append(piece.measurement(float(10**age <= min(read) * (1 + 1e-9)), word, tables.AT_FIRST_WORD))
        rows.append(piece.measurement(ages[word], word, "child age"))
        rows.append(piece.measurement(math.log10(counts[word] + 1), word, "log frequency"))
    return rows


def _held_out(settings: Settings, config: Config) -> Source:
    """The text whose sentences the words are met in."""
    from babylm.corpora import sources

    held_out = settings.text or config.corpus.dev
    if held_out is None:
        raise ValueError("text: name held-out text whose sentences the words are met in (or corpus.dev in the runs)")
    return sources.held_out(held_out, config.corpus.document_words, key="text" if settings.text else "corpus.dev")


def _words_read(opened: Run, name: str) -> int:
    return int(revisions.facts(opened.folder / name)["words"])


def summarise(measurements: Measurements, settings: Settings) -> Summary:
    """Order of phenomena, agreement of orders, words against children, score over FLOPs."""
    parts = {"order": tables.order(measurements), "agreement": tables.agreement(measurements, "acquired")}
    remarks: Sequence[str] = [
        "Paradigms that do not end above chance have no place in the order; the column acquired counts those that do.",
        "Agreement of seeds of one objective is the most that two objectives can be expected to agree.",
        "An order is that of these models and this text: others may learn in another order.",
    ]
    if settings.norms is not None:
        parts["words"] = tables.words(measurements)
        remarks = [
            *remarks,
            "If frequency correlates negatively with age, children know frequent words first; what the model "
            "adds is its correlation with age once frequency is taken out.",
        ]
    if early := tables.early(measurements):
        remarks = [*remarks, early]
    parts["flops"] = tables.scores(measurements)
    config = Run(settings.runs[0]).config if settings.runs else configuration.load(settings.config, settings.changes)
    task = Path(settings.scored(config)[0]).stem
    title = f"Developmental order: when is what {task} tests learnt, and does the objective matter"
    return Summary(title, parts, tables.draw_scores(measurements, task), remarks)
