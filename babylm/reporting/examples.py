"""Single sentences: how calibrated the preferences are, and pairs that are right and wrong, word by word."""

from __future__ import annotations

from typing import Any

import numpy as np

from babylm.evaluation.results.calibration import Calibration, calibration
from babylm.evaluation.results.item_results import ItemResults
from babylm.evaluation.results.store import StoredResult
from babylm.reporting import charts
from babylm.reporting.gather import Run
from babylm.reporting.markup import Html, esc, figure, folded, join, note, table, tag
from babylm.reporting.overview import coloured, legend
from babylm.reporting.scores import title

DARKEST = 14.0
"""Nats at which a word has the full colour."""
KINDS = {"wrong": "Clearly wrong", "close": "Close", "right": "Clearly right"}


def calibrated(runs: list[Run]) -> Html:
    """Reliability of the preference between the two sentences of a pair."""
    shown, rows = [], []
    keys = dict.fromkeys((*one.key, one.backend) for run in runs for one in run.last)
    for key in keys:
        found = []
        for run, colour in coloured(runs):
            one = next((one for one in run.last if (*one.key, one.backend) == key), None)
            own = None if one is None else _calibration(one)
            if own is not None:
                found.append((own, colour))
                temperature = "–" if own.temperature is None else f"{own.temperature:.1f}"
                numbers = [f"{100 * own.expected_error:.1f}", f"{own.brier:.3f}", f"{own.log_loss:.3f}", temperature]
                name = f"{title(key[0])} ({key[1]}, {key[2]}, {key[3]})"
                rows.append([name, run.name, f"{own.n:,}", *numbers])
        if found:
            name = f"{title(key[0])} ({key[1]}, {key[2]}, {key[3]})"
            shown.append(figure(name, charts.reliability(found, f"calibration, {name}")))
    if not shown:
        return Html("")
    header = ["task", "run", "pairs", "calibration error %", "Brier", "log loss", "best temperature"]
    about = note(
        "The probability of a sentence against its twin is the softmax of their log-probabilities; the calibration "
        "error is the mean distance from the diagonal over ten bins. Always one half has a Brier score of 0.25 and a "
        "log loss of 0.693. Dividing log-probabilities by the best temperature would make the log loss smallest. Of "
        "masked scorers the sums are pseudo-log-likelihoods, which are no probabilities."
    )
    return join([legend(runs), tag("div", *shown, class_="charts"), table(header, rows, text=[1]), about])


def _calibration(one: StoredResult) -> Calibration | None:
    kept = one.item_results()
    if kept is None or (kept.candidates != 2).any() or not np.isnan(kept.human).all():
        return None
    return calibration(kept.margins) if not np.isnan(kept.margins).all() else None


def examples(runs: list[Run]) -> Html:
    """Pairs of each kind with the surprisal of each word, for every task that keeps some."""
    parts: list[object] = []
    for run in runs:
        for one in run.last:
            kept = one.item_results()
            if kept is None or not any(kept.examples.values()):
                continue
            name = f"{title(one.content['task'])} ({one.content['model']}, {one.content['suite']}, {one.backend})"
            name = f"{run.name}, {name}" if len(runs) > 1 else name
            parts.append(folded(name, *_kinds(kept), is_open=not parts))
    if not parts:
        return Html("")
    about = note(
        "Numbers are surprisals in nats: the darker, the less expected. The ", tag("b", "✓", class_="yes"),
        " sentence is the right one; the margin is its log-probability above the other's.",
    )  # fmt: skip
    return join([about, *parts])


def _kinds(kept: ItemResults) -> list[Html]:
    return [
        join([tag("h3", name), *(_pair(pair) for pair in kept.examples[kind])])
        for kind, name in KINDS.items()
        if kept.examples.get(kind)
    ]


def _pair(pair: dict[str, Any]) -> Html:
    about = tag("div", tag("span", pair["uid"]), tag("span", f"margin {pair['margin']:+.3g} nats"), class_="about")
    sentences = [
        tag("div", tag("b", mark, class_=style), join([_word(*word) for word in pair[key]], " "), class_="sentence")
        for key, mark, style in (("good", "✓", "yes"), ("bad", "✗", "no"))
    ]
    return tag("div", about, *sentences, class_="pair")


def _word(word: str, nats: float | None) -> Html:
    if nats is None:
        return tag("span", word, class_="word")
    strength = 0.55 * min(max(nats, 0) / DARKEST, 1)
    return tag(
        "span", esc(word), tag("sub", f"{nats:.1f}"), class_="word", style=f"background:rgba(194,87,26,{strength:.2f})"
    )
