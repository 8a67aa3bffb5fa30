"""`report`: a page about a run, several runs, a folder of runs, or a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from babylm import files, places
from babylm.reporting import (
    corpus,
    examples,
    headline,
    interactions,
    learning_curves,
    overview,
    page,
    runs_table,
    samples,
    scores,
    studies,
    training_curves,
)
from babylm.reporting.blocks import Page, Section
from babylm.runs import Run

NAME = "report.html"


def report(
    runs: Run | str | Path | Sequence[Run | str | Path],
    out: str | Path | None = None,
    *,
    with_samples: bool = False,
    log: Callable[[str], None] = lambda text: None,
) -> Path:
    """Write a self-contained HTML page and return its path.

    Args:
        runs: a run or its folder, several (overlaid and compared), a folder of runs (a table of them), or a study.
        out: the file to write; None for ``report.html`` in the first folder.
        with_samples: let each run's revisions continue some prompts first, and store the texts; needs torch.
        log: receives a line per step that takes long.

    Raises:
        ValueError: a folder is no run, a file in it is damaged, or ``out`` is a file that is no page of ours.
    """
    listed = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    if not listed:
        raise ValueError("report: which run? For example: python -m babylm.report checkpoints/smoke")
    folders = [item.folder if isinstance(item, Run) else places.given(item) for item in listed]
    file = folders[0] / NAME if out is None else places.output(out, ".html", page.BEGIN)
    inner = runs_table.runs_of(folders[0]) if len(folders) == 1 and folders[0].is_dir() else []
    if len(folders) == 1 and studies.is_study(folders[0]):
        content = studies.page(folders[0], _made(folders))
    elif inner:
        content = _folder_page(folders[0])
    else:
        opened = named_apart([item if isinstance(item, Run) else Run(item) for item in listed])
        if with_samples:
            for run in opened:
                run.samples = samples.generate(run, log)
        content = _runs_page(opened)
    files.write_text(file, page.render(content))
    return file


def named_apart(runs: Sequence[Run]) -> list[Run]:
    """The runs; those of one name are named by their paths."""
    names = [run.name for run in runs]
    for run in runs:
        if names.count(run.name) > 1:
            run.name = str(run.folder)
    return list(runs)


def _runs_page(runs: Sequence[Run]) -> Page:
    lines = [overview.summary(run) if len(runs) == 1 else f"{run.name}: {overview.summary(run)}" for run in runs]
    sections = [
        Section("Scores", headline.headline(runs)),
        Section("Comparison of runs", scores.compared(runs)),
        Section("Interaction", interactions.interactions(runs)),
        Section("Training", training_curves.training_curves(runs)),
        Section("Tasks over words", learning_curves.tasks(runs)),
        Section("Phenomena", learning_curves.phenomena(runs)),
        Section("Order of acquisition", learning_curves.order(runs)),
        Section("Corpus", corpus.composition(runs)),
        Section("Samples", samples.samples(runs)),
        Section("All scores", scores.scores(runs)),
        Section("Calibration", examples.calibrated(runs)),
        Section("Examples", examples.examples(runs)),
        Section("Facts", overview.facts(runs)),
        Section("Missing", overview.missing(runs)),
    ]
    title = ", ".join(run.name for run in runs)
    return Page(title, [*lines, _made([run.folder for run in runs])], sections)


def _folder_page(folder: Path) -> Page:
    rows, inner_studies = runs_table.read_all(folder), studies.inside(folder)
    sections = [
        Section("Studies", studies.table(inner_studies)),
        Section("Runs", runs_table.table(rows) if rows else []),
        Section("Seeds", runs_table.seeds(rows)),
        Section("Losses", runs_table.curves(rows)),
        Section("Scores", runs_table.scores(rows)),
        Section("Not finished", runs_table.unfinished(rows)),
    ]
    finished = sum(row.state == "finished" for row in rows)
    extent = [f"{len(rows)} runs, {finished} finished"] * bool(rows)
    extent += [f"{len(inner_studies)} studies"] * bool(inner_studies)
    return Page(folder.resolve().name, [", ".join(extent), _made([folder])], sections)


def _made(folders: Sequence[Path]) -> str:
    command = f"python -m babylm.report {' '.join(map(str, folders))}"
    return f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by {command}"
