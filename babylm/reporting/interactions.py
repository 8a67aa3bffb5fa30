"""What an interaction did: the student after each round, the words of its ledger, and some turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from babylm.reporting import charts
from babylm.reporting.blocks import Block, Charts, Figure, Heading, Note, Tabular
from babylm.reporting.charts import Axis, Line
from babylm.reporting.legend import coloured, legend
from babylm.runs import FLOPS, LABELS, LEDGER, Run
from babylm.tables import Table


def interactions(runs: Sequence[Run]) -> list[Block]:
    """Curves over rounds on prompts that no round has, and the ledger; empty without an interaction."""
    runs = [run for run in runs if run.rounds]
    if not runs:
        return []
    blocks: list[Block] = [Charts(_curves(runs), legend(runs))]
    blocks.append(Note("Measured before the first round and after each, on prompts that no round has."))
    if any(run.teacher for run in runs):
        blocks += [Heading("Teacher"), Tabular(_teachers(runs))]
    blocks += [Heading("Words"), Tabular(_ledgers(runs, "words", LEDGER, ",.0f"))]
    if any(run.ledger.get(key) for run in runs for key in FLOPS):
        blocks += [Heading("FLOPs"), Tabular(_ledgers(runs, "FLOPs", FLOPS, ".3g"))]
    return blocks


def _curves(runs: Sequence[Run]) -> list[Figure]:
    """A figure per measure, over rounds or over words."""
    measures = list(dict.fromkeys(key for run in runs for result in run.rounds for key in result))
    figures = []
    for measure in measures:
        if measure in ("round", "exposure"):
            continue
        results = {run.name: [result for result in run.rounds if measure in result] for run in runs}
        label = LABELS.get(measure, measure)
        axes = {}
        for axis, key in (("rounds", "round"), ("words", "exposure")):
            lines = [
                Line(
                    np.array([result[key] for result in results[run.name]], dtype=float),
                    np.array([result[measure] for result in results[run.name]], dtype=float),
                    colour,
                )
                for run, colour in coloured(runs)
            ]
            x_axis = (
                Axis("rounds", log=False, show=lambda value: f"{value:g}", whole=True)
                if key == "round"
                else Axis("words", log=False)
            )
            axes[axis] = charts.line_chart(lines, label, x_axis, name=f"{label} over {axis}")
        rows = [(name, r["round"], r["exposure"], r[measure]) for name, of_run in results.items() for r in of_run]
        figures.append(Figure(label.capitalize(), axes, ("run", "round", "exposure", measure), rows))
    return figures


def _teachers(runs: Sequence[Run]) -> Table:
    """A row per run: how it learns, from whom, and how many answers were of no use. Chance and none ask no teacher."""
    rows = []
    for run in runs:
        teacher, learner = run.teacher, run.config.objective.name if run.has_config else None
        has_teacher = teacher.get("feedback") not in ("random", "none")
        who = (
            (teacher.get("name"), teacher.get("kind"), teacher.get("parameters")) if has_teacher else (None, None, None)
        )
        answers = [number if isinstance(number := teacher.get(key), int) else None for key in ("questions", "unusable")]
        rows.append([run.name, learner, teacher.get("feedback"), *who, *answers])
    titles = ("run", "learner", "feedback", "teacher", "kind", "parameters", "questions", "answers of no use")
    return Table.of(titles, rows, formats=(*[""] * 5, ",.0f", ",.0f", ",.0f"), left=(0, 1, 2, 3, 4))


def _ledgers(runs: Sequence[Run], counted: str, meanings: Mapping[str, str], number_format: str) -> Table:
    """A row per kind, a column per run."""
    rows = [(meaning, *(run.ledger.get(key, 0) for run in runs)) for key, meaning in meanings.items()]
    return Table.of((counted, *(run.name for run in runs)), rows, formats=("", *[number_format] * len(runs)))
