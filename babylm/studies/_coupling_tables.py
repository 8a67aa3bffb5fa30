"""Tables, figure and gates of the coupling study."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.studies import _game_ledger
from babylm.studies.experiment import Measurements, Summary
from babylm.tables import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROLES = ("comprehension", "generation")
LANGUAGE = ("vocabulary", "length", "overlap", "divergence")
GENERATION, RISE, COMPREHENSION, ORDER = 10.0, 10.0, 3.0, 2.0
"""Gates, in points: full over baseline in generation; full over its first round; full over baseline in comprehension;
how far the order of the arms may be violated."""


def by_round(measurements: Measurements, condition: str, number: int, measure: str) -> NDArray[np.float64]:
    """(seeds, games) of a round, in %."""
    items = measurements.select(measure=measure).items
    columns = [index for index, item in enumerate(items) if item.split(":")[0] == str(number)]
    return 100 * measurements.matrix(condition, measure)[:, columns]


def summarise(measurements: Measurements, rounds: int) -> Summary:
    """The summary; see `babylm.studies.coupling`."""
    from babylm.studies.statistics import bootstrap_mean

    shown, tables = range(1, rounds + 1), {}
    titles = ["arm", *(f"round {number}" for number in shown)]
    for role in ROLES:
        rows = []
        for name in measurements.conditions:
            means = [_mean(measurements, name, number, role) for number in shown]
            last = bootstrap_mean(by_round(measurements, name, rounds, role))
            rows.append([name, *means, f"{last.low:.1f} to {last.high:.1f}"])
        formats = ["", *[".1f"] * rounds, ""]
        caption = f"{role.capitalize()}, games won in %; 95 % interval of the last round"
        tables[role] = Table.of([*titles, "95 %"], rows, formats=formats, caption=caption)
    tables["contrasts"] = _contrasts(measurements, rounds)
    tables["language"] = _language(measurements, rounds)
    tables |= _game_ledger.table(measurements)
    title = "Coupling: one model listens and speaks in a reference game with hard distractors"
    return Summary(title, tables, _draw(measurements, rounds), _gates(measurements, rounds))


def _mean(measurements: Measurements, name: str, number: int, measure: str) -> float:
    return float(np.nanmean(by_round(measurements, name, number, measure)))


def _contrasts(measurements: Measurements, rounds: int) -> Table:
    """The last round against the baseline on the same games, and joint inference with the weights of round 1."""
    from babylm.studies.statistics import bootstrap_mean

    rows = []
    for name in measurements.conditions:
        for role in ROLES:
            if name != "baseline" and "baseline" in measurements.conditions:
                pair = by_round(measurements, name, rounds, role) - by_round(measurements, "baseline", rounds, role)
                interval = bootstrap_mean(pair)
                text = f"{interval.low:.1f} to {interval.high:.1f}"
                rows.append([f"{name} - baseline, last round", role, interval.estimate, text])
    if "full" in measurements.conditions:
        pair = by_round(measurements, "full", 1, "comprehension") - by_round(
            measurements, "full", 1, "comprehension_other"
        )
        interval = bootstrap_mean(pair)
        text = f"{interval.low:.1f} to {interval.high:.1f}"
        rows.append(["joint - plain inference, round 1, same weights", "comprehension", interval.estimate, text])
    formats = ["", "", "+.1f", ""]
    return Table.of(["contrast", "role", "points", "95 %"], rows, left=(0, 1), formats=formats, caption="Contrasts")


def _language(measurements: Measurements, rounds: int) -> Table:
    """What the student says in the first and the last round beside its partner, means of the seeds."""
    rows = []
    for name in measurements.conditions:
        for number in sorted({1, rounds}):
            values = [
                float(measurements.select(name, measure, item=str(number)).values.mean())
                for measure in (*LANGUAGE, "vocabulary_partner", "length_partner")
            ]
            rows.append([name, number, *values])
    titles = ["arm", "round", "vocabulary", "words", "overlap", "divergence", "partner's vocabulary", "partner's words"]
    formats = ["", "", ".1f", ".2f", ".2f", ".3f", ".1f", ".2f"]
    caption = "Utterances: words per utterance, share of the partner's vocabulary, Jensen-Shannon divergence in bits"
    return Table.of(titles, rows, formats=formats, caption=caption)


def _draw(measurements: Measurements, rounds: int) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        """A panel per role, in place of the given axes."""
        from babylm.reporting.charts import COLOURS

        figure = axes.figure
        axes.remove()
        shown = list(range(1, rounds + 1))
        panels = figure.subplots(1, len(ROLES), sharey=True)
        for panel, role in zip(panels, ROLES, strict=True):
            for position, name in enumerate(measurements.conditions):
                means = [_mean(measurements, name, number, role) for number in shown]
                panel.plot(shown, means, color=COLOURS[position], marker="o", markersize=4, label=name)
            panel.set_title(role)
            panel.set_xticks(shown)
            panel.set_xlabel("round")
        panels[0].set_ylabel("games won, %")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)

    return draw


def _gates(measurements: Measurements, rounds: int) -> list[str]:
    """The gates that the arms at hand allow."""
    names = measurements.conditions
    if not {"full", "baseline"} <= set(names):
        return []

    def last(name: str, role: str) -> float:
        return _mean(measurements, name, rounds, role)

    gain = last("full", "generation") - last("baseline", "generation")
    rise = last("full", "generation") - _mean(measurements, "full", 1, "generation")
    understood = last("full", "comprehension") - last("baseline", "comprehension")
    rises = {name: last(name, "comprehension") - _mean(measurements, name, 1, "comprehension") for name in names}
    divergence = {
        name: float(measurements.select(name, "divergence", item=str(rounds)).values.mean()) for name in names
    }
    gates = [
        (f"generation, full over baseline: {gain:+.1f} points (at least {GENERATION:.0f})", gain >= GENERATION),
        (f"generation, full, first to last round: {rise:+.1f} points (at least {RISE:.0f})", rise >= RISE),
        (f"comprehension, full over baseline: {understood:+.1f} points (at least 3)", understood >= COMPREHENSION),
        (f"comprehension rises in every arm: smallest rise {min(rises.values()):+.1f}", min(rises.values()) > 0),
        (
            f"divergence from the partner: full {divergence['full']:.3f}, baseline {divergence['baseline']:.3f}",
            divergence["full"] < divergence["baseline"],
        ),
    ]
    middle = [last(name, "generation") for name in names if name not in ("full", "baseline")]
    if middle:
        top, bottom = last("full", "generation") + ORDER, last("baseline", "generation") - ORDER
        gates.append(
            ("generation, order full, one coupling, baseline (2 points)", top >= max(middle) and min(middle) >= bottom)
        )
    return [f"Gate {'met' if met else 'missed'}: {text}." for text, met in gates]
