"""When children know words, and in which sentences a model meets them: inputs of the study of developmental order."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from babylm import files
from babylm.evaluation.data import delimited
from babylm.evaluation.tasks import aoa

WORD = ("word", "word_clean", "definition", "item_definition")
AGE = ("age_of_acquisition", "AoA", "Rating.Mean")
SOURCE = (
    "give a table of words with the ages at which children know them (columns word, aoa), or with a share per month"
)
BEFORE = 2
"""Fewest words before the word in its sentence."""


def read(path: Path) -> dict[str, float]:
    """Word -> age, from a table (CSV or TSV); in months, or in the file's unit.

    A column of ages (``aoa``, ``age_of_acquisition``) is taken as it is; with a column per month (``16``, ``17``, ...)
    the age is that at which half of the children say the word. Phrases and words without an age are left out.

    Raises:
        ValueError: There is no column of words, or none of ages, or an age is no number (``NA`` is none).
    """
    table = delimited.read(path)
    columns, word, age = table.columns, table.named(WORD), table.named(AGE)
    months = aoa.months(columns)
    if word is None or (age is None and not months):
        raise files.DamagedFile(f"{path}: has the columns {', '.join(columns)}; {SOURCE}")
    ages: dict[str, float] = {}
    for text, value in aoa.children(path, word).items() if age is None else _ages(table, word, age):
        if _is_word(text.strip()):
            ages.setdefault(text.strip().lower(), value)
    if not ages:
        raise files.DamagedFile(f"{path}: no word has an age; {SOURCE}")
    return ages


def _ages(table: delimited.Table, word: str, age: str) -> Iterator[tuple[str, float]]:
    """(word, age) of the rows that have an age."""
    values = delimited.numbers(table.cells(age), table.file, age, table.separator)
    for (line, text), value in zip(table.cells(word), values, strict=True):
        if value <= 0:
            raise ValueError(
                f"{table.file}: column {age}, line {line}: no age is {value:g}; write NA where there is none"
            )
        if not math.isnan(value):
            yield text, value


def _is_word(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z']{2,}", text) is not None


def contexts(lines: Iterable[str], words: Iterable[str], most: int, least: int) -> dict[str, list[str]]:
    """Word -> beginnings of ``lines`` before it, at most ``most`` different ones; words with fewer than ``least`` go.

    >>> contexts(["the big dog ran", "I see a dog", "a dog"], ["dog", "ran"], 5, 2)
    {'dog': ['the big', 'I see a']}
    """
    listed = set(words)
    contexts_of: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        tokens = line.split()
        for position in range(BEFORE, len(tokens)):
            word = tokens[position].lower()
            context = " ".join(tokens[:position])
            if word in listed and len(contexts_of[word]) < most and context not in contexts_of[word]:
                contexts_of[word].append(context)
    return {word: texts for word, texts in sorted(contexts_of.items()) if len(texts) >= least}


def frequencies(texts: Sequence[str], words: Iterable[str]) -> dict[str, int]:
    """How often each word occurs in ``texts``, whatever its case."""
    counts = dict.fromkeys(words, 0)
    for text in texts:
        for token in text.lower().split():
            if token in counts:
                counts[token] += 1
    return counts
