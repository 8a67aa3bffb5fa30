"""The tables of a recipe search."""

from __future__ import annotations

from collections.abc import Sequence

from babylm.studies._recipe_choice import BACKENDS, LOSS, Row, mean
from babylm.studies._recipe_scales import BOTH
from babylm.studies.experiment import Measurement, Measurements
from babylm.tables import Table

YEARS = (2025, 2026)
TRACK = "strict-small"


def full_measure(rules: int) -> str:
    """The measure of the full suite's scores by the rules of a year."""
    return f"full {rules}"


def comparisons(rows: Sequence[Row]) -> Table:
    """One row per compared run: losses, fast suite, speed, and whether it was chosen."""
    lines = []
    for row in rows:
        trial = row.trial
        losses = [trial.loss.get(mode) if trial.loss else "failed" for mode in BOTH]
        fast = [100 * mean(trial.fast[backend].values()) if trial.fast.get(backend) else None for backend in BACKENDS]
        changes = " ".join(trial.changes) or "none"
        chosen = "chosen" if row.is_chosen else "repeated" if row.question == "seed" else ""
        lines.append((row.question, changes, *losses, row.compared, *fast, trial.tokens_per_second, chosen))
    titles = ("question", "changes", "causal", "masked", "compared", "fast, causal", "fast, MNTP", "tokens/s", "choice")
    formats = ("", "", ".4f", ".4f", ".4f", ".2f", ".2f", ",.0f")
    caption = "Comparisons: held-out loss in nats (compared: over the question's modes), fast suite in %"
    return Table.of(titles, lines, left=(0, 1, 8), formats=formats, caption=caption)


def mean_losses(measurements: Measurements, conditions: Sequence[str]) -> Measurements:
    """The mean loss over both modes per condition and seed, for the figure: modes are not a sample of anything."""
    rows = []
    for name in conditions:
        for seed in measurements.select(name).seeds:
            losses = measurements.by_item(name, LOSS, seed)
            if all(mode in losses for mode in BOTH):
                value = mean(losses[mode] for mode in BOTH)
                rows.append(Measurement(name.removeprefix("compare: "), seed, "", LOSS, value))
    return Measurements(rows)


def speeds(measurements: Measurements) -> Table:
    """One row per shape, eager and compiled."""
    names = [name for name in measurements.conditions if name.startswith("speed: ")]
    names += [name for name, _ in measurements.failed if name.startswith("speed: ")]
    measures = ("tokens per second", "MFU", "seconds to first step")
    rows = []
    for name in names:
        values = [measurements.by_item(name, measure).get("") for measure in measures]
        share = None if values[1] is None else 100 * values[1]
        rows.append((name.removeprefix("speed: "), values[0], share, values[2]))
    titles = ("shape", "tokens/s", "MFU %", "first step (s)")
    return Table.of(titles, rows, formats=("", ",.0f", ".1f", ".0f"), caption="Speed")


def beside_published(measurements: Measurements, rules: int) -> Table:
    """Mean and range of our seeds, then the published systems."""
    from babylm.reporting import baselines

    scores = measurements.select(measure=full_measure(rules))
    by_seed = [{row.item: row.value for row in scores.select(seed=seed)} for seed in scores.seeds]
    columns = list(baselines.COLUMNS[rules])
    columns += sorted({name for of_seed in by_seed for name in of_seed} - set(columns))
    cells = []
    for column in columns:
        values = [of_seed[column] for of_seed in by_seed if column in of_seed]
        text = f"{mean(values):.2f}" if values else None
        if text and len(values) > 1:
            text += f" ({min(values):.2f} to {max(values):.2f})"
        cells.append(f"{text}, {len(values)} of {len(by_seed)}" if 0 < len(values) < len(by_seed) else text)
    lines: list[list[object]] = []
    if by_seed:
        count = "1 seed" if len(by_seed) == 1 else f"mean (range) of {len(by_seed)} seeds"
        lines.append([f"ours, {count}", *cells])
    for system in baselines.of(TRACK, rules):
        published = [None if value is None else f"{value:g}" for value in system.scores]
        lines.append([system.name, *published, *[None] * (len(columns) - len(published))])
    return Table.of(("", *columns), lines, marked=(0,) if by_seed else (), caption=f"Full suite, rules of {rules}, %")
