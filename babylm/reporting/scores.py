"""Scores of the last revisions: with their evidence, against each other, and beside what others published."""

from __future__ import annotations

from babylm.evaluation import task_registry
from babylm.evaluation.results import comparison
from babylm.evaluation.results.averages import TITLES
from babylm.evaluation.results.store import StoredResult
from babylm.evaluation.results.tables import percent
from babylm.reporting import baselines
from babylm.reporting.gather import Run
from babylm.reporting.markup import Html, join, note, table


def title(name: str) -> str:
    """A task, a group of tasks or an average as tables name it; of a task that is a path, its last part."""
    return TITLES.get(name) or task_registry.title(name)


def scores(runs: list[Run]) -> Html:
    """One line a (task, run): official and tie-aware score, ties, interval, and what produced it."""
    rows = []
    for key in dict.fromkeys((*one.key, one.backend) for run in runs for one in run.last):
        for run in runs:
            rows += [_line(run, one, len(runs) > 1) for one in run.last if (*one.key, one.backend) == key]
    header = ["task", *(["run"] if len(runs) > 1 else []), "revision", "suite", "rules", "backend", "items"]
    header += ["official %", "tie-aware %", "ties", "95 % (tie-aware)", "chance %", "seconds"]
    if not rows:
        return Html("")
    text = range(1, 6 if len(runs) > 1 else 5)
    about = note(
        "The official number follows the rules of the year (2025: a tie counts as right); the tie-aware one gives a "
        "tie its share. Intervals: bootstrap over items inside each part. Reading is the share of the variance that "
        "surprisal adds; WUG is a correlation with people, in %."
    )
    return join([table(header, rows, text=text), about, *_averages(runs), _reading_times(runs)])


def _line(run: Run, one: StoredResult, named: bool) -> list[object]:
    found = one.content
    interval = " to ".join(percent(value, 1) for value in found["interval"] or ()) or "–"
    return [
        title(found["task"]),
        *([run.name] if named else []),
        *(found["model"], found["suite"], found["rules"], one.backend, f"{found['n']:,}"),
        *(percent(found[key], 2) for key in ("official", "tie_aware")),
        f"{found['ties']:,}",
        interval,
        percent(found["chance"], 0) if found["chance"] else "–",
        f"{found['seconds']:,.1f}",
    ]


def _averages(runs: list[Run]) -> list[Html]:
    rows = [
        [
            title(task_registry.combined_task(rules).name),
            run.name,
            rules,
            percent(found["score"], 2),
            percent(found["score"], 2),
            f"{found['words']} words have ages",
        ]
        for run in runs
        for rules, _, found in run.acquisition
    ]
    for run in runs:
        for rules, parts in run.averages:
            for name, part in parts.items():
                if name != "columns":
                    missing = ", ".join(part["missing"]) or "nothing"
                    values = percent(part["value"], 2), percent(part["present"], 2)
                    rows.append([title(name), run.name, rules, *values, missing])
    header = ["", "run", "rules", "official %", "of what is there %", "missing or remark"]
    return [
        table(
            header,
            rows,
            caption="Over revisions and tasks: age of acquisition, official averages of the full suite",
            text=[1, 5],
        )
    ]


def _reading_times(runs: list[Run]) -> Html:
    """The regressions of tasks that are files of reading times."""
    rows = [
        [
            *(f"{title(one.content['task'])}: {time}", run.name, f"{found['n']:,}"),
            f"{found['per_nat']:.2f} ± {found['standard_error']:.2f}",
            comparison.p_value(found["p"]),
            f"{found['delta_log_likelihood']:.1f}",
            *(percent(found[key], 2) for key in ("delta_r2", "share", "r2_baseline")),
        ]
        for run in runs
        for one in run.last
        for time, found in one.content["details"].get("times", {}).items()
    ]
    header = ["reading times", "run", "words", "time a nat", "p", "Δ log-likelihood", "Δ R² %", "share of the rest %"]
    caption = "What surprisal adds to length, frequency and the word before"
    return table([*header, "R² before %"], rows, caption=caption, text=[1])


