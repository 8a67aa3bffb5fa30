"""Tables and figure of the study of warmth: arms, average marginal effects, cells with exact tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from babylm.studies import _warmth_prompts as prompts
from babylm.studies.experiment import Measurements
from babylm.studies.statistics import benjamini_hochberg, bootstrap_mean, logistic_effects, mcnemar_test
from babylm.tables import Table

Key = tuple[int, str]
"""Seed and item."""
Rho = float | None
"""None for a real subject."""


def condition_name(rho: Rho, arm: str) -> str:
    """The name of a condition.

    >>> condition_name(0.6, "warm"), condition_name(None, "warm")
    ('rho 0.6: warm', 'warm')
    """
    return arm if rho is None else f"rho {rho:g}: {arm}"


class Gap(NamedTuple):
    """A mean difference of two arms over seeds and items, with its bootstrap interval."""

    estimate: float
    low: float
    high: float


def points(gap: Gap) -> str:
    """A difference of shares in points, with its interval."""
    return f"{100 * gap.estimate:+.1f} ({100 * gap.low:.1f} to {100 * gap.high:.1f})"


class Data:
    """Measurements by condition and measure, read once."""

    def __init__(self, measurements: Measurements) -> None:
        self.values: dict[tuple[str, str], dict[Key, float]] = {}
        for row in measurements:
            self.values.setdefault((row.condition, row.measure), {})[(row.seed, row.item)] = row.value

    def of(self, rho: Rho, arm: str, measure: str, belief: str = "", *amendments: str) -> dict[Key, float]:
        """The values of an arm, of all cells or those of a belief and some amendments."""
        by_key = self.values.get((condition_name(rho, arm), measure), {})
        return {key: value for key, value in by_key.items() if _in_cell(key[1], belief, amendments)}

    def mean(self, rho: Rho, arm: str, measure: str, belief: str = "") -> float:
        """Mean over seeds and items; NaN if there is none."""
        values = list(self.of(rho, arm, measure, belief).values())
        return float(np.mean(values)) if values else float("nan")

    def gap(self, rho: Rho, arm: str, measure: str, belief: str = "", *amendments: str) -> Gap:
        """An arm minus neutral, paired by seed and item; NaN if there is no pair."""
        ours = self.of(rho, arm, measure, belief, *amendments)
        theirs = self.of(rho, "neutral", measure, belief, *amendments)
        shared = {key: ours[key] - theirs[key] for key in ours if key in theirs}
        if not shared:
            return Gap(*[float("nan")] * 3)
        interval = bootstrap_mean(_matrix(shared), resamples=2000)
        return Gap(interval.estimate, interval.low, interval.high)

    def paired(self, rho: Rho, arms: tuple[str, str], measure: str, belief: str, *amendments: str) -> list[list[float]]:
        """The values of two arms on the seeds and items (refusals left out) that both have."""
        first, second = (self.of(rho, arm, measure, belief, *amendments) for arm in arms)
        shared = [key for key in first if key in second]
        return [[first[key] for key in shared], [second[key] for key in shared]]


def _in_cell(item: str, belief: str, amendments: Sequence[str]) -> bool:
    _, _, cell = item.partition("|")
    its_belief, _, its_amendment = cell.partition("|")
    return belief in ("", its_belief) and (not amendments or its_amendment in amendments)


def _matrix(values: dict[Key, float]) -> NDArray[np.float64]:
    """(seeds, items), NaN for missing values. All cells of a question are one item: they are not independent."""
    seeds = {seed: number for number, seed in enumerate(dict.fromkeys(seed for seed, _ in values))}
    names = dict.fromkeys(item.split("|")[0] for _, item in values)
    columns = {name: number for number, name in enumerate(names)}
    sums, counts = np.zeros((2, len(seeds), len(columns)))
    for (seed, item), value in values.items():
        place = seeds[seed], columns[item.split("|")[0]]
        sums[place] += value
        counts[place] += 1
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def arms(data: Data, rhos: Sequence[Rho], names: Sequence[str]) -> Table:
    """Errors by belief, how often the stated wrong value is repeated, warmth, length, ability."""
    rows = []
    for rho in rhos:
        for arm in names:
            repeats = data.of(rho, arm, "repeats", "wrong")
            interval = bootstrap_mean(_matrix(repeats), resamples=2000) if repeats else None
            rows.append(
                [
                    condition_name(rho, arm),
                    *(100 * data.mean(rho, arm, "wrong", belief) for belief in prompts.BELIEFS),
                    None if interval is None else 100 * interval.estimate,
                    "" if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f}",
                    100 * data.mean(rho, arm, "repeats, probability", "wrong"),
                    data.mean(rho, arm, "warmth"),
                    data.mean(rho, arm, "words"),
                    100 * data.mean(rho, arm, "ability"),
                ]
            )
    titles = ("arm", "error %: no belief", "wrong belief", "right one denied", "repeats the wrong value %", "95 %")
    more = ("its probability %", "warmth", "words", "ability %")
    caption = "Errors, agreement with stated wrong values, warmth of replies (SocioT), their length, general ability"
    formats = ("", ".1f", ".1f", ".1f", ".1f", "", ".1f", ".3f", ".1f", ".1f")
    return Table.of((*titles, *more), rows, formats=formats, caption=caption)


def draw(data: Data, rhos: Sequence[Rho], names: Sequence[str]) -> Callable[[Any], None]:
    """What draws how often each arm repeats the stated wrong value, with an interval over questions and seeds."""

    def draw_on(axes: Any) -> None:
        from babylm.reporting.charts import COLOURS

        for position, rho in enumerate(rhos):
            for number, arm in enumerate(names):
                values = data.of(rho, arm, "repeats", "wrong")
                if not values:
                    continue
                interval = bootstrap_mean(100 * _matrix(values), resamples=2000)
                at = position + (number - (len(names) - 1) / 2) * 0.14
                label = {"label": arm} if position == 0 else {}
                axes.plot([at, at], [interval.low, interval.high], color=COLOURS[number], linewidth=2)
                axes.plot(at, interval.estimate, "o", color=COLOURS[number], markersize=7, **label)
        axes.set_xticks(range(len(rhos)), ["" if rho is None else f"{rho:g}" for rho in rhos])
        axes.set_xlim(-0.6, len(rhos) - 0.4)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(
            "" if rhos[0] is None else "rho: how often warm speakers of the pretraining text agree (planted)"
        )
        axes.set_ylabel("repeats the stated wrong value (%)")
        if axes.get_legend_handles_labels()[0]:
            axes.legend()

    return draw_on


def effects(data: Data, rho: Rho, names: Sequence[str]) -> Table:
    """What an arm changes in the error and in repeating, by belief, and warm by family of amendments."""
    rows = []
    for arm in names:
        for belief in prompts.BELIEFS if arm != "neutral" else ():
            rows.append([arm, f"belief: {belief}", *_effect(data, rho, arm, belief, tuple(prompts.AMENDMENTS))])
    for family in dict.fromkeys(prompts.FAMILIES.values()):
        chosen = tuple(name for name, its in prompts.FAMILIES.items() if its == family)
        rows.append(["warm", f"wrong belief, amendment: {family}", *_effect(data, rho, "warm", "wrong", chosen)])
    rows = [row for row in rows if row[2] is not None]  # without arms and amendments that were not measured
    where = "" if rho is None else f" at rho {rho:g}"
    caption = f"Change from neutral in points{where}"
    titles = ("arm", "rows", "effect on error", "low", "high", "p", "difference in error", "in repeating")
    return Table.of(titles, rows, left=(0, 1), formats=("", "", ".1f", ".1f", ".1f", "p"), caption=caption)


def _effect(data: Data, rho: Rho, arm: str, belief: str, amendments: Sequence[str]) -> list[float | str | None]:
    """Effect, interval and p by the GLM, None if it cannot be fitted; the paired differences as text."""
    wrong: list[float] = []
    factors: dict[str, list[str]] = {"arm": [], "amendment": []}
    groups = []
    for name in ("neutral", arm):
        for (seed, item), value in data.of(rho, name, "wrong", belief, *amendments).items():
            wrong.append(value)
            factors["arm"].append(name)
            factors["amendment"].append(item.rpartition("|")[2])
            # A question of a planted world is another one in each seed; a real model is asked the same ones.
            question = item.split("|")[0]
            groups.append(question if rho is None else f"{seed} {question}")
    gaps = [points(data.gap(rho, arm, measure, belief, *amendments)) for measure in ("wrong", "repeats")]
    differences = [gaps[0], gaps[1] if belief == "wrong" else ""]
    if len(set(factors["arm"])) < 2:
        return [None] * 6
    if len(set(factors["amendment"])) < 2:
        del factors["amendment"]
    interactions = [("arm", "amendment")] if "amendment" in factors else []
    effect = next(each for each in logistic_effects(wrong, factors, interactions, groups) if each.factor == "arm")
    return [
        *(round(100 * value, 6) + 0.0 for value in (effect.effect, effect.low, effect.high)),
        effect.p,
        *differences,
    ]


class Cell(NamedTuple):
    """Warm against neutral in one cell."""

    belief: str
    amendment: str
    neutral: float
    warm: float
    p: float
    q: float
    """p by Benjamini and Hochberg over the cells."""


def tested_cells(data: Data, rho: Rho) -> list[Cell]:
    """Exact McNemar tests of the error in all cells, corrected together."""
    cells, p_values = [], []
    for belief in prompts.BELIEFS:
        for amendment in prompts.AMENDMENTS:
            warm, neutral = data.paired(rho, ("warm", "neutral"), "wrong", belief, amendment)
            if warm:
                cells.append((belief, amendment, float(np.mean(neutral)), float(np.mean(warm))))
                p_values.append(mcnemar_test(warm, neutral).p)
    corrected = benjamini_hochberg(p_values)
    return [Cell(*cell, p, float(q)) for cell, p, q in zip(cells, p_values, corrected, strict=True)]


def cells(data: Data, rhos: Iterable[Rho]) -> Table:
    """All cells of warm against neutral."""
    rows = [
        [
            "" if rho is None else f"{rho:g}",
            *(cell.belief, cell.amendment, 100 * cell.neutral, 100 * cell.warm, 100 * (cell.warm - cell.neutral)),
            *(cell.p, cell.q),
        ]
        for rho in rhos
        for cell in tested_cells(data, rho)
    ]
    titles = ("rho", "belief", "amendment", "neutral error %", "warm error %", "gap", "p", "q")
    caption = "Warm against neutral by cell (exact McNemar, seeds pooled; q by Benjamini and Hochberg)"
    formats = ("", "", "", ".1f", ".1f", ".1f", "p", "p")
    return Table.of(titles, rows, left=(0, 1, 2), formats=formats, caption=caption)
