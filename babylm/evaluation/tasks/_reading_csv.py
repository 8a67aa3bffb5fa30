"""A user's reading times: does surprisal explain more of them than length, frequency and the word before do?

    python -m babylm.evaluate checkpoints/s1 tasks=my/times.csv reading_csv.time=RT reading_csv.frequency=log_freq

A task made of a CSV or TSV file, one row per word in reading order, or one per reader and word with
``reading_csv.position``; ``reading_csv.*`` names its columns (`babylm.config.evaluation.ReadingCsvConfig`).
Surprisal is of the word after a space, given its sentence so far. Two linear regressions (``statsmodels``) are
compared: a baseline (length, log frequency and further covariates; length, log frequency and surprisal of the word
before) and the same with surprisal. The score is the share of the variance left by the baseline that surprisal
explains, as in the official reading task, but with main effects alone and the word in its text as it is written.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.config.schema import EvaluationConfig, ReadingCsvConfig
from babylm.evaluation.results import task_result
from babylm.evaluation.results.task_result import Result, Score
from babylm.evaluation.task import Task
from babylm.evaluation.tasks import _reading_csv_layout
from babylm.evaluation.tasks._reading_csv_layout import Row, Rows, words

if TYPE_CHECKING:
    from babylm.evaluation.scoring.scorer import Scorer

VERSION = 2
RESAMPLES = 200


@dataclass(frozen=True, kw_only=True)
class ReadingCsvTask(Task):
    """A file of reading times."""

    file: Path
    settings: EvaluationConfig | None = None
    """If given, its columns are checked as soon as the file is read."""

    def items(self, data: Path | None, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> Rows:
        """All rows of the file: regressions on a few say nothing, so ``limit`` changes nothing."""
        _pandas()
        rows = _reading_csv_layout.read(self.file)
        if self.settings is not None:
            words(rows, self.settings.reading_csv)
        return rows

    def identity(self, settings: EvaluationConfig, items: Sequence[Row]) -> dict[str, Any]:
        """The columns and options that decide a result."""
        return {"reading_csv": asdict(settings.reading_csv)}

    def score(
        self, scorer: Scorer, items: Sequence[Row], rules: int = 2025, settings: EvaluationConfig | None = None
    ) -> Result:
        """Share of the variance left by the baseline that surprisal explains, the mean over the columns of times."""
        columns = (settings or EvaluationConfig()).reading_csv
        frame = words(items, columns)
        scores = scorer.sequence_log_probs(
            [
                (context + " " * bool(context) + word, " " * bool(context) + word)
                for context, word in zip(frame["context"], frame["word"], strict=True)
            ]
        )
        # A first word without anything before it has no score in a model without BOS.
        frame["surprisal"] = np.where(scores.tokens > 0, -scores.log_probability, np.nan)
        baseline = predictors(frame, columns)
        by_time = {name: regressions(frame, name, baseline) for name in columns.time}
        shares = {name: regression["share"] for name, regression in by_time.items()}
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
            interval=_interval(frame, columns.time, baseline),
            by_part={name: Score(int(by_time[name]["n"]), share, share, 0) for name, share in shares.items()},
            predictions={"reading_csv": {"predictions": lines}},
            details={"rows": len(items), "baseline": baseline, "times": by_time},
        )


def task(name: str, file: Path, settings: EvaluationConfig | None = None) -> ReadingCsvTask:
    """The task of one file; ``settings``: its columns, checked as soon as the file is read."""
    return ReadingCsvTask(name=name, version=VERSION, chance=0.0, file=file, settings=settings)


def predictors(frame: Any, columns: ReadingCsvConfig) -> list[str]:
    """The names of the baseline's predictors; those of the words before are added to ``frame`` as columns."""
    of_word = [name for name in ("length", "frequency") if name in frame]
    names = of_word + [f"column {name}" for name in columns.covariates]
    for back in range(1, columns.spillover + 1):
        for name in (*of_word, "surprisal"):
            names.append(f"{name} {back} before")
            frame[names[-1]] = frame.groupby("sentence", sort=False)[name].shift(back)
    return names


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
    _warn_if_dependent(predictors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what statsmodels says of dependent predictors
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


def _warn_if_dependent(predictors: Any) -> None:
    """Name the first column that says no more than those before it; the constant is the first of all."""
    table = predictors.to_numpy(dtype=float)
    table = table / (np.abs(table).max(axis=0) + 1e-300)
    ranks = [int(np.linalg.matrix_rank(table[:, : end + 1])) for end in range(table.shape[1])]
    for column, rank in enumerate(ranks):
        if rank < column + 1:
            name = predictors.columns[column].removeprefix("column ")
            _reading_csv_layout.say(
                f"reading_csv: {name} is constant, or a sum of the other predictors: it explains nothing that they do "
                "not, and no number of it means anything"
            )
            return


def _interval(frame: Any, times: Sequence[str], baseline: Sequence[str]) -> tuple[float, float] | None:
    """Bootstrap interval of the mean share, sentences resampled; None if there is only one sentence."""
    if frame["sentence"].nunique() < 2:
        return None
    sentences = frame["sentence"].factorize()[0]
    members = [np.flatnonzero(sentences == k) for k in range(sentences.max() + 1)]
    tables = []
    for time in times:
        table = frame[[*baseline, "surprisal", f"column {time}"]].to_numpy(dtype=float)
        tables.append(np.column_stack([np.ones(len(table)), table]))

    def mean(drawn: np.ndarray) -> float:
        rows = np.concatenate([members[k] for k in drawn])
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
