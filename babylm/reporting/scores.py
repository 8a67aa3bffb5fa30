"""All scores of the last revisions with their evidence, and against each other."""

from __future__ import annotations

from collections.abc import Sequence

from babylm.evaluation import task_registry
from babylm.evaluation.results import comparison
from babylm.evaluation.results.averages import TITLES
from babylm.evaluation.results.store import StoredResult
from babylm.evaluation.results.tables import percent
from babylm.reporting.blocks import Block, Tabular
from babylm.runs import Run
from babylm.tables import Table


def title(name: str) -> str:
    """A task, a group of tasks or an average as tables name it; of a task that is a path, its last part."""
    return TITLES.get(name) or task_registry.title(name)


def scores(runs: Sequence[Run]) -> list[Block]:
    """One row per (task, run): official and tie-aware score, ties, interval, and what produced it."""
    rows = []
    for key in dict.fromkeys((*result.key, result.backend) for run in runs for result in run.last_results):
        for run in runs:
            rows += [_row(run, result) for result in run.last_results if (*result.key, result.backend) == key]
    if not rows:
        return []
    titles = ("task", "run", "revision", "suite", "rules", "scored", "items", "official %", "tie-aware %", "ties",
              "95 % (tie-aware)", "chance %", "seconds")  # fmt: skip
    formats = (*[""] * 6, ",", ".2f", ".2f", ",", "", ".0f", ",.1f")
    note = (
        "The official number follows the rules of the year (2025: a tie counts as right); the tie-aware one gives a "
        "tie its share. Intervals: bootstrap over items inside each part. Reading is the share of the variance that "
        "surprisal adds; WUG is a correlation with people, in %."
    )
    table = Table.of(titles, rows, left=range(6), formats=formats, note=note)
    return [Tabular(table), *_averages(runs), *_reading_times(runs)]


def _row(run: Run, result: StoredResult) -> list[object]:
    content = result.content
    interval = " to ".join(percent(value, 1) for value in content["interval"] or ()) or None
    return [
        *(title(content["task"]), run.name, content["model"], content["suite"], content["rules"], result.backend),
        content["n"],
        *(None if content[key] is None else 100 * content[key] for key in ("official", "tie_aware")),
        content["ties"],
        interval,
        100 * content["chance"] or None,
        content["seconds"],
    ]


def _averages(runs: Sequence[Run]) -> list[Block]:
    """Age of acquisition and the official averages."""
    rows: list[list[object]] = []
    for run in runs:
        for rules, _, acquisition in run.acquisitions:
            score = 100 * acquisition["score"]
            rows.append(
                [
                    title(task_registry.combined_task(rules).name),
                    run.name,
                    rules,
                    score,
                    score,
                    f"{acquisition['words']} words have ages",
                ]
            )
    for run in runs:
        for rules, parts in run.averages:
            for name, part in parts.items():
                if name != "columns":
                    values = [None if part[key] is None else 100 * part[key] for key in ("value", "present")]
                    rows.append([title(name), run.name, rules, *values, ", ".join(part["missing"]) or "nothing"])
    titles = ("average", "run", "rules", "official %", "of what is there %", "missing or remark")
    caption = "Over revisions and tasks: age of acquisition, official averages of the full suite"
    formats = ("", "", "", ".2f", ".2f", "")
    return [Tabular(Table.of(titles, rows, left=(0, 1, 5), formats=formats, caption=caption))] if rows else []


def _reading_times(runs: Sequence[Run]) -> list[Block]:
    """The regressions of tasks that are files of reading times."""
    rows = [
        [
            *(f"{title(result.content['task'])}: {measure}", run.name, f"{fit['n']:,}"),
            f"{fit['per_nat']:.2f} ± {fit['standard_error']:.2f}",
            comparison.p_value(fit["p"]),
            f"{fit['delta_log_likelihood']:.1f}",
            *(percent(fit[key], 2) for key in ("delta_r2", "share", "r2_baseline")),
        ]
        for run in runs
        for result in run.last_results
        for measure, fit in result.content["details"].get("times", {}).items()
    ]
    titles = ("reading times", "run", "words", "time per nat", "p", "Δ log-likelihood", "Δ R² %", "share of the rest %",
              "R² before %")  # fmt: skip
    caption = "What surprisal adds to length, frequency and the word before"
    return [Tabular(Table.of(titles, rows, left=(0, 1), caption=caption))] if rows else []


def compared(runs: Sequence[Run]) -> list[Block]:
    """Each run against the first on the same items."""
    rows = []
    for other in runs[1:]:
        differences = []
        for a in runs[0].last_results:
            b = next((b for b in other.last_results if (*b.key, b.backend) == (*a.key, a.backend)), None)
            if b is not None and a.content["items_sha256"] == b.content["items_sha256"]:
                differences.append(comparison.compare(a, b))
        corrected = comparison.holm([difference.p for difference in differences])
        rows += [_difference(other, difference, p) for difference, p in zip(differences, corrected, strict=True)]
    if not rows:
        return []
    titles = ("task", "against", "items", f"{runs[0].name} %", "other %", "difference", "95 %", "only first right",
              "only other right", "p", "p, Holm")  # fmt: skip
    note = (
        f"{runs[0].name} minus each other run, tie-aware, on the same items. p: McNemar's exact test on the items that "
        "only one of them gets right, and the same corrected for the number of tasks. Intervals: paired bootstrap."
    )
    return [Tabular(Table.of(titles, rows, left=(0, 1), note=note))]


def _difference(other: Run, difference: comparison.Difference, p_holm: float | None) -> list[object]:
    _, n, *shares, change, interval, only_a, only_b, p, _ = comparison.row(difference)
    name = f"{title(difference.task)} ({difference.suite}, {difference.rules}, {difference.backends[0]})"
    return [name, other.name, f"{n:,}", *shares, change, interval, only_a, only_b, p, comparison.p_value(p_holm)]
