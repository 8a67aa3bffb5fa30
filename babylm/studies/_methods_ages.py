"""How early frequent words are learnt with trials and demonstrations (TnD, 2025), beside plain text.

Students have the base's shape and random weights, the same for all arms of a seed. All take equally many steps with
equally many sequences in each. After each round the surprisal of frequent words in held-out sentences is measured; the
*neural age of acquisition* of a word is the number of steps after which a sigmoid through these points is half-way
between guessing (each of its tokens out of the vocabulary) and its minimum. A student that ends with more surprisal has
its half-way mark earlier on, so a second age takes the half-way mark of plain text for all arms.

PPO has an optimizer of its own at a fifth of the rate, as in the original (2e-5 and 1e-4), and no reference model:
what the student is at its start is nothing to stay near.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.lazy import torch
from babylm.randomness import Purpose, derive_seed
from babylm.studies import _gates
from babylm.studies import _methods_runs as runs
from babylm.studies import _methods_stories as stories
from babylm.studies import _methods_tables as tables
from babylm.studies.experiment import Measurements
from babylm.studies.statistics import Interval, bootstrap_mean
from babylm.tables import Table

if TYPE_CHECKING:
    from babylm.interaction.episodes import Turn
    from babylm.interaction.finetune import Group, Tuner
    from babylm.studies._methods_shared import SharedInputs

SIZES = {
    "smoke": {"rounds": 4, "contexts": 8, "steps": 6, "corpus_steps": 2},
    "cpu": {"rounds": 24, "contexts": 128, "steps": 12, "corpus_steps": 4},
    "cpu_large": {"rounds": 24, "contexts": 256, "steps": 24, "corpus_steps": 8},
    "gpu": {"rounds": 30, "contexts": 512, "steps": 48, "corpus_steps": 16},
}
"""Rounds and steps of each scale of the study; rows per step and tests are the scale's."""
PPO_RATE = 0.2
"""PPO's learning rate is this share of that of plain text."""
GUESSING, SURPRISAL = "surprisal of guessing", "surprisal after {:05d} steps"
REMARK = (
    "Ages of words are those of students with random weights, which depend on the seed. Steps on trials and "
    "demonstrations take the place of steps on plain sentences."
)
NO_WORDS = "No word occurs often enough in the held-out text: ages of words are not measured."
TND, PLAIN, TRIALS, DEMONSTRATIONS = (
    tables.control(name, tables.AGES) for name in ("TnD", "plain", "trials alone", "demonstrations alone")
)
ARMS: dict[str, dict[str, Any]] = {
    PLAIN: {"learn from": "sentences"},
    TND: {"learn from": "trials and demonstrations", "objective": "ppo", "settings": {}},
    TRIALS: {"learn from": "trials", "objective": "ppo", "settings": {}},
    # All demonstrations, not those alone that the teacher likes better than trials.
    DEMONSTRATIONS: {"learn from": "demonstrations", "objective": "supervised", "settings": {"minimum_reward": -1e9}},
}
GATES = (
    ("TnD learns words earlier", PLAIN, False),
    ("TnD learns words earlier, by plain's half-way marks", PLAIN, True),
    ("earlier than from trials alone", TRIALS, False),
    ("earlier than from demonstrations alone", DEMONSTRATIONS, False),
)
"""What TnD is compared with, and whether by the half-way marks of plain text; fixed before the run: more than 0."""


