"""Single sentences: how calibrated the preferences are, and pairs that are right and wrong, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from babylm.evaluation.results.calibration import Calibration, calibration
from babylm.evaluation.results.item_results import ItemResults
from babylm.evaluation.results.store import StoredResult
from babylm.reporting import charts
from babylm.reporting.blocks import Block, Charts, Figure, Folded, Heading, Note, Pair, Tabular, Word
from babylm.reporting.legend import coloured, legend
from babylm.reporting.scores import title
from babylm.runs import Run
from babylm.tables import Table

DARKEST = 14.0
"""Nats at which a word has the full colour."""
KINDS = {"wrong": "Clearly wrong", "close": "Close", "right": "Clearly right"}
CALIBRATION = (
    "The probability of a sentence against its twin is the softmax of their log-probabilities; the calibration error "
    "is the mean distance from the diagonal over ten bins. Always one half has a Brier score of 0.25 and a log loss of "
    "0.693. Dividing log-probabilities by the best temperature would make the log loss smallest. Of masked scorers "
    "the sums are pseudo-log-likelihoods, which are no probabilities."
)


def calibrated(runs: Sequence[Run]) -> list[Block]:
    """Reliability of the preference between the two sentences of a pair."""
    figures, rows = [], []
    for key in dict.fromkeys((*result.key, result.backend) for run in runs for result in run.last_results):
        name = f"{title(key[0])} ({key[1]}, {key[2]}, {key[3]})"
        calibrations = []
        for run, colour in coloured(runs):
            result = next((r for r in run.last_results if (*r.key, r.backend) == key), None)
            of_run = None if result is None else _calibration(result)
            if of_run is not None:
                calibrations.append((run, of_run, colour))
                numbers = (100 * of_run.expected_error, of_run.brier, of_run.log_loss, of_run.temperature)
                rows.append((name, run.name, of_run.n, *numbers))
        if calibrations:
            chart = charts.reliability([(c, colour) for _, c, colour in calibrations], f"calibration, {name}")
            bins = [
                (run.name, b.low, b.high, b.n, b.confidence, b.accuracy)
                for run, c, _ in calibrations
                for b in c.bins
                if b.n
            ]
            header = ("run", "from", "to", "pairs", "confidence", "accuracy")
            figures.append(Figure(name, {"confidence": chart}, header, bins))
    if not figures:
        return []
    titles = ("task", "run", "pairs", "calibration error %", "Brier", "log loss", "best temperature")
    formats = ("", "", ",", ".1f", ".3f", ".3f", ".1f")
    table = Table.of(titles, rows, left=(0, 1), formats=formats, note=CALIBRATION)
    return [Charts(figures, legend(runs)), Tabular(table)]


def _calibration(result: StoredResult) -> Calibration | None:
    items = result.item_results()
    if items is None or (items.candidates != 2).any() or not np.isnan(items.human).all():
        return None
    return calibration(items.margins) if not np.isnan(items.margins).all() else None


def examples(runs: Sequence[Run]) -> list[Block]:
    """Pairs of each kind with the surprisal of each word, for every task that keeps some."""
    blocks: list[Block] = []
    for run in runs:
        for result in run.last_results:
            items = result.item_results()
            if items is None or not any(items.examples.values()):
                continue
            task, suite, _ = result.key
            name = f"{title(task)} ({result.content['model']}, {suite}, {result.backend})"
            name = f"{run.name}, {name}" if len(runs) > 1 else name
            blocks.append(Folded(name, _kinds(items), is_open=not blocks))
    if not blocks:
        return []
    note = (
        "Numbers are surprisals in nats: the darker, the less expected. The ✓ sentence is the right one; the margin is "
        "its log-probability above the other's."
    )
    return [Note(note), *blocks]


def _kinds(items: ItemResults) -> list[Block]:
    blocks: list[Block] = []
    for kind, name in KINDS.items():
        if pairs := items.examples.get(kind):
            blocks += [Heading(name), *(_pair(pair) for pair in pairs)]
    return blocks


def _pair(pair: dict[str, Any]) -> Pair:
    sentences = [(key == "good", [_word(*word) for word in pair[key]]) for key in ("good", "bad")]
    return Pair(pair["uid"], pair["margin"], sentences)


def _word(text: str, nats: float | None) -> Word:
    return Word(text, nats, 0.0 if nats is None else 0.55 * min(max(nats, 0) / DARKEST, 1))