def compared(runs: list[Run]) -> Html:
    """Each run against the first on the same items."""
    rows = []
    for other in runs[1:]:
        found = []
        for one in runs[0].last:
            two = next((two for two in other.last if (*two.key, two.backend) == (*one.key, one.backend)), None)
            if two is not None and one.content["items_sha256"] == two.content["items_sha256"]:
                found.append(comparison.compare(one, two))
        corrected = comparison.holm([own.p for own in found])
        rows += [_difference(other, own, p) for own, p in zip(found, corrected, strict=True)]
    header = ["task", "against", "items", f"{runs[0].name} %", "other %", "difference", "95 %"]
    header += ["only first right", "only other right", "p", "p, Holm"]
    about = note(
        f"{runs[0].name} minus each other run, tie-aware, on the same items. p: McNemar's exact test on the items that "
        "only one of them gets right, and the same corrected for the number of tasks. Intervals: paired bootstrap."
    )
    return join([table(header, rows, text=[1]), about]) if rows else Html("")


def _difference(other: Run, own: comparison.Difference, p_holm: float | None) -> list[object]:
    _, n, *shares, change, interval, only_a, only_b, p, _ = comparison.row(own)
    name = f"{title(own.task)} ({own.suite}, {own.rules}, {own.backends[0]})"
    return [name, other.name, f"{n:,}", *shares, change, interval, only_a, only_b, p, comparison.p_value(p_holm)]


def beside_published(runs: list[Run]) -> Html:
    """The last revisions among published systems of the same track, a table a year of the rules."""
    years = sorted({one.content["rules"] for run in runs for one in run.last}) or sorted(
        {run.config.rules if run.config is not None else 2026 for run in runs}
    )
    parts = []
    for rules in years:
        track = next((run.config.track for run in runs if run.config is not None), "strict-small")
        columns = baselines.COLUMNS[rules]
        own = [_own(run, rules, columns) for run in runs]
        rows: list[list[object]] = [line for line in own if any(value != "–" for value in line[2:])]
        others = baselines.of(track, rules)
        rows += [
            [one.name, "published", *("–" if score is None else f"{score:.1f}" for score in one.scores)]
            for one in others
        ]
        ours = range(len(rows) - len(others))
        caption = f"{others[0].track}, rules of {rules}, official scores in %"
        table_ = table(["system", "", *map(title, columns)], rows, caption=caption, ours=ours, text=[1])
        sources = {one.source: [two.name for two in others if two.source == one.source] for one in others}
        said = "; ".join(f"{', '.join(names)}: {source}" for source, names in sources.items())
        parts += [table_, note(f"Sources. {said}.")]
    about = note(
        "Published by others, not measured here: of all items, and mostly after ten epochs. Marked lines are ours; a * "
        "is a score of a part of the items (the fast suite, or a limit). The AoA published for 2026 is by a metric "
        "that is not public."
    )
    return join([about, *parts])


def _own(run: Run, rules: int, columns: tuple[str, ...]) -> list[object]:
    """A run's scores by column; * where not of all items."""
    line: list[object] = [run.name, "ours"]
    averages = next((parts for year, parts in run.averages if year == rules), {})
    groups = task_registry.groups()
    for name in columns:
        value, star = averages.get(name, {}).get("value"), ""
        if name in groups:
            results = [run.result(task.name, rules) for task in groups[name]]
            scores = [result.content["official"] for result in results if result is not None]
            value = sum(scores) / len(scores) if len(scores) == len(results) else None
        elif name == task_registry.combined_task(rules).name:
            value = next((score["score"] for year, _, score in run.acquisition if year == rules), None)
        elif (best := run.result(name, rules)) is not None:
            value = best.content["official"]
            star = "" if baselines.is_whole(name, rules, best.content["n"]) else "*"
        line.append("–" if value is None else f"{100 * value:.1f}{star}")
    return line
