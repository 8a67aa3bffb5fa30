"""The first thing of a page: scores with intervals, beside what others published in the run's own track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babylm.evaluation import task_registry
from babylm.reporting import baselines, charts
from babylm.reporting.blocks import Block, Charts, Figure, Note, Tabular
from babylm.reporting.charts import Dots
from babylm.reporting.legend import coloured, legend
from babylm.reporting.scores import title
from babylm.runs import Run
from babylm.tables import Table

NAN = float("nan")


@dataclass(frozen=True)
class Headline:
    """A score of one run, in %."""

    value: float
    interval: tuple[float, float] | None
    is_partial: bool
    """Of a part of the task's items."""

    def __html__(self) -> str:
        star = "*" if self.is_partial else ""
        small = "" if self.interval is None else "<small>{:.1f} to {:.1f}</small>".format(*self.interval)
        return f"{self.value:.1f}{star}{small}"

    def __str__(self) -> str:
        return f"{self.value:.1f}{'*' if self.is_partial else ''}"


def headline(runs: Sequence[Run]) -> list[Block]:
    """A chart and a table per track and year of the rules, and a table of the tasks that nobody published."""
    blocks: list[Block] = []
    groups = dict.fromkeys((run.config.track, rules) for run in runs for rules in _years(run))
    for track, rules in groups:
        members = [run for run in runs if run.config.track == track and rules in _years(run)]
        blocks += _beside_published(members, coloured(runs), track, rules)
    if any(isinstance(block, Tabular) for block in blocks):
        blocks.append(
            Note(
                "Marked lines are ours, with 95 % bootstrap intervals over items (of the tie-aware score). Rings and "
                "the other lines were published by others, not measured here: of all items, mostly after ten epochs. "
                "* is a score of a part of the items (the fast suite, or a limit). The AoA published for 2026 is by a "
                "metric that is not public."
            )
        )
    return [*blocks, *_other_tasks(runs)]


def _years(run: Run) -> list[int]:
    """The years by whose rules it was scored; that of its configuration if it was not."""
    return sorted({result.content["rules"] for result in run.last_results}) or [run.config.rules]


def _beside_published(runs: Sequence[Run], colours: Sequence[tuple[Run, str]], track: str, rules: int) -> list[Block]:
    columns = baselines.COLUMNS[rules]
    scores = {run.name: headline_scores(run, rules) for run in runs}
    others = baselines.of(track, rules)
    rows: list[list[object]] = [
        [name, *(by_column.get(column) for column in columns)] for name, by_column in scores.items() if by_column
    ]
    if not rows:
        return []
    marked = range(len(rows))
    rows += [[system.name, *(None if s is None else f"{s:.1f}" for s in system.scores)] for system in others]
    padded = [[*row, *[None] * (1 + len(columns) - len(row))] for row in rows]
    name = f"{others[0].track}, rules of {rules}, official scores in %"
    sources = {system.source: [other.name for other in others if other.source == system.source] for system in others}
    note = "Sources. " + "; ".join(f"{', '.join(names)}: {source}" for source, names in sources.items()) + "."
    table = Table.of(("system", *map(title, columns)), padded, caption=name, marked=marked, note=note, style="scores")
    dots = [
        Dots(
            title(column),
            [
                (of_run[column].value, of_run[column].interval) if column in of_run else (NAN, None)
                for of_run in scores.values()
            ],
            [value for system in others if (value := dict(enumerate(system.scores)).get(k)) is not None],
        )
        for k, column in enumerate(columns)
        if any(column in of_run for of_run in scores.values())
    ]
    chart = charts.dot_chart(dots, [colour for run, colour in colours if run in runs], name)
    numbers = [
        (title(column), run, of_run[column].value)
        for run, of_run in scores.items()
        for column in columns
        if column in of_run
    ]
    figure = Figure(f"Rules of {rules}: ours (dots) and published (rings)", {"%": chart}, ("task", "run", "%"), numbers)
    return [Charts([figure], legend(runs), is_wide=True), Tabular(table)]


def headline_scores(run: Run, rules: int) -> dict[str, Headline]:
    """The run's official scores by column of the published tables, as far as there are."""
    averages: dict[str, dict[str, object]] = next((parts for year, parts in run.averages if year == rules), {})
    scores: dict[str, Headline] = {}
    groups = task_registry.groups()
    for column in baselines.COLUMNS[rules]:
        result = run.last_result(column, rules)
        value = averages.get(column, {}).get("value")
        interval, is_partial = None, False
        if column in groups:
            results = [run.last_result(task.name, rules) for task in groups[column]]
            parts = [r.content["official"] for r in results if r is not None]
            value = sum(parts) / len(parts) if len(parts) == len(results) else None
        elif column == task_registry.combined_task(rules).name:
            value = next((score["score"] for year, _, score in run.acquisitions if year == rules), None)
        elif result is not None:
            value, bounds = result.content["official"], result.content["interval"]
            interval = None if not bounds or None in bounds else (100 * bounds[0], 100 * bounds[1])
            is_partial = not baselines.is_whole(column, rules, result.content["n"])
        if isinstance(value, (int, float)):
            scores[column] = Headline(100 * value, interval, is_partial)
    return scores


def _other_tasks(runs: Sequence[Run]) -> list[Block]:
    """The scores of tasks without a published column: a free run's, or a user's own."""
    rows = []
    grouped = {task.name for tasks in task_registry.groups().values() for task in tasks}
    in_columns = {rules: grouped.union(columns) for rules, columns in baselines.COLUMNS.items()}
    for run in runs:
        for result in run.last_results:
            task, suite, rules = result.key
            if task in in_columns[rules] or result.content["official"] is None:
                continue
            bounds = result.content["interval"]
            interval = None if not bounds or None in bounds else (100 * bounds[0], 100 * bounds[1])
            chance = 100 * result.content["chance"] or None
            score = Headline(100 * result.content["official"], interval, is_partial=False)
            rows.append([title(task), run.name, suite, rules, result.backend, score, chance])
    if not rows:
        return []
    titles = ("task", "run", "suite", "rules", "scored", "score %", "chance %")
    return [Tabular(Table.of(titles, rows, left=range(5), formats=("",) * 6 + (".0f",), caption="Other tasks"))]
