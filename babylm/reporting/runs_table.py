"""A folder of runs: which there are, how far they are, what they score; seeds as mean and deviation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from babylm.evaluation import task_registry
from babylm.reporting import charts, job_logs, studies
from babylm.reporting.blocks import Block, Charts, Figure, Missing, Note, Tabular
from babylm.reporting.charts import COLOURS, Axis, Dots, Line
from babylm.reporting.overview import flat
from babylm.reporting.scores import title
from babylm.runs import CONFIG, Run
from babylm.tables import Column, Table

LOSSES = ("dev/causal", "dev/masked", "loss")
"""The loss of a run is the last value of the first of these that it logged."""
INSIDE = "task/"
"""Beginning of the names of scores that were measured inside training."""
ORDER = {"finished": 0, "running": 1, "stopped": 2, "never started": 3}


@dataclass(frozen=True)
class Row:
    """One run, or the reason why it cannot be read."""

    name: str
    run: Run | None
    state: str
    seed: int | None = None
    words: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    """Official scores in % by column: of the last revision that has one, or the last inside training."""
    group: str = ""
    """Equal for runs that differ only in seed and name."""


def runs_of(folder: Path) -> list[Path]:
    """The runs below a folder that is no run itself, by name; empty for a run or a model folder.

    Raises:
        OSError: the folder cannot be read.
    """
    if (folder / CONFIG).is_file() or (folder / "config.json").is_file():
        return []
    return sorted(file.parent for file in folder.glob(f"*/{CONFIG}"))


def read_all(folder: Path) -> list[Row]:
    """A row for each run below a folder, and for each that a job should have made there."""
    jobs = job_logs.runs_without_a_folder(folder)
    listed = set(studies.inside(folder))
    rows = [read(run) for run in runs_of(folder) if run not in listed]
    return rows + [Row(name, None, f"no folder: {reason}") for name, reason in sorted(jobs.items())]


def read(folder: Path) -> Row:
    """The row of one run; a run that cannot be read says why in its state."""
    try:
        run = Run(folder)
        state = run.state
        losses = {key: float(values[-1]) for key in LOSSES if len(values := run.series(key)[1])}
        return Row(run.name, run, str(state), run.config.seed, state.words, losses, _scores(run), _group(run))
    except ValueError as error:
        return Row(folder.name, None, f"cannot be read: {error}")


def _group(run: Run) -> str:
    settings = flat(yaml.safe_load(run.config_text) or {})
    return str(sorted((key, str(value)) for key, value in settings.items() if key not in ("seed", "name")))


def _scores(run: Run) -> dict[str, float]:
    """Official scores in % by ``<task> <rules>``: tasks outside groups (GLUE), then averages."""
    scores: dict[str, float] = {}
    grouped = {task.name for tasks in task_registry.groups().values() for task in tasks}
    preferred = sorted(run.last_results, key=lambda r: (r.content["suite"] != "full", r.backend != run.backend))
    for result in preferred:
        task, suite, rules = result.key
        if task not in grouped and result.content["official"] is not None:
            scores.setdefault(f"{title(task)} {rules} {suite}", 100 * result.content["official"])
    for rules, parts in run.averages:
        for name, part in parts.items():
            if name != "columns" and part["value"] is not None and not part["missing"]:
                scores.setdefault(f"{title(name)} {rules}", 100 * part["value"])
    inside = {key: value for line in run.metrics for key, value in line.items() if key.startswith(INSIDE)}
    for key, value in inside.items():
        scores[f"{title(key.removeprefix(INSIDE))} in training"] = 100 * value
    return scores


def table(rows: Sequence[Row]) -> list[Block]:
    """All runs: name, state, words, loss, scores; the finished ones first, by held-out loss if there is one."""
    losses = [key for key in LOSSES if any(key in row.losses for row in rows)]
    columns = list(dict.fromkeys(name for row in rows for name in row.scores))
    described = [Column("run", align="left"), Column("state", align="left"), Column("seed"), Column("words", ",")]
    described += [Column(key, ".3f") for key in losses] + [Column(f"{name} %", ".2f") for name in columns]
    measured = [key for key in losses if key != "loss"][:1]

    def place(row: Row) -> tuple[int, float, str]:
        held_out = min((row.losses.get(key, math.inf) for key in measured), default=math.inf)
        return ORDER.get(row.state.partition(":")[0], 4), held_out, row.name

    cells = [
        [
            *(row.name, row.state, row.seed, row.words or None),
            *(row.losses.get(key) for key in losses),
            *(row.scores.get(name) for name in columns),
        ]
        for row in sorted(rows, key=place)
    ]
    note = "Loss: the last logged value, in nats. Scores: official, of the last revision that has one."
    return [Tabular(Table(described, cells, style="runs", note=note))]


def seeds(rows: Sequence[Row]) -> list[Block]:
    """Mean and standard deviation over finished runs that differ only in seed, for groups of two or more."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.state == "finished" and row.group:
            groups.setdefault(row.group, []).append(row)
    groups = {key: group for key, group in groups.items() if len(group) > 1}
    if not groups:
        return []
    keys = list(
        dict.fromkeys(key for group in groups.values() for row in group for key in {**row.losses, **row.scores})
    )
    cells = []
    for group in groups.values():
        values = [[{**row.losses, **row.scores}.get(key) for row in group] for key in keys]
        cells.append([", ".join(row.name for row in group), len(group), *map(_spread, values)])
    note = "Mean ± sample standard deviation over seeds, of finished runs; (n) if only n of them have the value."
    return [Tabular(Table.of(("runs", "seeds", *keys), cells, note=note))]


