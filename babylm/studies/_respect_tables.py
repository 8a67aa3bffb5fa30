"""Tables, figure and gates of the ReSpect study."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.studies import _game_ledger
from babylm.studies.experiment import Measurements, Summary
from babylm.tables import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from babylm.studies.statistics import Interval

GAIN, DRIFT, SHARE, PRECISION, PRECISION_DRIFT = 30.0, 5.0, 0.7, 0.85, 0.05
"""Gates: points that filtered fine-tuning gains, and that the control may move; share of the oracle's gain; precision
of positives in every round, and how far it may drift."""
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
        completion.append([name, *means, gain.estimate, _limits(gain)])
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
        "words": _words(measurements),
        **_game_ledger.table(measurements),
    }
    title = "ReSpect: a listener learns from the next utterance of a scripted speaker"
    return Summary(title, tables, draw_curves(measurements, rounds), _gates(measurements, rounds))


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
    """(seeds, games) last round minus the mean of the first: games of different rounds are not paired."""
    first = np.nanmean(by_round(measurements, name, 0), axis=1, keepdims=True)
    return by_round(measurements, name, rounds) - first


def _contrasts(measurements: Measurements, rounds: int) -> Table:
    """Last round, each arm against each control, paired by seed and game: all arms of a round play the same games."""
    from babylm.studies.statistics import bootstrap_mean

    rows = []
    for name in measurements.conditions:
        for control in (*UNJUDGED, "random"):
            if name != control and control in measurements.conditions:
                pair = by_round(measurements, name, rounds) - by_round(measurements, control, rounds)
                interval = bootstrap_mean(100 * pair)
                rows.append([name, control, interval.estimate, _limits(interval)])
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


def _words(measurements: Measurements) -> Table:
    """Words per arm, mean of the seeds: what the speaker said to the student, and what the student said."""
    rows = []
    for name in measurements.conditions:
        seeds = len({row.seed for row in measurements.select(name)})
        sums = [
            measurements.select(name, measure).values.sum() / seeds
            for measure in ("words_shown", "words_said", "judged")
        ]
        rows.append([name, *map(int, sums)])
    titles = ["arm", "words shown to the student", "words generated", "actions judged"]
    return Table.of(titles, rows, formats=["", ",", ",", ","], caption="Ledger: words of all rounds, mean of the seeds")


def _gates(measurements: Measurements, rounds: int) -> list[str]:
    """The gates that the arms at hand allow, each with its numbers and whether it is met."""
    names = measurements.conditions

    def gain(name: str) -> float:
        return 100 * float(np.nanmean(_gain(measurements, name, rounds)))

    def last(name: str) -> float:
        return 100 * float(np.nanmean(by_round(measurements, name, rounds)))

    gates: list[tuple[str, bool]] = []
    if "filtered" in names:
        gates.append((f"filtered gains {gain('filtered'):.1f} points (at least {GAIN:.0f})", gain("filtered") >= GAIN))
        shares = precision_by_round(measurements, "filtered", rounds)
        good = min(shares) >= PRECISION and max(shares) - min(shares) <= PRECISION_DRIFT
        text = (
            f"precision of positives {min(shares):.3f} to {max(shares):.3f} (at least {PRECISION}, drift at most 0.05)"
        )
        gates.append((text, good))
    if "control" in names:
        gates.append(
            (f"control moves {gain('control'):+.1f} points (at most {DRIFT:.0f})", abs(gain("control")) <= DRIFT)
        )
    for control, title in zip(UNJUDGED, ("control", "retraining on the seed games alone"), strict=True):
        if {"random", control} <= set(names):
            text = f"random feedback {last('random'):.1f} %, {title} {last(control):.1f} % (not above)"
            gates.append((text, last("random") <= last(control)))
    if {"filtered", "oracle"} <= set(names) and gain("oracle") > 0:
        share = gain("filtered") / gain("oracle")
        gates.append((f"filtered has {100 * share:.0f} % of the oracle's gain (at least 70 %)", share >= SHARE))
    return [f"Gate {'met' if met else 'missed'}: {text}." for text, met in gates]


def _limits(interval: Interval) -> str:
    return f"{interval.low:.1f} to {interval.high:.1f}"
