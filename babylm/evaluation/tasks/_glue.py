"""The seven (Super)GLUE tasks: a classifier of text pairs is fine-tuned and scored on the validation set.

All are in the full suite alone (``glue_filtered/<task>.{train,valid}.jsonl``). The validation set both chooses the best
epoch and gives the score, by the rules; the hidden half of the official sets is not published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.config.schema import EvaluationConfig
from babylm.evaluation.finetuning import metrics
from babylm.evaluation.results import task_result
from babylm.evaluation.results.task_result import Result, Score
from babylm.evaluation.task import Official, Task, fixed_counts
from babylm.evaluation.tasks import _data

if TYPE_CHECKING:  # the facts of the tasks are read without torch
    from babylm.evaluation.finetuning import loop
    from babylm.evaluation.scoring.scorer import Scorer

FOLDER = "glue_filtered"
GROUP = "glue"


@dataclass(frozen=True)
class Example:
    """A pair of texts and its class. (`sentences`, `split` and `human` are there because an `Item` has them.)"""

    uid: str
    first: str
    second: str
    label: int
    sentences: tuple[str, ...]
    """The classes."""
    split: str = ""
    human: float | None = None


class Examples(list[Example]):
    """The validation set, with the training set beside it."""

    def __init__(self, valid: Sequence[Example], train: Sequence[Example]) -> None:
        super().__init__(valid)
        self.train = list(train)


@dataclass(frozen=True, kw_only=True)
class GlueTask(Task):
    """A task with fine-tuning: its texts, its classes, its metric, and the official hyperparameters."""

    pair: Callable[[_data.Record], tuple[str, str]]
    """The two texts of a record."""
    labels: int = 2
    metric: str = "accuracy"
    """Chooses the best epoch and is the score."""
    epochs: int = 10
    batch: int = 32

    def items(self, data: Path | None, limit: int | None = None, *, suite: str = "full", rules: int = 2025) -> Examples:
        """Both sets; at most ``limit`` of each, evenly spaced. The same in both suites."""
        assert data is not None
        valid, train = (self._read(data, part, limit) for part in ("valid", "train"))
        return Examples(valid, train)

    def identity(self, settings: EvaluationConfig, items: Sequence[Example]) -> dict[str, Any]:
        """What decides the result besides the model and the validation set: settings and training set."""
        assert isinstance(items, Examples)
        return {"settings": asdict(settings.glue), "training_sha256": task_result.fingerprint(items.train)}

    def rescore(self, items: Sequence[Example], predictions: Mapping[str, Any]) -> dict[str, float]:
        """The task's metric on stored ``predictions``."""
        answers = np.array([line["pred"] for line in predictions[self.name]["predictions"]])
        labels = np.array([item.label for item in items])
        return {self.name: metrics.METRICS[self.metric](answers, labels)}

    def score(
        self, scorer: Scorer, items: Sequence[Example], rules: int = 2025, settings: EvaluationConfig | None = None
    ) -> Result:
        """Mean over the seeds of the task's metric; the model behind ``scorer`` stays as it is.

        ``settings.glue.precision`` ``auto`` is fp32 here: `babylm.evaluation.suite` is where the machine is measured.
        """
        from babylm.evaluation.finetuning import classifier, loop
        from babylm.evaluation.scoring import model_size

        assert isinstance(items, Examples)
        config = (settings or EvaluationConfig()).glue
        encoder = classifier.encoder_in(scorer)
        width, bidirectional = classifier.probe(encoder, scorer.device)
        pooling = classifier.pooling_of(config.pooling, rules, bidirectional)
        positions = [model_size.table_positions(encoder), model_size.stated_positions(encoder)]
        length = min(config.length, *(size for size in positions if size is not None))
        train, valid = (encode(scorer, part, length) for part in (items.train, items))
        hyperparameters = loop.FinetuneSettings(
            epochs=config.epochs or self.epochs,
            batch=config.batch or self.batch,
            lr=config.lr,
            warmup=config.warmup,
            weight_decay=config.weight_decay,
            select=self.metric,
            patience=config.patience,
            buckets=config.buckets,
            bf16=config.precision == "bf16",
            pad=scorer.pad,
            longest=length,
        )

        def build() -> classifier.Classifier:
            copy = classifier.copied(encoder)
            if hyperparameters.bf16 and scorer.device.type == "cpu":
                classifier.plain_attention(copy)
            return classifier.Classifier(copy, width, self.labels, pooling, config.dropout).to(scorer.device)

        outcomes = [loop.finetune(build, train, valid, hyperparameters, seed, self.name) for seed in config.seeds]
        about = {"pooling": pooling, "dtype": "bfloat16" if hyperparameters.bf16 else "float32"}
        return self._result(
            outcomes, valid.labels, asdict(hyperparameters) | about | {"training_items": len(train.rows)}
        )

    def _result(self, outcomes: Sequence[loop.Outcome], labels: np.ndarray, about: dict[str, Any]) -> Result:
        answers = [outcome.logits.argmax(1) for outcome in outcomes]
        measures = [metrics.measure(answer, labels) for answer in answers]
        means = {name: float(np.mean([values[name] for values in measures])) for name in measures[0]}
        metric = metrics.METRICS[self.metric]
        logits, rows = outcomes[0].logits, np.arange(len(labels))
        others = logits.copy()
        others[rows, labels] = -np.inf
        seeds = [
            {
                "seed": outcome.seed,
                **values,
                "best_epoch": outcome.epoch,
                "epochs": outcome.epochs,
                "steps": outcome.steps,
                "padding": outcome.padding,
                "tokens_per_second": round(outcome.tokens / outcome.seconds, 1),
            }
            for outcome, values in zip(outcomes, measures, strict=True)
        ]
        constant = max(metric(np.full(len(labels), k), labels) for k in range(self.labels))
        lines = [{"id": f"{self.name}_{i}", "pred": int(pick)} for i, pick in enumerate(answers[0])]
        return Result(
            n=len(labels),
            official=means[self.metric],
            tie_aware=means[self.metric],
            ties=0,
            interval=task_result.resampled(
                lambda rows: float(np.mean([metric(answer[rows], labels[rows]) for answer in answers])), len(labels)
            ),
            by_part={name: Score(len(labels), value, value, 0) for name, value in means.items()},
            chosen=answers[0],
            margins=(logits[rows, labels] - others.max(1)).astype(float),
            credit=np.mean([answer == labels for answer in answers], axis=0),
            predictions={self.name: {"predictions": lines}},
            details={"metric": self.metric, "constant_answer": constant, "seeds": seeds, **about},
        )

    def _read(self, data: Path, part: str, limit: int | None) -> list[Example]:
        file = _data.find(data, "full", f"{FOLDER}/{self.name}.{part}.jsonl")
        classes = tuple(str(k) for k in range(self.labels))
        expected = f"an example of {self.name}: its texts, and a label from 0 to {self.labels - 1}"
        examples = [
            Example(self.name, *self.pair(record), record.integer("label", 0, self.labels - 1), classes)
            for record in _data.records(file, expected, _data.SOURCE)
        ]
        return task_result.evenly_spaced(examples, limit)


