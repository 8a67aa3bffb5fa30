"""EWoK (Ivanova et al., arXiv 2405.09605): does a context make its target likelier? 11 domains of world knowledge.

By the rules of 2025 the two targets compete after one context (each item has a twin with contexts and targets
exchanged, so a target's own frequency cancels); by those of 2026 the two contexts compete for one target.
"""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.task import BOTH_SUITES, Official, fixed_counts, table
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._multiple_choice import ChoiceTask

EXPECTED = "an item of EWoK: the texts Domain, Context1, Context2, Target1 and Target2"
FOLDERS = {"fast": "ewok_fast", "full": "ewok_filtered"}
SOURCE = {
    "fast": "unpack ewok_fast.zip of https://osf.io/ryjfm there (its password is in the official README)",
    "full": "its authors ask not to spread it as plain text: python -m babylm.evaluate --get source=ewok builds it "
    "with your own access to huggingface.co/datasets/ewok-core/ewok-core-1.0",
}
FULL = """
agent-properties 2210 social-relations 1548 physical-relations 818 material-dynamics 770 physical-interactions 556
spatial-relations 490 social-properties 328 quantitative-properties 314 social-interactions 294 material-properties 170
physical-dynamics 120
"""
"""Items per domain in the full suite; 100 each in the fast one."""


def items(data: Path, limit: int | None = None, *, suite: str = "fast", rules: int = 2025) -> list[Item]:
    """Pairs of completions after one context (2025), or one completion after two contexts (2026)."""
    folder = _data.find(data, suite, FOLDERS[suite], SOURCE[suite])
    return _data.read(folder, _targets if rules == 2025 else _contexts, limit, EXPECTED)


def _targets(record: _data.Record, _: str) -> Item:
    completions = (f" {record.text('Target1')}", f" {record.text('Target2')}")
    context = record.text("Context1")
    return Item(record.text("Domain"), (context + completions[0], context + completions[1]), completions)


def _contexts(record: _data.Record, _: str) -> Item:
    completion = f" {record.text('Target1')}"
    sentences = (record.text("Context1") + completion, record.text("Context2") + completion)
    # The same completion twice says nothing: from 2026 on the official predictions hold whole sentences.
    return Item(record.text("Domain"), sentences, (completion, completion), answers=sentences)


TASK = ChoiceTask(
    name="ewok",
    version=1,
    chance=0.5,
    title="EWoK",
    suites=BOTH_SUITES,
    order=3,
    average="nlp",
    shows_examples=False,
    read=items,
    official=Official(
        key="ewok",
        counts=fixed_counts(table(FULL), fast=100),
        folder="ewok",
        subfolders=FOLDERS,
        report_fields={
            "UID": "UID",
            "context_type": "ContextType",
            "context_contrast": "ContextDiff",
            "target_contrast": "TargetDiff",
        },
        uid_field="Domain",
    ),
)
