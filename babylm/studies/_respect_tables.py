"""Tables, figure and gates of the ReSpect study."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.studies import _game_ledger, _gates
from babylm.studies.experiment import Measurements, Summary
from babylm.tables import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


GAIN, DRIFT, SHARE, PRECISION, PRECISION_DRIFT = 30.0, 5.0, 0.7, 0.85, 0.05
"""Gates: points that filtered fine-tuning gains, and that the control may move; share of the oracle's gain; precision
of positives in every round, and how far it may drift."""
NOT_SHOWN = "The speaker is a program with a fixed grammar: nothing is shown about people, nor about other games."
UNJUDGED = ("control", "seed_games")
"""Arms without judgements: the first is never retrained, the second is as much as the others, on the seed games."""


def by_round(measurements: Measurements, condition: str, number: int, measure: str = "success") -> NDArray[np.float64]:
    """(seeds, games) of a round."""
    matrix = measurements.matrix(condition, measure)
    items = measurements.select(measure=measure).items
    return matrix[:, [index for index, item in enumerate(items) if item.split(":")[0] == str(number)]]


def precision_by_round(measurements: Measurements, condition: str, rounds: int) -> list[float]:
    """Share of right actions among those decoded as good, over all seeds, in each round."""
    shares = []
    for number in range(rounds + 1):
        right, wrong = (
            measurements.select(condition, f"decoded +1 gold {gold}", item=str(number)).values.sum() for gold in (1, 0)
        )
        shares.append(float(right / (right + wrong)) if right + wrong else float("nan"))
    return shares


def summarise(measurements: Measurements, rounds: int) -> Summary:
    """The summary; see `babylm.studies.respect`."""
    from babylm.studies.statistics import bootstrap_mean

    names = measurements.conditions
    shown = range(rounds + 1)
    completion, turns = [], []
    for name in names:
        means = [100 * float(np.nanmean(by_round(measurements, name, number))) for number in shown]
        gain = bootstrap_mean(100 * _gain(measurements, name, rounds))
        completion.append([name, *means, gain.estimate, gain.limits()])
        turns.append([name, *(float(np.nanmean(by_round(measurements, name, number, "turns"))) for number in shown)])
    titles = ["arm", *(f"round {number}" for number in shown)]
    tables = {
        "completion": Table.of(
            [*titles, "gain", "95 %"],
            completion,
            formats=["", *[".1f"] * (rounds + 2), ""],
            caption="Games won, %, by round; gain from the first to the last",
        ),
        "contrasts": _contrasts(measurements, rounds),
        "turns": Table.of(titles, turns, formats=["", *[".2f"] * (rounds + 1)], caption="Turns per game, by round"),
        "decoder": _decoder(measurements, rounds),
        **_game_ledger.table(measurements),
    }
    gates = _gate_table(measurements, rounds)
    if gates:
        first, *others = tables.items()
        tables = dict([first, ("gates", gates), *others])
    title = "ReSpect: a listener learns from the next utterance of a scripted speaker"
    return Summary(
        title, tables, draw_curves(measurements, rounds), [*_gates.remarks(gates), NOT_SHOWN, _game_ledger.REMARK]
    )


def draw_curves(measurements: Measurements, rounds: int) -> Callable[[Any], None]:
    """What draws games won by round, a line with its 95 % interval per arm."""

    def draw(axes: Any) -> None:
        from babylm.reporting.charts import COLOURS
        from babylm.studies.statistics import bootstrap_mean

        shown = list(range(rounds + 1))
        for position, name in enumerate(measurements.conditions):
            intervals = [bootstrap_mean(100 * by_round(measurements, name, number)) for number in shown]
            colour, controls = COLOURS[position % len(COLOURS)], ("oracle", "random", *UNJUDGED)
            axes.fill_between(shown, [i.low for i in intervals], [i.high for i in intervals], color=colour, alpha=0.12)
            style = "--" if name in controls else "-"
            axes.plot(shown, [i.estimate for i in intervals], style, color=colour, label=name, marker="o", markersize=4)
        axes.set_xticks(shown)
        axes.set_xlabel("round")
        axes.set_ylabel("games won, %")
        axes.set_ylim(0, 100)
        axes.legend(ncols=2, fontsize=8)

    return draw


def _gain(measurements: Measurements, name: str, rounds: int) -> NDArray[np.float64]:
    """(seeds, games) last round minus first.

    The two games of a difference are no pair: they are drawn independently, so that an interval from resampled
    differences has the chance of both rounds.
    """
    return by_round(measurements, name, rounds) - by_round(measurements, name, 0)


def _contrasts(measurements: Measurements, rounds: int) -> Table:
    """Last round, each arm against each control, paired by seed and game: all arms of a round play the same games."""
    from babylm.studies.statistics import bootstrap_mean

    rows, shown = [], set()
    for name in measurements.conditions:
        for control in (*UNJUDGED, "random"):
            # Two controls are compared once: the other way round the sign alone would differ.
            if name != control and control in measurements.conditions and (control, name) not in shown:
                shown.add((name, control))
                pair = by_round(measurements, name, rounds) - by_round(measurements, control, rounds)
                interval = bootstrap_mean(100 * pair)
                rows.append([name, control, interval.estimate, interval.limits()])
    caption = "Games won in the last round, difference in points, same games"
    return Table.of(
        ["arm", "minus", "points", "95 %"], rows, left=(0, 1), formats=["", "", "+.1f", ""], caption=caption
    )


def _decoder(measurements: Measurements, rounds: int) -> Table:
    """Decoded feedback against gold, counts over rounds and seeds, and precision by round."""
    rows = []
    for name in measurements.conditions:
        counts = [
            measurements.select(name, f"decoded {mark:+d} gold {gold}").values.sum()
            for mark in (1, 0, -1)
            for gold in (1, 0)
        ]
        if name not in UNJUDGED:
            shares = precision_by_round(measurements, name, rounds)
            rows.append([name, *map(int, counts), " ".join(f"{share:.3f}" for share in shares)])
    titles = [f"{mark}, {gold}" for mark in ("good", "neutral", "bad") for gold in ("right", "wrong")]
    return Table.of(
        ["arm", *titles, "precision by round"], rows, caption="Actions judged (good, neutral, bad) against the truth"
    )


def _gate_table(measurements: Measurements, rounds: int) -> Table:
    """The gates that the arms at hand allow."""
    names = measurements.conditions
    gates: list[_gates.Gate] = []

    def gain(name: str) -> float:
        return 100 * float(np.nanmean(_gain(measurements, name, rounds)))

    def last(name: str) -> float:
        return 100 * float(np.nanmean(by_round(measurements, name, rounds)))

    def add(title: str, value: str, needed: str, is_met: bool) -> None:
        gates.append(_gates.Gate(title, value, needed, is_met))

    if "filtered" in names:
        value = gain("filtered")
        add("filtered gains from the first to the last round", f"{value:+.1f} points", f">= {GAIN:g}", value >= GAIN)
        shares = precision_by_round(measurements, "filtered", rounds)
        good = min(shares) >= PRECISION and max(shares) - min(shares) <= PRECISION_DRIFT
        needed = f">= {PRECISION}, drift <= {PRECISION_DRIFT}"
        add("precision of what is decoded as good", f"{min(shares):.3f} to {max(shares):.3f}", needed, good)
        begin, end = (float(np.nanmean(by_round(measurements, "filtered", n, "turns"))) for n in (0, rounds))
        add("filtered: turns per game fall", f"{begin:.2f} to {end:.2f}", "last < first round", end < begin)
    if "control" in names:
        value = gain("control")
        add("control stays where it is", f"{value:+.1f} points", f"within {DRIFT:g}", abs(value) <= DRIFT)
    for control, title in zip(UNJUDGED, ("control", "retraining on the seed games alone"), strict=True):
        if {"random", control} <= set(names):
            values = last("random"), last(control)
            shown = f"{values[0]:.1f} and {values[1]:.1f} %"
            add(f"random feedback is not above {title}", shown, "<=", values[0] <= values[1])
    if {"filtered", "oracle"} <= set(names) and gain("oracle") > 0:
        share = gain("filtered") / gain("oracle")
        add("filtered's share of the oracle's gain", f"{100 * share:.0f} %", f">= {100 * SHARE:g} %", share >= SHARE)
    return _gates.table(gates)
