"""Tables of the relational study on models' insides: attention, states, surprisal, and which episodes collapsed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from babylm.studies._relational_messages import CONDITIONS, WITH_MESSAGE
from babylm.studies._relational_sentences import CONCEPTS
from babylm.studies._relational_tables import Paired
from babylm.studies.statistics import benjamini_hochberg, bootstrap_mean, sign_flip_test, spearman
from babylm.tables import Table

PLACES = ("early", "middle", "late", "last layer")


def attention_table(paired: Paired) -> Table:
    """Length-corrected attention to the message by band of layers (1: as uniform attention), raw share, surprisal."""
    rows: list[list[Any]] = []
    names = [f"attention {place}" for place in PLACES]
    for subject in _with(paired, names[0]):
        for condition in WITH_MESSAGE:
            row: list[Any] = [subject, condition, len(paired.flat(subject, names[0], {condition: 1}))]
            row += [paired.mean(subject, name, condition) for name in names]
            interval = bootstrap_mean(paired.matrix(subject, names[-1], {condition: 1}), resamples=2000)
            row += [interval.low, interval.high]
            others = ("raw attention last layer", "surprisal", "unigram surprisal", "length")
            rows.append([*row, *(paired.mean(subject, name, condition) for name in others)])
    titles = ("subject", "condition", "n", *PLACES, "low", "high", "raw, last", "surprisal", "unigram", "tokens")
    formats = ("", "", "", *[".3f"] * 7, ".2f", ".2f", ".1f")
    return Table.of(titles, rows, left=(0, 1), formats=formats, caption="attention to the message")


def surprisal_table(paired: Paired) -> Table:
    """All pairs of conditions in attention of the last layer, corrected together, and Spearman with surprisal."""
    rows: list[list[Any]] = []
    name = "attention last layer"
    for subject in _with(paired, name):
        tests = []
        for first, second in itertools.combinations(WITH_MESSAGE, 2):
            differences = paired.flat(subject, name, {first: 1, second: -1})
            tests.append((f"{first} - {second}", sign_flip_test(differences), len(differences)))
        q = benjamini_hochberg([test.p for _, test, _ in tests])
        rows += [
            [subject, title, n, test.effect, None, None, test.p, float(value)]
            for (title, test, n), value in zip(tests, q, strict=True)
        ]
        for measure in ("surprisal", "unigram surprisal"):
            both = [
                (a, b)
                for condition in WITH_MESSAGE
                for a, b in zip(
                    paired.flat(subject, measure, {condition: 1}),
                    paired.flat(subject, name, {condition: 1}),
                    strict=True,
                )
            ]
            if len({a for a, _ in both}) > 2:
                rho = spearman([a for a, _ in both], [b for _, b in both])
                rows.append(
                    [subject, f"Spearman with {measure}", len(both), rho.estimate, rho.low, rho.high, rho.p, None]
                )
        differences = paired.flat(subject, "surprisal", {"D": 1, "C": -1})
        test = sign_flip_test(differences)
        rows.append([subject, "surprisal D - C", len(differences), test.effect, None, None, test.p, None])
    titles = ("subject", "comparison", "n", "value", "low", "high", "p", "q")
    formats = ("", "", "", *["+.3f"] * 3, "p", "p")
    return Table.of(titles, rows, left=(0, 1), formats=formats, caption="Attention of the last layer, and surprisal")


def states_table(paired: Paired) -> Table:
    """Change of each probe's probability from the collapse to one action after the message; AUC of the probes."""
    rows: list[list[Any]] = []
    for subject in _with(paired, f"{CONCEPTS[0]} +1"):
        for point in (1, 3):
            for condition in CONDITIONS:
                values = [paired.mean(subject, f"{concept} +{point}", condition) for concept in CONCEPTS]
                rows.append([subject, condition, f"+{point}", *values])
        tests = [paired.flat(subject, f"{concept} +1", {"C": 1, "B": -1}) for concept in CONCEPTS]
        q = benjamini_hochberg([sign_flip_test(differences).p if len(differences) else np.nan for differences in tests])
        rows.append([subject, "C - B", "q of +1", *(float(value) for value in q)])
        auc = paired.by_item(subject, "probe AUC")
        rows.append([subject, "", "AUC", *(auc.get(concept) for concept in CONCEPTS)])
    formats = ("", "", "", *[".3f"] * len(CONCEPTS))
    return Table.of(
        ("subject", "condition", "point", *CONCEPTS),
        rows,
        left=(0, 1, 2),
        formats=formats,
        caption="State probes: change of each probability by one and three actions after the message",
    )


def collapses_table(paired: Paired) -> Table:
    """How many tasks collapsed, which clause was met, and how the student's training went."""
    rows: list[list[Any]] = []
    for subject in paired.subjects():
        left_out = paired.single(subject, "not collapsed")
        if not left_out:
            continue
        clause = paired.single(subject, "entropy clause")
        losses = [paired.single(subject, name) for name in ("first loss", "last loss")]
        shown = [float(np.mean(values)) if values else None for values in losses]
        raised = float(np.mean(clause)) if clause else None
        rows.append([subject, len(clause), int(sum(left_out)), raised, *shown])
    titles = ("subject", "collapsed", "not collapsed", "share with raised entropy", "first loss", "last loss")
    return Table.of(titles, rows, formats=("", "", "", ".2f", ".3f", ".3f"), caption="Collapses")


def _with(paired: Paired, measure: str) -> list[str]:
    return [subject for subject in paired.subjects() if measure in paired.measures(subject)]
