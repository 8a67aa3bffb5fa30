"""A user's table of reading times as one row per word, with what was read before it.

The table may have a row per word in reading order, or with ``reading_csv.position`` a row per reader and word in any
order. Rows of one position are averaged, so each word is scored once. A layout that can be read in two ways is refused,
with the two rows that show it.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babylm import registry
from babylm.config.schema import ReadingCsvConfig
from babylm.evaluation.data import delimited
from babylm.evaluation.tasks._reading_csv_checks import check_roles, repetition

STAND_INS = frozenset({-1, -9, -99, -999, -9999, -99999})
"""Numbers that stand for a time that was not measured, in tables of SPSS and older programs."""
NINES = frozenset({99, 999, 9999, 99999})
NO_WORDS = frozenset({"NA", "N/A", "<NA>", "#N/A", "#NA", "NaN", "-NaN", "-nan"})
"""What programs write where a text is missing; ``None`` and ``null`` are words."""
MOST_WORDS = 5000
"""Words of a sentence or passage: all before a word are read for it, which takes memory and time of their square."""
JOIN = "\x1f"
"""Between the values of several columns that name a sentence; no cell holds it."""
REPEATED = 0.5
"""Share of the sentences of four rows or more whose words must come twice to be taken for those of several readers."""


@dataclass(frozen=True)
class Row:
    """A line of the file: its columns."""

    columns: dict[str, Any]
    line: int = 0


class Rows(list[Row]):
    """The rows of a file, and how it was written."""

    def __init__(self, rows: Sequence[Row], file: Path, separator: str) -> None:
        super().__init__(rows)
        self.file, self.separator = file, separator


def read(file: Path) -> Rows:
    """The rows of a CSV or TSV file; `files.DamagedFile` where it is none."""
    table = delimited.read(file)
    return Rows([Row(cells, line) for line, cells in table.rows], file, table.separator)


def words(rows: Sequence[Row], settings: ReadingCsvConfig) -> Any:
    """A data frame with a row per word in reading order: sentence, word, context, length, frequency, ``column NAME``.

    ``ValueError`` names the file and the column or the rows that do not fit.
    """
    import pandas

    layout = _Layout(rows, settings)
    frame = layout.averaged() if settings.position else layout.in_order()
    made = pandas.DataFrame({"sentence": frame["sentence"], "word": frame["word"]})
    made["context"] = frame["context"] if settings.context else _contexts(frame["sentence"], frame["word"])
    made["length"] = frame[settings.length] if settings.length else made["word"].str.len()
    if settings.frequency:
        made["frequency"] = frame[settings.frequency]
    for name in (*settings.covariates, *settings.time):
        made[f"column {name}"] = frame[name]
    return made.reset_index(drop=True)


class _Layout:
    """The table as typed columns, with the line of each row."""

    def __init__(self, rows: Sequence[Row], settings: ReadingCsvConfig) -> None:
        import pandas

        self.settings = settings
        self.file = getattr(rows, "file", Path("reading_csv"))
        separator = getattr(rows, "separator", ",")
        self.lines = [row.line for row in rows]
        self.doubled = [k for k in range(1, len(rows)) if rows[k].columns == rows[k - 1].columns]
        names = list(rows[0].columns) if rows else []
        optional = {key: getattr(settings, key) for key in ("context", "frequency", "length", "position", "reader")}
        for key, named in {
            **{"word": [settings.word], "sentence": settings.sentence, "time": settings.time},
            **{"covariates": settings.covariates},
            **{key: [name] for key, name in optional.items() if name},
        }.items():
            for name in named:
                registry.check(name, names, f"{self.file}: reading_csv.{key}: column")
        if settings.reader and not settings.position:
            raise ValueError("reading_csv.reader: say with reading_csv.position which of a reader's rows is which word")
        check_roles(settings)
        self.numeric = [*settings.time, *settings.covariates]
        self.numeric += [name for name in (settings.frequency, settings.length) if name]
        taken = {settings.word, *settings.sentence, *self.numeric, *filter(None, optional.values())}
        self.others = {name: [row.columns[name] for row in rows] for name in names if name not in taken}
        """Columns without a role."""
        frame = pandas.DataFrame({"word": self._texts(rows, settings.word, "word")})
        keys = [self._texts(rows, name, "sentence") for name in settings.sentence]
        frame["sentence"] = [JOIN.join(parts) for parts in zip(*keys, strict=True)]
        if settings.context:
            frame["context"] = [row.columns[settings.context].strip() for row in rows]
        if settings.reader:
            frame["reader"] = self._texts(rows, settings.reader, "reader")
        positions = [settings.position] if settings.position else []
        for name in dict.fromkeys([*self.numeric, *positions]):
            cells = [(row.line, row.columns[name]) for row in rows]
            frame[name] = delimited.numbers(cells, self.file, name, separator)
        self.frame = frame
        for name in self.numeric:
            if frame[name].notna().sum() == 0:
                what = "explain" if name in settings.time else "explain with"
                raise ValueError(f"{self.file}: column {name} has no number in {len(rows)} rows: nothing to {what}")
        for name in settings.time:
            self._check_times(name)
        if not settings.context:
            self._check_lengths()

    def _check_times(self, name: str) -> None:
        """``ValueError`` where negative numbers stand for missing times."""
        times = self.frame[name]
        negative = times[times < 0]
        stands_in = set(negative) <= STAND_INS or (negative.nunique() == 1 and len(negative) > 1)
        if len(negative) and stands_in and (times >= 0).any():
            values = " or ".join(f"{value:g}" for value in sorted(set(negative)))
            raise ValueError(
                f"{self.file}, line {self.lines[negative.index[0]]}: {name} is {negative.iloc[0]:g}, and no time of "
                f"its column is negative but {values} ({len(negative)} rows): write NA where no time was measured"
            )
        largest = times.max()
        if largest in NINES and (times == largest).sum() > 1 and largest > 3 * times[times < largest].max():
            say(
                f"{self.file}: {(times == largest).sum()} of {len(times)} values of {name} are {largest:g}, far above "
                "all others, and are taken as measured; write NA where no time was measured"
            )
        for count, what in ((len(negative), "are negative"), (int((times == 0).sum()), "are 0")):
            if count and len(times) > count:
                say(
                    f"{self.file}: {count} of {len(times)} values of {name} {what}, and are taken as measured; "
                    "write NA to leave them out"
                )

    def _check_lengths(self) -> None:
        """``ValueError`` for a sentence with more rows than contexts can be made for."""
        counts = self.frame["sentence"].value_counts()
        if self.settings.reader:
            counts = self.frame.drop_duplicates(["sentence", self.settings.position])["sentence"].value_counts()
        if len(counts) and counts.iloc[0] > MOST_WORDS:
            raise ValueError(
                f"{self.file}: sentence {_named(counts.index[0])} has {counts.iloc[0]:,} words, of which each is read "
                f"after all before it: name shorter passages (reading_csv.sentence=[...], at most {MOST_WORDS:,} "
                "words), or what stands before each word (reading_csv.context=COLUMN)"
            )

    def _check_order(self) -> None:
        """``ValueError`` where a column without a role numbers the words of sentences otherwise than the rows do."""
        groups = [rows.index.tolist() for _, rows in self.frame.groupby("sentence", sort=False) if len(rows) > 2]
        for name, cells in self.others.items():
            wrong: list[tuple[int, int]] = []
            for index in groups:
                numbers = [cells[k].strip() for k in index]
                values = [int(text) for text in numbers if text.isdecimal()]
                if sorted(values) != list(range(min(values, default=0), min(values, default=0) + len(index))):
                    break
                wrong += [(a, b) for a, b, x, y in zip(index, index[1:], values, values[1:], strict=False) if x > y][:1]
            else:
                if wrong:
                    raise self._ambiguous(
                        *wrong[0],
                        f"column {name} numbers the words of each sentence, in another order than the rows",
                        f"if it is their order, give reading_csv.position={name}; else take the column out",
                    )

    def _texts(self, rows: Sequence[Row], name: str, what: str) -> list[str]:
        """A column of texts, none of which may be missing: what comes after a word without one would be another."""
        for row in rows:
            cell = row.columns[name].strip()
            if not cell or cell in NO_WORDS:
                raise ValueError(
                    f"{self.file}, line {row.line}: no {what} in column {name} ({cell or 'an empty cell'}); "
                    "fill it in, or remove the row"
                )
        return [row.columns[name].strip() for row in rows]

    def in_order(self) -> Any:
        """The frame as it is; ``ValueError`` where a sentence is in two places, or its words come several times."""
        last: dict[str, int] = {}
        previous = None
        # Where contexts are given, no two rows are joined to one.
        for index, sentence in enumerate([] if self.settings.context else self.frame["sentence"]):
            if sentence in last and sentence != previous:
                raise self._ambiguous(
                    last[sentence],
                    index,
                    f"sentence {_named(sentence)} is in two places",
                    "if it is two sentences, name them by several columns (reading_csv.sentence=[TEXT,SENTENCE]); if "
                    "several readers read it, give reading_csv.position=COLUMN",
                )
            last[sentence] = index
            previous = sentence
        self._check_readers()
        if not self.settings.context:
            self._check_order()
        repeated, counted = [], 0
        for _, words_of_sentence in self.frame.groupby("sentence", sort=False):
            if len(words_of_sentence) >= 4:
                counted += 1
                step = repetition(words_of_sentence["word"].tolist())
                repeated += [(words_of_sentence.index[0], words_of_sentence.index[step])] if step else []
        if repeated and len(repeated) >= REPEATED * counted:
            raise self._ambiguous(
                *repeated[0],
                "the words of a sentence come several times",
                "if several readers read them, give reading_csv.position=COLUMN (and reading_csv.reader=COLUMN)",
            )
        if self.doubled:
            lines = [self.lines[self.doubled[0] - 1], self.lines[self.doubled[0]]]
            say(
                f"{self.file}: lines {lines[0]} and {lines[1]} are the same row, and are read as two words "
                f"({len(self.doubled)} such rows): remove copies"
            )
        return self.frame

    def _check_readers(self) -> None:
        """``ValueError`` where a column that has no role cuts sentences into readings of the same words.

        So also where readers lack words, and no reading is the repetition of another.
        """
        if self.settings.context:
            return
        for name, cells in self.others.items():
            cut: list[tuple[int, int]] = []
            alike = 0
            for _, rows in self.frame.groupby("sentence", sort=False):
                values = [cells[index] for index in rows.index]
                end = next((k for k, value in enumerate(values) if value != values[0]), len(values))
                second = [k for k in range(end, len(values)) if values[k] == values[min(end, len(values) - 1)]]
                if min(end, len(second)) < 3:
                    continue
                words = rows["word"].tolist()
                shared = len({*words[:end]} & {words[k] for k in second})
                cut.append((rows.index[0], rows.index[end]))
                alike += shared >= REPEATED * min(len({*words[:end]}), len({words[k] for k in second}))
            if cut and alike >= 2 and alike >= REPEATED * len(cut):
                raise self._ambiguous(
                    *cut[0],
                    f"column {name} has several values in a sentence, with the same words",
                    f"of several readers, give reading_csv.reader={name} and reading_csv.position=COLUMN; of several "
                    f"sentences, name them by reading_csv.sentence=[...,{name}]",
                )

    def averaged(self) -> Any:
        """A row per word, by the first appearance of its sentence and its position; numbers are means of its rows."""
        frame, position = self.frame, self.settings.position
        assert position is not None
        missing = np.flatnonzero(frame[position].isna())
        if len(missing):
            raise ValueError(f"{self.file}, line {self.lines[missing[0]]}: no number in column {position}")
        first: dict[tuple[str, float], int] = {}
        by_reader: dict[tuple[str, str, float], int] = {}
        same = ["word", *(["context"] if self.settings.context else [])]
        columns = {name: frame[name].tolist() for name in same}
        readers = frame["reader"].tolist() if self.settings.reader else None
        for index, key in enumerate(zip(frame["sentence"], frame[position], strict=True)):
            start = first.setdefault(key, index)
            for name in same:
                if columns[name][start] != columns[name][index]:
                    raise self._ambiguous(
                        start,
                        index,
                        f"position {key[1]:g} of sentence {_named(key[0])} has two {name}s",
                        "further columns may be needed to name a sentence (reading_csv.sentence=[TEXT,SENTENCE])",
                    )
            before = None if readers is None else by_reader.setdefault((readers[index], *key), index)
            if before not in (None, index):
                raise self._ambiguous(
                    before,
                    index,
                    f"one reader has position {key[1]:g} of sentence {_named(key[0])} twice",
                    "further columns may be needed to name a sentence (reading_csv.sentence=[TEXT,SENTENCE])",
                )
        if readers is None and len(first) < len(frame):
            say(
                f"{self.file}: {len(frame)} rows are of {len(first)} words, averaged as those of several readers "
                "(reading_csv.reader=COLUMN checks that they are)"
            )
        others = dict.fromkeys(same, "first") | {name: "mean" for name in self.numeric if name != position}
        merged = frame.groupby(["sentence", position], sort=False, as_index=False).agg(others)
        order = {sentence: number for number, sentence in enumerate(dict.fromkeys(frame["sentence"]))}
        merged["order"] = merged["sentence"].map(order)
        merged = merged.sort_values(["order", position], kind="stable").reset_index(drop=True)
        self._warn_of_gaps(merged, position)
        return merged

    def _warn_of_gaps(self, merged: Any, position: str) -> None:
        if self.settings.context:
            return
        after = merged.groupby("sentence", sort=False)[position].diff()
        gaps = np.flatnonzero(after > 1)
        if len(gaps):
            row = merged.iloc[gaps[0]]
            say(
                f"{self.file}: no row has the word before position {row[position]:g} ({row['word']!r}) of sentence "
                f"{_named(row['sentence'])}: the words after it are read without it ({len(gaps)} such gaps)"
            )

    def _ambiguous(self, first: int, second: int, what: str, remedy: str) -> ValueError:
        """The error that shows two rows."""
        rows = " and ".join(
            f"line {self.lines[index]} ({_named(self.frame['sentence'][index])}: {self.frame['word'][index]})"
            for index in (first, second)
        )
        return ValueError(f"{self.file}: {what}: {rows}; {remedy}")


def _contexts(sentences: Sequence[str], words: Sequence[str]) -> list[str]:
    """What each word's sentence has before it."""
    so_far: dict[str, str] = {}
    contexts = []
    for sentence, word in zip(sentences, words, strict=True):
        contexts.append(so_far.get(sentence, ""))
        so_far[sentence] = f"{contexts[-1]} {word}".lstrip()
    return contexts


def _named(sentence: str) -> str:
    return ", ".join(sentence.split(JOIN))


@functools.cache
def say(text: str) -> None:
    """Warn once: a table is laid out when it is read, and again for each model."""
    logging.getLogger(__name__).warning(text)
