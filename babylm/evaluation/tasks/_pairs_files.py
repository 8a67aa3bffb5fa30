"""A user's minimal pairs: a file or a folder of JSONL, CSV and TSV, in the layouts that projects use.

    python -m babylm.evaluate checkpoints/s1 tasks=my/pairs                      nested folders too
    python -m babylm.evaluate checkpoints/s1 tasks=my/pairs.tsv pairs.good=ok pairs.bad=star

Which field holds the right sentence is taken from names that say so (``sentence_good``, ``ungrammatical``, ...), or
from ``pairs.*`` (`babylm.config.evaluation.PairsConfig`); it is never guessed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from babylm import folders, registry
from babylm.config.evaluation import OTHER_FORMS, PairsConfig
from babylm.evaluation.data import delimited
from babylm.evaluation.results.task_result import Item, evenly_spaced
from babylm.evaluation.tasks import _data, _minimal_pairs

SUFFIXES = (".jsonl", ".csv", ".tsv")
WORDS = (
    ("good", "bad"),
    ("grammatical", "ungrammatical"),
    ("acceptable", "unacceptable"),
    ("correct", "incorrect"),
    ("right", "wrong"),
    ("plausible", "implausible"),
)
"""Words in names of fields that say which sentence is right."""
OFFICIAL = ("sentence_good", "sentence_bad")
STAND_INS = (delimited.MISSING | {"None", "none", "undefined"}) - {"."}
"""What R, pandas and Python write where there is no sentence."""
OPTIONS = "say which with pairs.good=FIELD pairs.bad=FIELD"
LABELS = frozenset(
    {
        *("label", "labels", "gold_label", "answer", "correct_answer", "gold", "target", "correct", "winner", "better"),
        *("chosen", "choice", "judgment", "judgement", "acceptability", "preferred"),
    }
)
"""Fields that say line by line which sentence is right, or whether a single one is."""
LABELLED = "a label per line is not read: write the right sentence in one field, and the wrong one in another"


def read(path: Path, limit: int | None = None, settings: PairsConfig | None = None) -> list[Item]:
    """The pairs of a file, or of all files below a folder; at most ``limit`` per file, evenly spaced.

    The UID is the field ``pairs.uid``, or as in BLiMP's files, or the file's name (below a folder, its path there).
    ``ValueError`` names file, line, what was there and what is expected.
    """
    settings = settings or PairsConfig()
    if (settings.good is None) != (settings.bad is None):
        raise ValueError("pairs.good and pairs.bad name two fields: give both, or neither")
    items: list[Item] = []
    equal: list[_data.Record] = []
    seen: dict[tuple[str, ...], _data.Record] = {}
    twice: list[tuple[_data.Record, _data.Record]] = []
    for file in _files(path):
        name = file.stem if file == path else file.relative_to(path).with_suffix("").as_posix()
        pairs = []
        layout: tuple[str, str] | None = None
        first: _data.Record | None = None
        for record in _records(file):
            layout = layout or _layout(record, settings)
            first = first or record
            _check_labels(first, record, layout)
            uid = record.name(settings.uid) if settings.uid else _minimal_pairs.uid(record, name)
            pairs.append(_minimal_pairs.pair(record, uid, *layout))
            for field, sentence in zip(layout, pairs[-1].sentences, strict=True):
                if sentence.strip() in STAND_INS:
                    raise record.wrong(f"{field} is {sentence.strip()!r}, which stands for a missing text")
            if pairs[-1].sentences[0] == pairs[-1].sentences[1]:
                equal.append(record)
            if (before := seen.setdefault(pairs[-1].sentences, record)) is not record:
                twice.append((before, record))
        items += evenly_spaced(pairs, limit)
    if equal:
        logging.getLogger(__name__).warning(
            "%s, line %d: both sentences are the same text, so this pair can only tie (%d such pairs in %s)",
            equal[0].file, equal[0].line, len(equal), path,
        )  # fmt: skip
    if twice:
        before, again = twice[0]
        logging.getLogger(__name__).warning(
            "%s, line %d has the pair of %s, line %d (%d such pairs in %s): each counts twice, and intervals are too "
            "narrow; take copies out",
            again.file, again.line, before.file, before.line, len(twice), path,
        )  # fmt: skip
    return items


def recognised(fields: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs of fields, of the right and the wrong sentence, whose names say so; BLiMP's own are enough alone."""
    names = list(fields)
    if set(OFFICIAL) <= set(names):
        return [OFFICIAL]
    by_parts: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        by_parts.setdefault(tuple(_parts(name)), []).append(name)
    layouts = []
    for parts, right_names in by_parts.items():
        for right, wrong in WORDS:
            if right in parts:
                wrong_names = by_parts.get(tuple(wrong if part == right else part for part in parts), [])
                layouts += [(good, bad) for good in right_names for bad in wrong_names]
    return layouts


