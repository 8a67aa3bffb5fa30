"""The BabyLM supplement to BLiMP: five kinds of minimal pairs about dialogue and word knowledge."""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.task import BOTH_SUITES, Official, fixed_counts, table
from babylm.evaluation.tasks import _data, _minimal_pairs
from babylm.evaluation.tasks._multiple_choice import ChoiceTask

FOLDERS = {"fast": "supplement_fast", "full": "supplement_filtered"}
FULL = "hypernym 842 qa_congruence_easy 64 qa_congruence_tricky 165 subject_aux_inversion 3867 turn_taking 280"
"""Pairs per kind in the full suite; 50 each in the fast one."""


def items(data: Path, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> list[Item]:
    """The pairs of the suite's folder."""
    return _minimal_pairs.read(_data.find(data, suite, FOLDERS[suite]), limit)


TASK = ChoiceTask(
    name="supplement",
    version=1,
    chance=0.5,
    title="Supplement",
    suites=BOTH_SUITES,
    order=2,
    average="nlp",
    read=items,
    official=Official(
        key="blimp_supplement",
        counts=fixed_counts(table(FULL), fast=50),
        folder="blimp",
        subfolders=FOLDERS,
        # Its lines lack two of BLiMP's fields, so the official report has one line under each of those headings.
        report_fields={"field": None, "UID": "UID", "linguistics_term": None},
    ),
)
