"""Reading times (de Varda et al., 2023): what surprisal explains of eye movements and self-paced reading.

The probability of each word given the sentence so far follows the official pipeline exactly, its oddities included:
words are encoded without their context, so a tokenizer that prepends no space scores near zero; the second piece of a
word is decoded, encoded again, and its first token taken; a model gets ``token_type_ids`` if its tokenizer returns
them. The score is the share of the variance left by a baseline, the mean of two kinds of regression (``statsmodels``).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm import files
from babylm.config.evaluation import EvaluationConfig
from babylm.console import first_line
from babylm.evaluation.results import task_result
from babylm.evaluation.results.task_result import Result, Score
from babylm.evaluation.task import BOTH_SUITES, Official, Task, fixed_counts
from babylm.evaluation.tasks import _data

if TYPE_CHECKING:
    from babylm.evaluation.scoring.scorer import ScoredText, Scorer

FILE = "reading/reading_data.csv"
EYE_TRACKING = ("RTfirstfix", "RTfirstpass", "RTgopast", "RTrightbound")
SELF_PACED = "self_paced_reading_time"
BASELINE = ("Subtlex_log10", "length", "context_length")
BASELINES = dict.fromkeys(EYE_TRACKING, BASELINE) | {SELF_PACED: (*BASELINE, "prev_length", "prev_pred")}
"""Baseline predictors of each measure."""
NUMBERS = ("Subtlex_log10", "length", "context_length", "prev_length", *EYE_TRACKING, SELF_PACED)
MASKS = 3
"""Masks that the official pipeline puts after the sentence so far."""
RESAMPLES = 200


@dataclass(frozen=True)
class Word:
    """A word in its sentence, the word before it, and what was measured (NaN if missing)."""

    context: str
    word: str
    previous_context: str | None
    previous: str
    numbers: tuple[float, ...]
    """In the order of `NUMBERS`."""


@dataclass(frozen=True, kw_only=True)
class ReadingTask(Task):
    """Words with eye-tracking and self-paced reading times."""

    def items(
        self, data: Path | None, limit: int | None = None, *, suite: str = "fast", rules: int = 2025
    ) -> list[Word]:
        """The words of ``reading_data.csv``; all of them, as regressions on a few say nothing. Same in both suites."""
        assert data is not None
        file = _data.find(data, suite, FILE)
        try:
            frame = _pandas().read_csv(io.StringIO(files.read_text(file, _data.SOURCE)), dtype={"item": str})
            missing = [name for name in ("item", "word", "prev_item", "prev_word", *NUMBERS) if name not in frame]
            if missing:
                raise ValueError(f"no columns {', '.join(missing)}")
            frame[list(NUMBERS)] = frame[list(NUMBERS)].astype(float)
        except files.DamagedFile:
            raise
        except ValueError as error:  # also what pandas raises for a file that is no table
            raise files.DamagedFile(f"{file}: {first_line(error)}; {_data.SOURCE}") from None
        frame["item"] = frame["item"].fillna("None")  # one sentence begins with this word
        contexts = [None if isinstance(value, float) else str(value) for value in frame["prev_item"]]
        numbers = frame[list(NUMBERS)].to_numpy(dtype=float)
        columns = zip(frame["item"], frame["word"], contexts, frame["prev_word"], numbers, strict=True)
        return [
            Word(str(item), str(word), previous_context, str(previous), tuple(row))
            for item, word, previous_context, previous, row in columns
        ]

    def score(
        self, scorer: Scorer, items: Sequence[Word], rules: int = 2025, settings: EvaluationConfig | None = None
    ) -> Result:
        """Mean of the eye-tracking and the self-paced score, shares of the variance that the baselines leave."""
        has_previous = np.array([item.previous_context is not None for item in items])
        words = [(item.context, item.word) for item in items]
        previous = [(item.previous_context, item.previous) for item in items if item.previous_context is not None]
        nats = surprisals(scorer, words + previous)
        surprisal, before = nats[: len(items)], np.full(len(items), np.nan)
        before[has_previous] = nats[len(items) :]
        table = np.array([item.numbers for item in items])
        power = predictive_power(table, surprisal, before)

        parts = {name: Score(len(items), power[name], power[name], 0) for name in ("eye_tracking", "self_paced")}
        value = (power["eye_tracking"] + power["self_paced"]) / 2
        lines = [
            {"id": i, "pred": float(word), "prev_pred": float(previous_word)}
            for i, (word, previous_word) in enumerate(zip(surprisal, before, strict=True))
        ]
        return Result(
            n=len(items),
            official=value,
            tie_aware=value,
            ties=0,
            interval=_interval(table, surprisal, before),
            by_part=parts,
            predictions={self.name: {"predictions": lines}},
            details=power,
        )

    def count_answers(self, items: Sequence[Word]) -> Mapping[str, int]:
        """All words under one name."""
        return {self.name: len(items)}

    def rescore(self, items: Sequence[Word], predictions: Mapping[str, Any]) -> dict[str, float]:
        """Self-paced reading (``spr``) and eye tracking (``rt``), from the surprisals in stored ``predictions``."""
        lines = predictions[self.name]["predictions"]
        table = np.array([item.numbers for item in items])
        surprisal, before = (np.array([line[key] for line in lines], dtype=float) for key in ("pred", "prev_pred"))
        power = predictive_power(table, surprisal, before)
        return {"spr": power["self_paced"], "rt": power["eye_tracking"]}

    def count_nan(self, predictions: Mapping[str, Any]) -> int:
        """Words without a surprisal; that of the previous word is missing at the beginning of a sentence."""
        return sum(line["pred"] != line["pred"] for line in predictions[self.name]["predictions"])


def surprisals(scorer: Scorer, words: Sequence[tuple[str, str]]) -> np.ndarray:
    """(words,) nats: surprisal of each (sentence so far, next word), the sum over the word's pieces.

    A word of the pieces p1, p2 is the targets p1 after the sentence, and after the sentence with p1 written out, the
    first token that p2 written out is encoded as. (Officially so: p2 itself would be encoded without its position.)
    """
    tokenizer = scorer.tokenizer
    pieces = tokenizer([word for _, word in words], add_special_tokens=False)["input_ids"]
    later = sorted({token for ids in pieces if len(ids) > 1 for token in ids})
    written = dict(zip(later, tokenizer.batch_decode([[token] for token in later]), strict=True))
    again = tokenizer(list(written.values()), add_special_tokens=False)["input_ids"] if later else []
    first = {token: ids[0] for token, ids in zip(later, again, strict=True) if ids}
    contexts, targets, owner = [], [], []
    for index, ((context, _), ids) in enumerate(zip(words, pieces, strict=True)):
        for k, token in enumerate(ids):
            if k:
                context += written[ids[k - 1]]
            contexts.append(context)
            targets.append(first[token] if k else token)
            owner.append(index)
    texts = _texts(scorer, contexts, targets)
    unique = list(dict.fromkeys(texts))
    nats = {text: -float(value[0]) for text, value in zip(unique, scorer.log_probs(unique, types=True), strict=True)}
    return np.bincount(owner, weights=[nats[text] for text in texts], minlength=len(words))


def _texts(scorer: Scorer, contexts: Sequence[str], targets: Sequence[int]) -> list[ScoredText]:
    """Texts whose one scored token is the target."""
    from babylm.evaluation.scoring.scorer import ScoredText

    if scorer.backend == "causal":
        encoded = scorer.tokenizer(list(contexts))["input_ids"]
        return [ScoredText((*ids, target), (len(ids),)) for ids, target in zip(encoded, targets, strict=True)]
    mask = scorer.tokenizer.mask_token_id
    encoded = scorer.tokenizer([context + MASKS * scorer.tokenizer.mask_token for context in contexts])["input_ids"]
    texts = []
    for ids, target in zip(encoded, targets, strict=True):
        # As the official code counts from the end: one token later where the tokenizer appends one.
        position = len(ids) - MASKS - (ids[-1] != mask)
        texts.append(ScoredText((*ids[:position], target, *ids[position + 1 :]), (position,)))
    return texts


def predictive_power(table: np.ndarray, surprisal: np.ndarray, previous: np.ndarray) -> dict[str, float]:
    """(R2 of the full model - R2 of the baseline) / (1 - R2 of the baseline), by measure, and the two scores.

    ``table`` has the columns of `NUMBERS`; ``previous`` is the surprisal of the word before (NaN if there is none).
    Rows with a NaN in a column that a regression uses are left out of it.
    """
    try:
        import statsmodels.formula.api as formulas
    except ImportError:
        raise ValueError("the task reading needs statsmodels: pip install 'babylm[eval]'") from None
    frame = _pandas().DataFrame(table, columns=list(NUMBERS)).assign(pred=surprisal, prev_pred=previous)
    power = {}
    for measured, baseline in BASELINES.items():
        rows = frame[[measured, *baseline, "pred"]].dropna()
        if len(rows) <= (len(baseline) + 1) * len(baseline):
            raise ValueError(f"reading: {len(rows)} words with {measured} are too few for its regression")
        formula = f"{measured} ~ ({' + '.join(baseline)}) ** 2"  # main effects and all products of two
        without = formulas.ols(formula, data=rows).fit().rsquared
        power[measured] = float((formulas.ols(f"{formula} + pred", data=rows).fit().rsquared - without) / (1 - without))
    return _with_scores(power)


def _with_scores(power: dict[str, float]) -> dict[str, float]:
    eyes = float(np.mean([power[name] for name in EYE_TRACKING]))
    return {**power, "eye_tracking": eyes, "self_paced": power[SELF_PACED]}


def _interval(table: np.ndarray, surprisal: np.ndarray, previous: np.ndarray) -> tuple[float, float]:
    """Bootstrap interval of the mean of the two scores, words resampled; the same regressions without formulas.

    A resample only changes how often each word counts: with the counts c and the design X, a regression needs
    X' diag(c) X alone. The columns of X are made orthonormal once, so that these products are well conditioned.
    """
    columns = dict(zip(NUMBERS, table.T, strict=True)) | {"prev_pred": previous}
    designs = {}
    for measured, baseline in BASELINES.items():
        effects = [columns[name] for name in baseline]
        products = [first * second for i, first in enumerate(effects) for second in effects[i + 1 :]]
        design = np.column_stack([np.ones(len(table)), *effects, *products, surprisal, columns[measured]])
        known = np.flatnonzero(~np.isnan(design).any(axis=1))
        rows = design[known] / (np.abs(design[known]).max(axis=0) + 1e-300)
        rows[:, :-1] = np.linalg.qr(rows[:, :-1])[0]
        rows[:, -1] -= rows[:, :-2] @ (rows[:, :-2].T @ rows[:, -1])  # the baseline explains that in any case
        designs[measured] = known, rows

    def mean(words: np.ndarray) -> float:
        counts = np.bincount(words, minlength=len(table))
        power = {}
        for measured, (known, rows) in designs.items():
            drawn = np.flatnonzero(counts[known])
            sample = rows[drawn]
            products = (sample * counts[known][drawn, None]).T @ sample
            left = [_squares_left(products, end) for end in (-2, -1)]
            power[measured] = 1 - left[1] / left[0]
        scores = _with_scores(power)
        return (scores["eye_tracking"] + scores["self_paced"]) / 2

    return task_result.resampled(mean, len(table), resamples=RESAMPLES)


def _squares_left(products: np.ndarray, end: int) -> float:
    """Of the last column, unexplained by the columns before ``end``, from the products of all columns."""
    # (R2 full - R2 base) / (1 - R2 base) = 1 - squares left by the full model / squares left by the baseline.
    explained = products[:end, :end], products[:end, -1]
    return float(products[-1, -1] - explained[1] @ np.linalg.lstsq(*explained, rcond=None)[0])


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise ValueError("the task reading needs pandas: pip install 'babylm[eval]'") from None
    return pandas


TASK = ReadingTask(
    name="reading",
    version=1,
    chance=0.0,
    title="Reading",
    suites=BOTH_SUITES,
    order=10,
    average="human_likeness",
    numeric=True,
    official=Official(key="reading", counts=fixed_counts({"reading": 1726}), folder="reading", report="reading_times"),
)
