"""Checks of a table of reading times: that no column has two roles, and whether its words come again and again."""

from __future__ import annotations

from collections.abc import Sequence

from babylm.config.schema import ReadingCsvConfig


def check_roles(settings: ReadingCsvConfig) -> None:
    """``ValueError`` where a column would be explained by itself, or would be two predictors."""
    roles = {"time": settings.time, "covariates": settings.covariates}
    roles |= {key: [name] for key in ("length", "frequency") if (name := getattr(settings, key))}
    owner: dict[str, str] = {}
    for key, columns in roles.items():
        for name in columns:
            if owner.setdefault(name, key) != key:
                raise ValueError(f"reading_csv.{owner[name]} and reading_csv.{key} are both the column {name}")
    for key in ("position", "reader", "context"):
        name = getattr(settings, key)
        other = "time" if name in settings.time else "word" if name == settings.word else None
        if other and (key, other) != ("position", "word"):  # words are no numbers, and that is told
            raise ValueError(f"reading_csv.{other} and reading_csv.{key} are both the column {name}")


def repetition(words: Sequence[str]) -> int:
    """Rows from a word to the same word of the next reader, where all words come two times or more; else 0."""
    size = len(words)
    for period in range(2, size // 2 + 1):
        if size % period == 0 and len(set(words[:period])) > 1 and list(words[:period]) * (size // period) == words:
            return period
    starts = [k for k in range(size) if k == 0 or words[k] != words[k - 1]]
    runs = [end - start for start, end in zip(starts, [*starts[1:], size], strict=True)]
    return 1 if len(runs) > 1 and min(runs) > 1 else 0