def fields(first: str, second: str) -> Callable[[_data.Record], tuple[str, str]]:
    """`GlueTask.pair` that takes two fields of a record as they are."""
    return lambda record: (record.text(first), record.text(second))


def encode(scorer: Scorer, examples: Sequence[Example], length: int) -> loop.Split:
    """Pairs as the tokenizer joins them; if both texts exceed ``length`` tokens, the longer one is cut."""
    from babylm.evaluation.finetuning import loop
    from babylm.evaluation.scoring.scorer import ScoredText

    encoded = scorer.tokenizer(
        [example.first for example in examples],
        [example.second for example in examples],
        truncation=True,
        max_length=length,
        return_attention_mask=False,
    )["input_ids"]
    if not all(encoded):
        raise ValueError("fine-tuning: the tokenizer makes no token of an example")
    scorer.check([ScoredText(tuple(ids), ()) for ids in encoded])
    return loop.Split(encoded, np.array([example.label for example in examples]))


def _multirc_pair(record: _data.Record) -> tuple[str, str]:
    """Question with answer, and the paragraph."""
    return f"Question: {record.text('question')} Answer: {record.text('answer', blank=True)}", record.text("paragraph")


def _wsc_pair(record: _data.Record) -> tuple[str, str]:
    """The question put in words, and the text."""
    pronoun, noun = record.text("span2_text"), record.text("span1_text")
    return f'Does "{pronoun}" refer to "{noun}" in this passage?', record.text("text")


# name, title, the two texts, validation items, chance, other settings
_TABLE: tuple[tuple[str, str, Callable[[_data.Record], tuple[str, str]], int, float, dict[str, Any]], ...] = (
    ("boolq", "BoolQ", fields("question", "passage"), 1635, 0.5, {"batch": 16}),
    ("mnli", "MNLI", fields("premise", "hypothesis"), 4908, 1 / 3, {"labels": 3}),
    ("mrpc", "MRPC", fields("sentence1", "sentence2"), 204, 0.5, {"metric": "f1"}),
    ("multirc", "MultiRC", _multirc_pair, 2424, 0.5, {"batch": 16}),
    ("qqp", "QQP", fields("question1", "question2"), 20215, 0.5, {"metric": "f1"}),
    ("rte", "RTE", fields("sentence1", "sentence2"), 139, 0.5, {}),
    ("wsc", "WSC", _wsc_pair, 52, 0.5, {"epochs": 30}),
)
TASKS = {
    name: GlueTask(
        name=name,
        version=1,
        chance=chance,
        title=title,
        suites=(("full", 2025), ("full", 2026)),
        order=6 + place / 10,
        average="nlp",
        group=GROUP,
        finetuned=True,
        pair=pair,
        official=Official(key=name, counts=fixed_counts({name: size})),
        **settings,
    )
    for place, (name, title, pair, size, chance, settings) in enumerate(_TABLE)
}
"""By name; each has a file of its own, which makes it a plug-in."""
