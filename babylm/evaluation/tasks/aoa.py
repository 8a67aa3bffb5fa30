"""Age of acquisition: does a model come to expect words in the order in which children come to say them?

The result of one revision is its surprisals (stored as its predictions) and no score; `combine` makes one score of all
revisions of a run. Metrics are plain functions in `METRICS`: ``2025`` and ``2026`` are the official ones, of which the
first rarely leaves a word (its ceiling is in bits, its surprisals in nats) and the second is 0 where p > 0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm import files
from babylm.config.evaluation import EvaluationConfig
from babylm.evaluation.data import delimited
from babylm.evaluation.results.task_result import Result, evenly_spaced
from babylm.evaluation.task import Official, Task, fixed_counts
from babylm.evaluation.tasks import _aoa_curves, _data

if TYPE_CHECKING:
    from babylm.evaluation.scoring.scorer import Scorer

CONTEXTS = "aoa/cdi_childes.json"
HUMAN = "aoa/cdi_human.csv"
OLDEST = 240
"""Months; a column with a greater number is no age."""


@dataclass(frozen=True)
class Context:
    """A word after the beginning of a sentence."""

    word: str
    context: str
    number: int
    """Index of the context among those of the word."""
    age: float | None
    """Months at which half of the children say the word; None if the curve does not say."""


@dataclass(frozen=True)
class Metric:
    """One way to turn surprisals into a score."""

    age: Callable[[np.ndarray, np.ndarray, int, int], float | None]
    """(words read, (revisions, contexts) nats, pieces of the word, size of the vocabulary) -> log10 of words read."""
    score: Callable[[float, float], float]
    """(correlation of the model's ages with the children's, its p) -> score."""


METRICS = {
    "2025": Metric(lambda words, nats, pieces, size: _aoa_curves.model_age_2025(words, nats), lambda r, p: r),
    "2026": Metric(_aoa_curves.model_age_2026, lambda r, p: r if p <= 0.1 else 0.0),
}
"""By name; one of your own is another entry. (The metric of late 2026, "AoA (MSE)", is not published.)"""


@dataclass(frozen=True, kw_only=True)
class AcquisitionTask(Task):
    """Words in contexts of child-directed speech, and the ages at which children say them."""

    def items(
        self, data: Path | None, limit: int | None = None, *, suite: str = "full", rules: int = 2025
    ) -> list[Context]:
        """Every context of every word; words of one character are left out. ``limit`` is a number of words."""
        assert data is not None
        file = _data.find(data, "full", CONTEXTS)
        contexts = files.read_json(file, _data.SOURCE)
        ages = children(_data.find(data, "full", HUMAN))
        words = evenly_spaced([word for word in contexts if len(word) > 1], limit)
        return [
            Context(word, text.strip(), number, ages.get(word))
            for word in words
            for number, text in enumerate(_texts(file, word, contexts[word]))
        ]

    def score(
        self, scorer: Scorer, items: Sequence[Context], rules: int = 2025, settings: EvaluationConfig | None = None
    ) -> Result:
        """Surprisals of one revision, in nats; ``official`` is NaN."""
        texts = [(f"{item.context} {item.word}", item.word) for item in items]
        surprisal = -scorer.sequence_log_probs(texts).log_probability
        lines = [
            {"target_word": item.word, "context_id": item.number, "context": item.context, "surprisal": float(value)}
            for item, value in zip(items, surprisal, strict=True)
        ]
        words = list(dict.fromkeys(item.word for item in items))
        encode = scorer.tokenizer
        start = len(encode("The", add_special_tokens=False)["input_ids"])
        pieces = {word: len(encode(f"The {word}", add_special_tokens=False)["input_ids"]) - start for word in words}
        predictions = {
            "metadata": {"use_bos_only": False, "vocabulary": encode.vocab_size, "pieces": pieces},
            "ages": known_ages(items),
            "results": lines,
        }
        return Result(
            n=len(items),
            official=np.nan,
            tie_aware=np.nan,
            ties=0,
            interval=None,
            predictions=predictions,
            details={"words": len(words), "mean_surprisal": float(np.nanmean(surprisal))},
        )

    def count_nan(self, predictions: Mapping[str, Any]) -> int:
        """Contexts without a surprisal."""
        return sum(line["surprisal"] != line["surprisal"] for line in predictions["results"])

    def combine(
        self, predictions: Sequence[Mapping[str, Any]], steps: Sequence[tuple[str, float]], metric: str
    ) -> dict[str, Any]:
        """See `combine`."""
        return combine(predictions, steps, metric)

    def rescore_revisions(
        self, lines: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any], items: Sequence[Context], metric: str
    ) -> float:
        """The score from the collated surprisals (``results`` of ``surprisal.json``) and the children's ages.

        ``metadata``: of the stored predictions; the file lacks the tokenizer's vocabulary and the words' pieces.
        """
        by_step: dict[str, list[Mapping[str, Any]]] = {}
        words: dict[str, float] = {}
        for line in lines:
            by_step.setdefault(line["step"], []).append(line)
            words[line["step"]] = line["word_count"]
        ages = known_ages(items)
        predictions = [{"metadata": metadata, "ages": ages, "results": part} for part in by_step.values()]
        return float(self.combine(predictions, list(words.items()), metric)["score"])


def known_ages(items: Sequence[Context]) -> dict[str, float]:
    """Months by word, of the words that have an age."""
    return {item.word: item.age for item in items if item.age is not None}


def _texts(file: Path, word: str, contexts: Any) -> list[str]:
    entries = contexts if isinstance(contexts, list) else []
    texts = [entry["context"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("context"), str)]
    if not isinstance(contexts, list) or len(texts) != len(entries):
        raise files.DamagedFile(
            f"{file}: the contexts of {word!r} are {_data.kind(contexts)}, not a list of objects with a text context; "
            f"{_data.SOURCE}"
        )
    return texts


def months(columns: Iterable[str]) -> list[str]:
    """The columns that are named after an age in months, youngest first; a year is none.

    >>> months(["word", "30", "16", "2026"])
    ['16', '30']
    """
    return sorted((name for name in columns if name.isdecimal() and int(name) <= OLDEST), key=int)


def children(file: Path, column: str = "word") -> dict[str, float]:
    """Months by word from the shares of children who say it at each age; words without an age are left out.

    Raises:
        files.DamagedFile: The file is no table, has no such column, or a share is no number.
    """
    table = delimited.read(file)
    if column not in table.columns:
        raise files.DamagedFile(f"{file}: no column {column}; {_data.SOURCE}")
    by_age = months(table.columns)
    ages = np.array([float(name) for name in by_age])
    try:
        by_month = [delimited.numbers(table.cells(name), file, name, table.separator) for name in by_age]
    except ValueError as error:
        raise files.DamagedFile(f"{error}; {_data.SOURCE}") from None
    for name, values in zip(by_age, by_month, strict=True):
        for (line, cell), value in zip(table.cells(name), values, strict=True):
            if value < 0 or value > 1:
                raise files.DamagedFile(
                    f"{file}: column {name}, line {line}: {cell} is no share of children: write 0.5, not 50, and "
                    "NA where there is none"
                )
    words = [word for _, word in table.cells(column)]
    shares = dict(zip(words, np.array(by_month).T.reshape(len(words), len(by_age)), strict=True))
    half = {word: _aoa_curves.child_age(ages, of_word) for word, of_word in shares.items()}
    return {word: age for word, age in half.items() if age is not None}


def combine(
    predictions: Sequence[Mapping[str, Any]], steps: Sequence[tuple[str, float]], metric: str
) -> dict[str, Any]:
    """The score of several revisions from their stored predictions, in the order of ``steps`` (name, words read).

    Also returns the official ``surprisals`` (``surprisal.json``), the ages of children and model, and how many words
    have both.
    """
    if metric not in METRICS:
        raise ValueError(f"aoa: no metric {metric!r} (one of: {', '.join(METRICS)})")
    order = sorted(range(len(steps)), key=lambda k: steps[k][1])
    words_read = np.array([steps[k][1] for k in order], dtype=float)
    lines = [
        {"step": steps[k][0], "word_count": int(steps[k][1]), **line}
        for k in order
        for line in predictions[k]["results"]
    ]
    ages: dict[str, float] = predictions[0]["ages"]
    metadata = predictions[0]["metadata"]
    curves: dict[str, list[list[float]]] = {}
    for k in order:
        by_word: dict[str, list[float]] = {}
        for line in predictions[k]["results"]:
            by_word.setdefault(line["target_word"], []).append(line["surprisal"])
        for word in ages:
            curves.setdefault(word, []).append(by_word[word])
    model_ages = {
        word: METRICS[metric].age(
            words_read, np.array(curve, dtype=float), metadata["pieces"][word], metadata["vocabulary"]
        )
        for word, curve in curves.items()
    }
    both = {word: (age, ages[word]) for word, age in model_ages.items() if age is not None}
    r, p = correlation([model for model, _ in both.values()], [child for _, child in both.values()])
    return {
        "metric": metric,
        "score": METRICS[metric].score(r, p),
        "correlation": r,
        "p": p,
        "words": len(both),
        "ages": {word: {"model": model, "children": child} for word, (model, child) in both.items()},
        "surprisals": {
            "metadata": {"use_bos_only": False, "total_steps": len(steps), "completed_steps": len(steps)},
            "results": lines,
        },
    }


def correlation(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Pearson's r and its p; (0, 1) with fewer than three words or no variance."""
    if len(x) < 3 or np.std(x) == 0 or np.std(y) == 0:
        return 0.0, 1.0
    test = _aoa_curves.scipy().stats.pearsonr(x, y)
    return float(test.statistic), float(test.pvalue)


TASK = AcquisitionTask(
    name="aoa",
    version=1,
    chance=0.0,
    title="AoA",
    suites=(("full", 2025), ("full", 2026)),
    order=11,
    average="human_likeness",
    over_revisions=True,
    numeric=True,
    official=Official(key="aoa", counts=fixed_counts({"aoa": 8005}), folder="AoA_word"),
)