def _parts(name: str) -> Sequence[str]:
    return name.strip().lower().replace("-", "_").replace(" ", "_").split("_")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    below = folders.visible_files(path)
    data_files = [file for file in below if file.suffix.lower() in SUFFIXES]
    for file in data_files:
        if not file.is_file():
            what = "a link to nothing" if file.is_symlink() else "no regular file"
            raise ValueError(f"{file}: {what}; take it out of the folder, or put the pairs there")
    if not data_files:
        others = sorted(file.name for file in below if file.is_file())
        there = f" (there are {', '.join(others[:3])})" if others else ""
        remedy = next(
            (f"; {OTHER_FORMS[s]}" for s in OTHER_FORMS if any(name.lower().endswith(s) for name in others)), ""
        )
        raise _data.MissingData(
            f"{path}: no minimal pairs there, {', '.join(f'*{s}' for s in SUFFIXES)}{there}{remedy}"
        )
    others = sorted(file.name for file in below if file.suffix.lower() in OTHER_FORMS and file.suffix.lower() != ".txt")
    if others:
        logging.getLogger(__name__).warning(
            "%s: left out, as they are not %s: %s", path, ", ".join(f"*{s}" for s in SUFFIXES), _data.shown(others)
        )
    return data_files


def _records(file: Path) -> Iterator[_data.Record]:
    if file.suffix.lower() == ".jsonl":
        yield from _data.records(file, _minimal_pairs.EXPECTED)
        return
    for line, cells in delimited.read(file).rows:
        yield _data.Record(cells, file, line, "a minimal pair: two cells with a sentence each")


def _layout(record: _data.Record, settings: PairsConfig) -> tuple[str, str]:
    """The fields of the right and the wrong sentence in the file whose first line ``record`` is."""
    labels = [field for field in record.fields if field.strip().lower() in LABELS]
    if settings.good is not None and settings.bad is not None:
        for key, field in (("good", settings.good), ("bad", settings.bad)):
            registry.check(field, record.fields, f"{record.file}, line {record.line}: pairs.{key}")
        if settings.good == settings.bad:
            raise ValueError(f"pairs.good and pairs.bad are both {settings.good}")
        return settings.good, settings.bad
    layouts = recognised(record.fields)
    if len(layouts) == 1:
        return layouts[0]
    fields = _data.shown(list(record.fields)) or "none"
    if layouts:
        shown = " and ".join("/".join(layout) for layout in layouts)
        raise record.wrong(f"several fields may hold the pair ({shown}): {OPTIONS}")
    remedy = f"{OPTIONS} if it is the same one in all lines; {LABELLED} ({labels[0]})" if labels else OPTIONS
    raise record.wrong(f"no field's name says which sentence is right (fields: {fields}): {remedy}")


def _check_labels(first: _data.Record, record: _data.Record, layout: tuple[str, str]) -> None:
    """``ValueError`` where a label that changes from line to line contradicts fields whose names say nothing."""
    if layout in recognised(record.fields):
        return
    for field in record.fields:
        label, before = record.fields[field], first.fields.get(field)
        if field in layout:
            continue
        if field.strip().lower() in LABELS and label != before and _is_label(label, layout):
            raise record.wrong(
                f"{field} is {_data.kind(label)}, and {_data.kind(before)} in line {first.line}: {LABELLED}"
            )


def _is_label(value: Any, layout: tuple[str, str]) -> bool:
    """Whether a value is a number, a letter or a field's name, not a text of its own."""
    return not isinstance(value, str) or len(value.strip()) <= 1 or value.strip() in layout
