"""Anybody's reading times: does surprisal explain more of them than length, frequency and the word before do?

    python -m babylm.evaluate checkpoints/s1 tasks=my/times.csv reading_csv.time=RT reading_csv.frequency=log_freq

A task made of a CSV or TSV file, one row per word in reading order, or one per reader and word with
``reading_csv.position``; ``reading_csv.*`` names its columns (`babylm.config.evaluation.ReadingCsvConfig`).
Surprisal is of the word after a space, given its sentence so far. Two linear regressions (``statsmodels``) are
compared: a baseline (length, log frequency and further covariates; length, log frequency and surprisal of the word
before) and the same with surprisal. The score is the share of the variance left by the baseline that surprisal
explains, as in the official reading task, but with main effects alone and the word in its text as it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from babylm.config.schema import EvaluationConfig, ReadingCsvConfig
from babylm.evaluation.results import task_result
from babylm.evaluation.results.task_result import Result, Tally
from babylm.evaluation.scoring.scorer import Scorer
from babylm.evaluation.tasks import _reading_csv_layout
from babylm.evaluation.tasks._reading_csv_layout import Row, Rows, words

__all__ = ["CHANCE", "VERSION", "Row", "Rows", "identity", "items", "score", "task", "words"]

VERSION = 2
CHANCE = 0.0
RESAMPLES = 200


def task(file: Path, settings: EvaluationConfig | None = None) -> Any:
    """The task of one file; with ``settings``, its columns are checked as soon as it is read."""
    return SimpleNamespace(
        VERSION=VERSION, CHANCE=CHANCE, items=partial(items, file, settings=settings), score=score, identity=identity
    )


def items(
    file: Path,
    data: Path | None,
    limit: int | None = None,
    *,
    suite: str = "fast",
    rules: int = 2025,
    settings: EvaluationConfig | None = None,
) -> Rows:
    """All rows of ``file``: regressions on a few say nothing, so ``limit`` changes nothing."""
    _pandas()
    rows = _reading_csv_layout.read(file)
    if settings is not None:
        words(rows, settings.reading_csv)
    return rows


def identity(settings: EvaluationConfig, items: Sequence[Row]) -> dict[str, Any]:
    """The settings that decide a result."""
    return {"reading_csv": asdict(settings.reading_csv)}


def score(scorer: Scorer, items: Sequence[Row], rules: int = 2025, settings: EvaluationConfig | None = None) -> Result:
    """Share of the variance left by the baseline that surprisal explains, the mean over the columns of times."""
    wanted = (settings or EvaluationConfig()).reading_csv
    frame = words(items, wanted)
    found = scorer.score(
        [
            (context + " " * bool(context) + word, " " * bool(context) + word)
            for context, word in zip(frame["context"], frame["word"], strict=True)
        ]
    )
    # A first word without anything before it has no score in a model without BOS.
    frame["surprisal"] = np.where(found.tokens > 0, -found.log_probability, np.nan)
    baseline = predictors(frame, wanted)
    by_time = {name: regressions(frame, name, baseline) for name in wanted.time}
    shares = {name: own["share"] for name, own in by_time.items()}
    value = float(np.mean(list(shares.values())))
    lines = [
        {"id": i, "word": word, "surprisal": float(nats)}
        for i, (word, nats) in enumerate(zip(frame["word"], frame["surprisal"], strict=True))
    ]
    return Result(
        n=len(frame),
        official=value,
        tie_aware=value,
        ties=0,
        interval=_interval(frame, wanted.time, baseline),
        by_uid={name: Tally(int(by_time[name]["n"]), share, share, 0) for name, share in shares.items()},
        predictions={"reading_csv": {"predictions": lines}},
        details={"rows": len(items), "baseline": baseline, "times": by_time},
    )


def predictors(frame: Any, wanted: ReadingCsvConfig) -> list[str]:
    """Add the columns of the words before to ``frame``; the names of the baseline's predictors."""
    own = [name for name in ("length", "frequency") if name in frame]
    found = own + [f"column {name}" for name in wanted.covariates]
    for back in range(1, wanted.spillover + 1):
        for name in (*own, "surprisal"):
            found.append(f"{name} {back} before")
            frame[found[-1]] = frame.groupby("sentence", sort=False)[name].shift(back)
    return found


def regressions(frame: Any, time: str, baseline: Sequence[str]) -> dict[str, float]:
    """What surprisal adds to ``baseline`` in explaining ``time``; rows with a missing value are left out."""
    try:
        from statsmodels.api import OLS, add_constant
    except ImportError:
        raise ValueError("reading times need statsmodels: pip install 'babylm[eval]'") from None
    measured = f"column {time}"
    rows = frame[[measured, *baseline, "surprisal"]].dropna()
    if len(rows) < 3 * (len(baseline) + 2):
        raise ValueError(f"reading_csv: {len(rows)} words with {time} and all its predictors are too few to regress")
    if rows[measured].nunique() < 2:
        raise ValueError(f"reading_csv: column {time} has one value in all {len(rows)} rows: nothing to explain")
    predictors = add_constant(rows[[*baseline, "surprisal"]], has_constant="add")
    without = OLS(rows[measured], predictors.drop(columns="surprisal")).fit()
    full = OLS(rows[measured], predictors).fit()
    return {
        "n": len(rows),
        "delta_log_likelihood": float(full.llf - without.llf),
        "delta_log_likelihood_per_word": float(full.llf - without.llf) / len(rows),
        "delta_r2": float(full.rsquared - without.rsquared),
        "r2_baseline": float(without.rsquared),
        "share": float((full.rsquared - without.rsquared) / (1 - without.rsquared)),
        "per_nat": float(full.params["surprisal"]),
        "standard_error": float(full.bse["surprisal"]),
        "p": float(full.pvalues["surprisal"]),
    }


def _interval(frame: Any, times: Sequence[str], baseline: Sequence[str]) -> tuple[float, float] | None:
    """Bootstrap interval of the mean share, sentences resampled; None of one sentence, which cannot vary."""
    if frame["sentence"].nunique() < 2:
        return None
    sentences = frame["sentence"].factorize()[0]
    members = [np.flatnonzero(sentences == k) for k in range(sentences.max() + 1)]
    tables = []
    for time in times:
        table = frame[[*baseline, "surprisal", f"column {time}"]].to_numpy(dtype=float)
        tables.append(np.column_stack([np.ones(len(table)), table]))

    def mean(picked: np.ndarray) -> float:
        rows = np.concatenate([members[k] for k in picked])
        return float(np.mean([_share(table[rows]) for table in tables]))

    return task_result.resampled(mean, len(members), resamples=RESAMPLES)


def _share(table: np.ndarray) -> float:
    rows = table[~np.isnan(table).any(axis=1)]
    rows = rows / (np.abs(rows).max(axis=0, initial=0) + 1e-300)
    left = [
        ((rows[:, -1] - rows[:, :end] @ np.linalg.lstsq(rows[:, :end], rows[:, -1], rcond=None)[0]) ** 2).sum()
        for end in (-2, -1)
    ]
    return float(1 - left[1] / left[0])


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise ValueError("reading times need pandas: pip install 'babylm[eval]'") from None
    return pandas