def measure(
    shared: SharedInputs, arm: Mapping[str, Any], sizes: Mapping[str, int], lr: float, seed: int
) -> list[tuple[str, str, float]]:
    """(measure, item, value) of a student that learns from random weights: surprisals of words, and tokens read."""
    from babylm.interaction.sequence_rows import record_values

    shared = replace(shared, scale=shared.scale._replace(**sizes))
    scale, pad = shared.scale, shared.base.pad
    model = untrained(shared, seed)
    steps, text_steps, corpus_steps = runs.steps_of_round(scale, arm["learn from"])
    whole = steps + text_steps + corpus_steps
    method = arm.get("objective", "supervised")
    steps_of = {"supervised": whole} if method == "supervised" else {"supervised": whole - steps, method: steps}
    settings_of = {"supervised": {}, method: arm.get("settings", {})}
    tuners = _tuners(shared, model, steps_of, settings_of, lr, seed)
    tokens = done = 0

    def tune(groups: Sequence[Group], objective: str, count: int, number: int) -> int:
        """Make ``count`` steps: every group is read once before one is read again. Returns the tokens read."""
        tuner = tuners[objective]
        record_values(tuner.objective, model, [turn for group in groups for turn in group], pad)
        order = random.Random(derive_seed(seed, Purpose.EPISODES, number, 4))
        chosen: list[Group] = []
        while len(chosen) < count * scale.rows:
            chosen += order.sample(groups, len(groups))
        for first in range(0, count * scale.rows, scale.rows):
            tuner.step(chosen[first : first + scale.rows])
        return sum(len(turn.prompt_ids) + len(turn.ids) for group in chosen[: count * scale.rows] for turn in group)

    generator = random.Random(derive_seed(seed, Purpose.EPISODES, 0, 1))
    sentences = shared.held_out.pick(stories.SENTENCES * scale.tests, generator)
    words = stories.frequent_words(shared.learnt)
    log_vocabulary = float(np.log(len(shared.base.tokenizer)))
    rows: list[tuple[str, str, float]] = []

    def look() -> None:
        log_probs = stories.word_log_probs(shared, model, sentences, words)
        rows.extend((SURPRISAL.format(done), f"w:{word}", -value) for word, value in log_probs.items())

    look()
    for number in range(1, scale.rounds + 1):
        generator = random.Random(derive_seed(seed, Purpose.EPISODES, number))
        groups: list[list[Turn]] = []
        if steps:
            contexts = shared.learnt.contexts(max(1, scale.contexts // 2), generator)
            sampling = derive_seed(seed, Purpose.SAMPLING, number)
            groups = stories.trial_groups(shared, model, contexts, runs.SIDES[arm["learn from"]], sampling)
            for turn in itertools.chain(*groups):
                turn.meta["reference_logp"] = turn.logp  # beta is 0
            if groups:
                tokens += tune(groups, method, steps, 3 * number)
                tokens += tune(stories.as_text(groups), "supervised", text_steps, 3 * number + 1)
        count = corpus_steps if groups else whole
        lines = shared.learnt.pick(count * scale.rows, generator)
        tokens += tune([[shared.sequence([], line, 1.0)] for line in lines], "supervised", count, 3 * number + 2)
        done += whole
        look()
    guessing = [(GUESSING, f"w:{w}", len(shared.ids(w, True)) * log_vocabulary) for w in _items(rows)]
    return [("tokens learnt from", "", float(tokens)), *guessing, *rows]


def _tuners(
    shared: SharedInputs,
    model: Any,
    steps_of: Mapping[str, int],
    settings_of: Mapping[str, Mapping[str, Any]],
    lr: float,
    seed: int,
) -> dict[str, Tuner]:
    """An optimizer per objective, told the steps that it makes in a round."""
    from babylm.interaction.finetune import FineTuning, Tuner

    tuners: dict[str, Tuner] = {}
    for name, steps in steps_of.items():
        objective = runs.objective_of(shared.folder, name, settings_of[name])
        rate = lr * (PPO_RATE if name == "ppo" else 1.0)
        tuning = FineTuning(shared.scale.rounds * steps, lr=rate, schedule="constant", precision=shared.precision)
        tuner_seed = derive_seed(seed, Purpose.EPISODES, 0, len(tuners) + 2)
        tuners[name] = Tuner(model, objective, tuning, pad=shared.base.pad, seed=tuner_seed)
    return tuners


def _items(rows: Sequence[tuple[str, str, float]]) -> list[str]:
    return [item.removeprefix("w:") for item in dict.fromkeys(item for _, item, _ in rows)]


def untrained(shared: SharedInputs, seed: int) -> Any:
    """A model of the base's shape with random weights, which depend on the seed alone."""
    base = shared.base.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, Purpose.WEIGHTS))
        return type(base)(base.config).to(base.device).eval()


def ages(measurements: Measurements, arm: str, by_plain: bool = False) -> np.ndarray:
    """(seeds, words) log10 of the steps after which a word is learnt; NaN where no curve fits or it never is.

    ``by_plain``: half-way to the minimum that plain text has reached in the same number of steps.
    """
    from babylm.evaluation.tasks import _aoa_curves

    steps, curves = _curves(measurements, arm)
    guessing = measurements.matrix(arm, GUESSING)
    minima = _curves(measurements, PLAIN)[1].min(axis=0) if by_plain else None
    log_steps = np.full(guessing.shape, np.nan)
    for seed, word in np.ndindex(*log_steps.shape):
        curve = curves[:, seed, word][:, None]
        if np.isnan(curve).any():
            continue
        lowest = None if minima is None else float(minima[seed, word])
        age = _aoa_curves.half_way(steps, curve, float(guessing[seed, word]), lowest)
        if age is not None and 0 <= age <= np.log10(steps[-1] + 1):
            log_steps[seed, word] = age
    return log_steps


