"""Tables, figure and gates of the coupling study."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.studies import _game_ledger, _gates
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
            means = [games_won(measurements, name, number, role) for number in shown]
            last = bootstrap_mean(by_round(measurements, name, rounds, role))
            rows.append([name, *means, last.limits()])
        formats = ["", *[".1f"] * rounds, ""]
        caption = f"{role.capitalize()}, games won in %; 95 % interval of the last round"
        tables[role] = Table.of([*titles, "95 %"], rows, formats=formats, caption=caption)
    tables["contrasts"] = _contrasts(measurements, rounds)
    tables["language"] = _language(measurements, rounds)
    tables |= _game_ledger.table(measurements)
    gates = _gate_table(measurements, rounds)
    if gates:
        parts = list(tables.items())
        tables = dict([*parts[: len(ROLES)], ("gates", gates), *parts[len(ROLES) :]])
    title = "Coupling: one model listens and speaks in a reference game with hard distractors"
    return Summary(title, tables, _draw(measurements, rounds), [*_gates.remarks(gates), _game_ledger.REMARK])


def games_won(measurements: Measurements, name: str, number: int, measure: str) -> float:
    """Mean of a round over seeds and games, in %."""
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
                rows.append([f"{name} - baseline, last round", role, interval.estimate, interval.limits()])
    if "full" in measurements.conditions:
        pair = by_round(measurements, "full", 1, "comprehension") - by_round(
            measurements, "full", 1, "comprehension_other"
        )
        interval = bootstrap_mean(pair)
        title = "joint - plain inference, round 1, same weights"
        rows.append([title, "comprehension", interval.estimate, interval.limits()])
    formats = ["", "", "+.1f", ""]
    return Table.of(["contrast", "role", "points", "95 %"], rows, left=(0, 1), formats=formats, caption="Contrasts")


def _language(measurements: Measurements, rounds: int) -> Table:
    """What the student says in the first and the last round beside its partner, means of the seeds."""
    rows = []
    for name in measurements.conditions:
        for number in sorted({1, rounds}):
            values = [
                measurements.mean(name, measure, item=str(number))
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
                means = [games_won(measurements, name, number, role) for number in shown]
                panel.plot(shown, means, color=COLOURS[position], marker="o", markersize=4, label=name)
            panel.set_title(role)
            panel.set_xticks(shown)
            panel.set_xlabel("round")
        panels[0].set_ylabel("games won, %")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)

    return draw


def _gate_table(measurements: Measurements, rounds: int) -> Table:
    """The gates that the arms at hand allow, in the last round unless another is named."""
    names = measurements.conditions
    if not {"full", "baseline"} <= set(names):
        return _gates.table([])

    def last(name: str, role: str) -> float:
        return games_won(measurements, name, rounds, role)

    def gain(title: str, value: float, least: float) -> _gates.Gate:
        return _gates.Gate(title, f"{value:+.1f} points", f">= {least:g}", value >= least)

    rise = last("full", "generation") - games_won(measurements, "full", 1, "generation")
    rises = [last(name, "comprehension") - games_won(measurements, name, 1, "comprehension") for name in names]
    divergence = {name: measurements.mean(name, "divergence", item=str(rounds)) for name in ("full", "baseline")}
    closer = divergence["full"] < divergence["baseline"]
    both = f"full {divergence['full']:.3f}, baseline {divergence['baseline']:.3f} bits"
    gates = [
        gain("generation: full - baseline", last("full", "generation") - last("baseline", "generation"), GENERATION),
        gain("generation: full, first to last round", rise, RISE),
        gain(
            "comprehension: full - baseline",
            last("full", "comprehension") - last("baseline", "comprehension"),
            COMPREHENSION,
        ),
        _gates.Gate(
            "comprehension rises in every arm", f"smallest rise {min(rises):+.1f} points", "> 0", min(rises) > 0
        ),
        _gates.Gate("full diverges less from its partner than baseline", both, "full < baseline", closer),
    ]
    middle = [last(name, "generation") for name in names if name not in ("full", "baseline")]
    if middle:
        full, baseline = last("full", "generation"), last("baseline", "generation")
        is_so = full + ORDER >= max(middle) and min(middle) >= baseline - ORDER
        value = f"{full:.1f}, {min(middle):.1f} to {max(middle):.1f}, {baseline:.1f} %"
        gates.append(
            _gates.Gate("generation: full, one coupling, baseline in order", value, f"within {ORDER:g} points", is_so)
        )
    return _gates.table(gates)
