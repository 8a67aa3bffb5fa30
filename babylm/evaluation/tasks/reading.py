"""Reading times (de Varda et al., 2023): what surprisal explains of eye movements and self-paced reading.

The probability of each word given the sentence so far follows the official pipeline to the letter, its turns included:
words are encoded without what stands before them, so a tokenizer that prepends no space scores near zero; the second
piece of a word is written out, encoded again, and its first token taken; a model whose tokenizer gives
``token_type_ids`` is given them. The score is the share of the variance left by a baseline, the mean of two kinds of
regression (``statsmodels``).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babylm import files
from babylm.console import first_line
from babylm.evaluation.results import task_result
from babylm.evaluation.results.task_result import Result, Tally
from babylm.evaluation.scoring.scorer import Scorer, Text
from babylm.evaluation.tasks import _data

__all__ = ["CHANCE", "VERSION", "items", "predictive_power", "score", "surprisals"]

VERSION = 1
CHANCE = 0.0
FILE = "reading/reading_data.csv"
EYE_TRACKING = ("RTfirstfix", "RTfirstpass", "RTgopast", "RTrightbound")
SELF_PACED = "self_paced_reading_time"
BASELINE = ("Subtlex_log10", "length", "context_length")
BASELINES = dict.fromkeys(EYE_TRACKING, BASELINE) | {SELF_PACED: (*BASELINE, "prev_length", "prev_pred")}
"""What each measure is explained with before surprisal is."""
NUMBERS = ("Subtlex_log10", "length", "context_length", "prev_length", *EYE_TRACKING, SELF_PACED)
MASKS = 3
"""Masks that the official pipeline puts after the sentence so far."""
RESAMPLES = 200


@dataclass(frozen=True)
class Word:
    """A word in its sentence, the word before it, and what was measured (NaN where missing)."""

    context: str
    word: str
    previous_context: str | None
    previous: str
    numbers: tuple[float, ...]
    """In the order of `NUMBERS`."""


def items(data: Path, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> list[Word]:
    """The words of ``reading_data.csv``, always all: regressions on a few say nothing. The same in both suites."""
    file = _data.find(data, suite, FILE)
    try:
        frame = _pandas().read_csv(io.StringIO(files.read_text(file, _data.SOURCE)), dtype={"item": str})
        missing = [name for name in ("item", "word", "prev_item", "prev_word", *NUMBERS) if name not in frame]
        if missing:
            raise ValueError(f"no columns {', '.join(missing)}")
        frame[list(NUMBERS)] = frame[list(NUMBERS)].astype(float)
    except files.DamagedFile:
        raise
    except ValueError as error:  # pandas' errors of a table that is none, too
        raise files.DamagedFile(f"{file}: {first_line(error)}; {_data.SOURCE}") from None
    frame["item"] = frame["item"].fillna("None")  # one sentence begins with this word
    contexts = [None if isinstance(value, float) else str(value) for value in frame["prev_item"]]
    numbers = frame[list(NUMBERS)].to_numpy(dtype=float)
    columns = zip(frame["item"], frame["word"], contexts, frame["prev_word"], numbers, strict=True)
    return [
        Word(str(item), str(word), before, str(previous), tuple(row)) for item, word, before, previous, row in columns
    ]


def score(scorer: Scorer, items: Sequence[Word], rules: int = 2025) -> Result:
    """Mean of the eye-tracking and the self-paced score, shares of the variance that the baselines leave."""
    asked = [(item.context, item.word) for item in items]
    before = [(item.previous_context, item.previous) for item in items if item.previous_context is not None]
    found = surprisals(scorer, asked + [(context, word) for context, word in before if context is not None])
    own = found[: len(items)]
    previous = np.full(len(items), np.nan)
    previous[[i for i, item in enumerate(items) if item.previous_context is not None]] = found[len(items) :]
    table = np.array([item.numbers for item in items])
    power = predictive_power(table, own, previous)

    parts = {name: Tally(len(items), power[name], power[name], 0) for name in ("eye_tracking", "self_paced")}
    value = (power["eye_tracking"] + power["self_paced"]) / 2
    lines = [
        {"id": i, "pred": float(one), "prev_pred": float(two)}
        for i, (one, two) in enumerate(zip(own, previous, strict=True))
    ]
    return Result(
        n=len(items),
        official=value,
        tie_aware=value,
        ties=0,
        interval=_interval(table, own, previous),
        by_uid=parts,
        predictions={"reading": {"predictions": lines}},
        details=power,
    )


def surprisals(scorer: Scorer, asked: Sequence[tuple[str, str]]) -> np.ndarray:
    """(asked,) nats: surprisal of each (sentence so far, next word), the sum over the word's pieces."""
    tokenizer = scorer.tokenizer
    pieces = tokenizer([word for _, word in asked], add_special_tokens=False)["input_ids"]
    later = sorted({token for ids in pieces if len(ids) > 1 for token in ids})
    written = dict(zip(later, tokenizer.batch_decode([[token] for token in later]), strict=True))
    again = tokenizer(list(written.values()), add_special_tokens=False)["input_ids"] if later else []
    first = {token: ids[0] for token, ids in zip(later, again, strict=True) if ids}
    contexts, targets, owner = [], [], []
    for index, ((context, _), ids) in enumerate(zip(asked, pieces, strict=True)):
        for k, token in enumerate(ids):
            if k:
                context += written[ids[k - 1]]
            contexts.append(context)
            targets.append(first[token] if k else token)
            owner.append(index)
    texts = _texts(scorer, contexts, targets)
    unique = list(dict.fromkeys(texts))
    found = {text: -float(value[0]) for text, value in zip(unique, scorer.log_probs(unique, types=True), strict=True)}
    return np.bincount(owner, weights=[found[text] for text in texts], minlength=len(asked))