def _spread(values: Sequence[float | None]) -> str | None:
    """Mean and deviation of the values that are there.

    >>> _spread([1.0, 3.0]), _spread([1.0, None]), _spread([None, None])
    ('2.00 ± 1.41', '1.00 (1)', None)
    """
    numbers = [value for value in values if value is not None]
    if not numbers:
        return None
    deviation = f" ± {statistics.stdev(numbers):.2f}" if len(numbers) > 1 else ""
    return f"{statistics.mean(numbers):.2f}{deviation}" + (f" ({len(numbers)})" if len(numbers) < len(values) else "")


def curves(rows: Sequence[Row]) -> list[Block]:
    """Each loss over words, all runs in one chart."""
    members = [(row.run, COLOURS[k % len(COLOURS)]) for k, row in enumerate(rows) if row.run is not None]
    figures = []
    for key in LOSSES:
        series = [(run, *run.series(key), colour) for run, colour in members]
        lines = [Line(words, values, colour, marks=False) for _, words, values, colour in series if len(words)]
        if lines:
            numbers = [(run.name, w, v) for run, ws, vs, _ in series for w, v in zip(ws, vs, strict=True)]
            chart = charts.line_chart(lines, "nats", Axis("words read"), name=f"{key} of all runs")
            figures.append(Figure(key, {"words": chart}, ("run", "words", key), numbers))
    return [Charts(figures, _legend(rows))] if figures else []


def scores(rows: Sequence[Row]) -> list[Block]:
    """A dot for each score, a line per task, all runs in one chart."""
    members = [(row, COLOURS[k % len(COLOURS)]) for k, row in enumerate(rows) if row.run is not None]
    columns = list(dict.fromkeys(name for row, _ in members for name in row.scores))
    if not columns:
        return []
    dots = [Dots(name, [(row.scores.get(name, math.nan), None) for row, _ in members], []) for name in columns]
    chart = charts.dot_chart(dots, [colour for _, colour in members], "scores of all runs")
    numbers = [(name, row.name, row.scores[name]) for name in columns for row, _ in members if name in row.scores]
    return [Charts([Figure("Scores", {"%": chart}, ("task", "run", "%"), numbers)], _legend(rows), is_wide=True)]


def _legend(rows: Sequence[Row]) -> list[tuple[str, int]]:
    return [(row.name, k % len(COLOURS)) for k, row in enumerate(rows) if row.run is not None]


def unfinished(rows: Sequence[Row]) -> list[Block]:
    """Runs that did not end, each with its reason."""
    items = [(row.name, row.state) for row in rows if row.state.partition(":")[0] not in ("finished", "running")]
    return [Note("Repeat a run's training command to continue it."), Missing(items)] if items else []
