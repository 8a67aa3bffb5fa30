"""The seven (Super)GLUE tasks: a classifier of text pairs is fine-tuned, and asked about the validation set.

All lie in the full suite alone (``glue_filtered/<task>.{train,valid}.jsonl``). The validation set both chooses the best
epoch and gives the score, by the rules; the hidden half of the official sets is not published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babylm.config.schema import EvaluationConfig
from babylm.evaluation.finetuning import classifier, loop, metrics
from babylm.evaluation.results import task_result
from babylm.evaluation.results.task_result import Result, Tally
from babylm.evaluation.scoring import limits
from babylm.evaluation.scoring.scorer import Scorer, Text
from babylm.evaluation.tasks import _data

VERSION = 1
FOLDER = "glue_filtered"


@dataclass(frozen=True)
class Example:
    """A pair of texts and its class. (The fields without meaning here are those of a `results.Item`.)"""

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


@dataclass(frozen=True)
class Task:
    """One task: its texts, its classes, how it is scored, and its official numbers."""

    name: str
    pair: Callable[[_data.Record], tuple[str, str]]
    """The two texts of a record."""
    labels: int = 2
    metric: str = "accuracy"
    """Chooses the best epoch and is the score."""
    epochs: int = 10
    batch: int = 32

    def items(self, data: Path, limit: int | None = None, *, suite: str = "full", rules: int = 2025) -> Examples:
        """Both sets; at most ``limit`` of each, evenly spaced. The same in both suites."""
        valid, train = (self._read(data, which, limit) for which in ("valid", "train"))
        return Examples(valid, train)

    def identity(self, settings: EvaluationConfig, items: Examples) -> dict[str, Any]:
        """What decides the result beside the model and the validation set."""
        return {"settings": asdict(settings.glue), "training_sha256": task_result.fingerprint(items.train)}

    def score(
        self, scorer: Scorer, items: Examples, rules: int = 2025, settings: EvaluationConfig | None = None
    ) -> Result:
        """Mean over the seeds of the task's metric; the model behind ``scorer`` stays as it is.

        ``settings.glue.precision`` ``auto`` is fp32 here: who measures machines is above (`babylm.evaluation.suite`).
        """
        config = (settings or EvaluationConfig()).glue
        encoder = classifier.encoder_in(scorer)
        width, looks_ahead = classifier.probe(encoder, scorer.device)
        pooling = classifier.pooling_of(config.pooling, rules, looks_ahead)
        positions = [limits.table_positions(encoder), limits.stated_positions(encoder)]
        length = min(config.length, *(size for size in positions if size is not None))
        train, valid = (encode(scorer, part, length) for part in (items.train, items))
        plan = loop.Plan(
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
            own = classifier.copied(encoder)
            if plan.bf16 and scorer.device.type == "cpu":
                classifier.plain_attention(own)
            return classifier.Classifier(own, width, self.labels, pooling, config.dropout).to(scorer.device)

        outcomes = [loop.finetune(build, train, valid, plan, seed, self.name) for seed in config.seeds]
        about = {"pooling": pooling, "dtype": "bfloat16" if plan.bf16 else "float32"}
        return self._result(outcomes, valid.labels, asdict(plan) | about | {"training_items": len(train.rows)})

    def _result(self, outcomes: Sequence[loop.Outcome], labels: np.ndarray, about: dict[str, Any]) -> Result:
        answers = [outcome.logits.argmax(1) for outcome in outcomes]
        found = [metrics.measure(answer, labels) for answer in answers]
        means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        metric = metrics.METRICS[self.metric]
        logits, rows = outcomes[0].logits, np.arange(len(labels))
        others = logits.copy()
        others[rows, labels] = -np.inf
        seeds = [
            {
                "seed": one.seed,
                **measured,
                "best_epoch": one.epoch,
                "epochs": one.epochs,
                "steps": one.steps,
                "padding": one.padding,
                "tokens_per_second": round(one.tokens / one.seconds, 1),
            }
            for one, measured in zip(outcomes, found, strict=True)
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
            by_uid={name: Tally(len(labels), value, value, 0) for name, value in means.items()},
            chosen=answers[0],
            margins=(logits[rows, labels] - others.max(1)).astype(float),
            credit=np.mean([answer == labels for answer in answers], axis=0),
            predictions={self.name: {"predictions": lines}},
            details={"metric": self.metric, "constant_answer": constant, "seeds": seeds, **about},
        )

    def _read(self, data: Path, which: str, limit: int | None) -> list[Example]:
        file = _data.find(data, "full", f"{FOLDER}/{self.name}.{which}.jsonl")
        classes = tuple(str(k) for k in range(self.labels))
        expected = f"an example of {self.name}: its texts, and a label from 0 to {self.labels - 1}"
        examples = [
            Example(self.name, *self.pair(record), record.integer("label", 0, self.labels - 1), classes)
            for record in _data.records(file, expected, _data.SOURCE)
        ]
        return task_result.evenly(examples, limit)


def fields(first: str, second: str) -> Callable[[_data.Record], tuple[str, str]]:
    """Two fields of a record, as they are."""
    return lambda record: (record.text(first), record.text(second))


def encode(scorer: Scorer, examples: Sequence[Example], length: int) -> loop.Split:
    """Pairs as the tokenizer joins them, the longer text cut where both are longer than ``length`` tokens."""
    encoded = scorer.tokenizer(
        [one.first for one in examples],
        [one.second for one in examples],
        truncation=True,
        max_length=length,
        return_attention_mask=False,
    )["input_ids"]
    if not all(encoded):
        raise ValueError("fine-tuning: the tokenizer makes no token of an example")
    limits.check(scorer, [Text(tuple(ids), ()) for ids in encoded])
    return loop.Split(encoded, np.array([one.label for one in examples]))