def _texts(scorer: Scorer, contexts: Sequence[str], targets: Sequence[int]) -> list[Text]:
    """What is asked, as texts whose one scored token is the target."""
    if scorer.backend == "causal":
        encoded = scorer.tokenizer(list(contexts))["input_ids"]
        return [Text((*ids, target), (len(ids),)) for ids, target in zip(encoded, targets, strict=True)]
    mask = scorer.tokenizer.mask_token_id
    encoded = scorer.tokenizer([context + MASKS * scorer.tokenizer.mask_token for context in contexts])["input_ids"]
    texts = []
    for ids, target in zip(encoded, targets, strict=True):
        # As the official code counts from the end: one token later where the tokenizer appends one.
        place = len(ids) - MASKS - (ids[-1] != mask)
        texts.append(Text((*ids[:place], target, *ids[place + 1 :]), (place,)))
    return texts


def predictive_power(table: np.ndarray, surprisal: np.ndarray, previous: np.ndarray) -> dict[str, float]:
    """(R2 of the full model - R2 of the baseline) / (1 - R2 of the baseline), by measure, and the two scores.

    ``table`` has the columns of `NUMBERS`; ``previous`` is the surprisal of the word before (NaN where there is none).
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

    A resample only changes how often each word counts. Columns are made orthonormal once, so the products of
    columns, all that a regression needs, are well conditioned.
    """
    columns = dict(zip(NUMBERS, table.T, strict=True)) | {"prev_pred": previous}
    designs = {}
    for measured, baseline in BASELINES.items():
        effects = [columns[name] for name in baseline]
        products = [one * other for i, one in enumerate(effects) for other in effects[i + 1 :]]
        design = np.column_stack([np.ones(len(table)), *effects, *products, surprisal, columns[measured]])
        known = np.flatnonzero(~np.isnan(design).any(axis=1))
        rows = design[known] / (np.abs(design[known]).max(axis=0) + 1e-300)
        rows[:, :-1] = np.linalg.qr(rows[:, :-1])[0]
        rows[:, -1] -= rows[:, :-2] @ (rows[:, :-2].T @ rows[:, -1])  # the baseline explains that in any case
        designs[measured] = known, rows

    def mean(picked: np.ndarray) -> float:
        counts = np.bincount(picked, minlength=len(table))
        power = {}
        for measured, (known, rows) in designs.items():
            drawn = np.flatnonzero(counts[known])
            own = rows[drawn]
            products = (own * counts[known][drawn, None]).T @ own
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