def _curves(measurements: Measurements, arm: str) -> tuple[np.ndarray, np.ndarray]:
    """(times,) steps, and (times, seeds, words) surprisal after them."""
    start = SURPRISAL.split("{")[0]
    names = sorted({row.measure for row in measurements if row.measure.startswith(start)})
    steps = np.array([int(name.removeprefix(start).split()[0]) for name in names], dtype=float)
    return steps, np.stack([measurements.matrix(arm, name) for name in names])


def earlier(measurements: Measurements, other: str, by_plain: bool = False) -> Interval | None:
    """Per cent fewer steps that TnD needs for a word than another arm, in the (geometric) mean over seeds and words."""
    if not {TND, other} <= set(_measured(measurements)):
        return None
    difference = ages(measurements, other, by_plain) - ages(measurements, TND, by_plain)
    if np.isnan(difference).all():
        return None
    mean = bootstrap_mean(difference)
    return Interval(*(100 * (1 - 10.0**-value) for value in (mean.estimate, mean.low, mean.high)))


def gates(measurements: Measurements) -> list[list[object]]:
    """Rows for the study's table of gates."""
    rows: list[list[object]] = []
    for title, other, by_plain in GATES:
        interval = earlier(measurements, other, by_plain)
        if interval is not None:
            met = _gates.verdict(interval.estimate > 0)
            compared = f"% fewer steps than {other}"
            rows.append([title, compared, interval.estimate, interval.limits("+.2f"), "> 0", met])
    return rows


def _measured(measurements: Measurements) -> list[str]:
    """The arms with words: a short text has none that occur often enough."""
    return [arm for arm in (PLAIN, TND, TRIALS, DEMONSTRATIONS) if len(measurements.select(arm, GUESSING))]


def remarks(measurements: Measurements) -> list[str]:
    """What the ages are, or why there are none; nothing without these arms."""
    if not set(ARMS) & set(measurements.conditions):
        return []
    return [REMARK if _measured(measurements) else NO_WORDS]


def table(measurements: Measurements) -> Table:
    """A row per arm that was measured: median age by both definitions, words that have one, surprisal at the end."""
    rows = []
    for arm in _measured(measurements):
        by_itself = ages(measurements, arm)
        by_plain = (
            ages(measurements, arm, True) if PLAIN in _measured(measurements) else np.full(by_itself.shape, np.nan)
        )
        count = int((~np.isnan(measurements.matrix(arm, GUESSING))).sum())
        row: list[object] = [arm, *(_median(log_steps) for log_steps in (by_itself, by_plain))]
        row += [f"{int((~np.isnan(by_itself)).sum())}/{count}", float(np.nanmean(_curves(measurements, arm)[1][-1]))]
        rows.append(row)
    titles = ("arm", "median age, steps", "by plain's marks", "words with an age", "surprisal at the end (nats)")
    caption = "Neural age of acquisition of frequent words: steps from random weights, medians over words and seeds"
    return Table.of(titles, rows, formats=("", ",.0f", ",.0f", "", ".3f"), caption=caption)


def _median(log_steps: np.ndarray) -> float | None:
    return None if np.isnan(log_steps).all() else float(10 ** np.nanmedian(log_steps) - 1)


def draw(measurements: Measurements) -> Callable[[Any], None]:
    """What draws the mean surprisal of the words over steps, a line per arm."""

    def figure(axes: Any) -> None:
        from babylm.reporting.charts import COLOURS

        for number, arm in enumerate(_measured(measurements)):
            steps, curves = _curves(measurements, arm)
            label = arm.removesuffix(f" ({tables.AGES})")
            axes.plot(
                steps + 1, np.nanmean(curves, axis=(1, 2)), "o-", markersize=3, color=COLOURS[number], label=label
            )
        axes.set_xscale("log")
        axes.set_xlabel("steps + 1")
        axes.set_ylabel("surprisal of frequent words (nats)")
        axes.legend(fontsize=8)

    return figure
