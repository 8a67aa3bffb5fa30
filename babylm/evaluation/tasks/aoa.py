"""Age of acquisition: does a model come to expect words in the order in which children come to say them?

A revision's result is raw surprisals (kept as its predictions) and no score; `combine` makes the score of all revisions
of a run. Metrics are plain functions in `METRICS`: ``2025`` and ``2026`` are the official ones, of which the first
rarely leaves a word (its ceiling is in bits, its surprisals in nats) and the second is 0 where p > 0.1.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babylm import files
from babylm.evaluation.results.task_result import Result, evenly
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.tasks import _aoa_curves, _data

__all__ = ["CHANCE", "METRICS", "VERSION", "children", "combine", "items", "score"]

VERSION = 1
CHANCE = 0.0
CONTEXTS = "aoa/cdi_childes.json"
HUMAN = "aoa/cdi_human.csv"


@dataclass(frozen=True)
class Context:
    """A word after the beginning of a sentence."""

    word: str
    context: str
    number: int
    """Of the context among the word's."""
    age: float | None
    """Months at which half of the children say the word; none where the curve does not say."""


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


def items(data: Path, limit: int | None = None, *, suite: str = "full", rules: int = 2025) -> list[Context]:
    """Every context of every word; words of one character are left out. ``limit`` is of words."""
    file = _data.find(data, "full", CONTEXTS)
    contexts = files.read_json(file, _data.SOURCE)
    ages = children(_data.find(data, "full", HUMAN))
    words = evenly([word for word in contexts if len(word) > 1], limit)
    return [
        Context(word, text.strip(), number, ages.get(word))
        for word in words
        for number, text in enumerate(_texts(file, word, contexts[word]))
    ]


def _texts(file: Path, word: str, contexts: Any) -> list[str]:
    entries = contexts if isinstance(contexts, list) else []
    texts = [entry["context"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("context"), str)]
    if not isinstance(contexts, list) or len(texts) != len(entries):
        raise files.DamagedFile(
            f"{file}: the contexts of {word!r} are {_data.kind(contexts)}, not a list of objects with a text context; "
            f"{_data.SOURCE}"
        )
    return texts


def children(file: Path) -> dict[str, float]:
    """Months by word from the shares of children who say it at each age; words without an age are left out."""
    rows = list(csv.DictReader(io.StringIO(files.read_text(file, _data.SOURCE), newline="")))
    if not rows or "word" not in rows[0]:
        raise files.DamagedFile(f"{file}: no column word; {_data.SOURCE}")
    columns = sorted((name for name in rows[0] if name and name.isdigit()), key=int)
    ages = np.array([float(name) for name in columns])
    try:
        shares = {row["word"]: np.array([float(row[name] or "nan") for name in columns]) for row in rows}
    except (ValueError, TypeError) as error:
        raise files.DamagedFile(f"{file}: a share that is no number ({error}); {_data.SOURCE}") from None
    found = {word: _aoa_curves.child_age(ages, own) for word, own in shares.items()}
    return {word: age for word, age in found.items() if age is not None}


def score(scorer: Scorer, items: Sequence[Context], rules: int = 2025) -> Result:
    """Surprisals of one revision, in nats; ``official`` is NaN."""
    texts = [(f"{item.context} {item.word}", item.word) for item in items]
    surprisal = -scorer.score(texts).log_probability
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
        "ages": {item.word: item.age for item in items if item.age is not None},
        "results": lines,
    }
    return Result(
        n=len(items),
        official=np.nan,
        tie_aware=np.nan,
        ties=0,
        interval=None,
        by_uid={},
        predictions=predictions,
        details={"words": len(words), "mean_surprisal": float(np.nanmean(surprisal))},
    )


def combine(stored: Sequence[Mapping[str, Any]], steps: Sequence[tuple[str, float]], metric: str) -> dict[str, Any]:
    """The score of revisions from their stored predictions; ``steps`` are their names and words read, in that order.

    Also gives the official ``surprisals`` (``surprisal.json``), the ages of children and model, and how many words have
    both.
    """
    if metric not in METRICS:
        raise ValueError(f"aoa: no metric {metric!r} (one of: {', '.join(METRICS)})")
    order = sorted(range(len(steps)), key=lambda k: steps[k][1])
    words_read = np.array([steps[k][1] for k in order], dtype=float)
    lines = [
        {"step": steps[k][0], "word_count": int(steps[k][1]), **line} for k in order for line in stored[k]["results"]
    ]
    ages: dict[str, float] = stored[0]["ages"]
    about = stored[0]["metadata"]
    curves: dict[str, list[list[float]]] = {}
    for k in order:
        own: dict[str, list[float]] = {}
        for line in stored[k]["results"]:
            own.setdefault(line["target_word"], []).append(line["surprisal"])
        for word in ages:
            curves.setdefault(word, []).append(own[word])
    model = {
        word: METRICS[metric].age(words_read, np.array(curve, dtype=float), about["pieces"][word], about["vocabulary"])
        for word, curve in curves.items()
    }
    both = {word: (age, ages[word]) for word, age in model.items() if age is not None}
    r, p = correlation([one for one, _ in both.values()], [two for _, two in both.values()])
    return {
        "metric": metric,
        "score": METRICS[metric].score(r, p),
        "correlation": r,
        "p": p,
        "words": len(both),
        "ages": {word: {"model": one, "children": two} for word, (one, two) in both.items()},
        "surprisals": {
            "metadata": {"use_bos_only": False, "total_steps": len(steps), "completed_steps": len(steps)},
            "results": lines,
        },
    }


def correlation(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Pearson's r and its p; (0, 1) with fewer than three words or no variance."""
    if len(one) < 3 or np.std(one) == 0 or np.std(other) == 0:
        return 0.0, 1.0
    found = _aoa_curves.scipy().stats.pearsonr(one, other)
    return float(found.statistic), float(found.pvalue)
