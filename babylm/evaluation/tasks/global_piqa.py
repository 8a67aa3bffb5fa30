"""GlobalPIQA (2026): which of four (parallel) or two (non-parallel) solutions fits the prompt?

By log-probability per token. The score is the mean of the two parts' accuracies. Each item is its own UID, as in the
official predictions.
"""

from __future__ import annotations

from pathlib import Path

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.task import Official, fixed_counts
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._multiple_choice import ChoiceTask

PARTS = {"parallel": "global_piqa_parallel/eng_latn.jsonl", "nonparallel": "global_piqa_nonparallel/eng_latn.jsonl"}
EXPECTED = "an item of GlobalPIQA: example_id, the texts prompt, solution0, solution1, ... and the number label"
SOURCE = (
    "write there the test split of huggingface.co/datasets/mrlbenchmarks/global-piqa-{part} (config eng_latn) as JSON "
    "lines (the official evaluation_pipeline/global_piqa/dl.py does)"
)


def items(data: Path, limit: int | None = None, *, suite: str = "fast", rules: int = 2026) -> list[Item]:
    """The items of both parts; the same in both suites."""
    all_items = []
    for part, name in PARTS.items():
        folder = _data.find(data, suite, name, SOURCE.format(part=part)).parent
        first_lines: dict[str, int] = {}

        def build(record: _data.Record, _: str, part: str = part, first_lines: dict[str, int] = first_lines) -> Item:
            count = sum(key.startswith("solution") and key[8:].isdigit() for key in record.fields)
            if count < 2:
                raise record.wrong(f"{count} solutions")
            completions = tuple(f" {record.text(f'solution{i}')}" for i in range(count))
            sentences = tuple(record.text("prompt") + completion for completion in completions)
            uid = record.name("example_id")
            if first_lines.setdefault(uid, record.line) != record.line:
                raise record.wrong(f"example_id {uid} is that of line {first_lines[uid]} too")
            return Item(uid, sentences, completions, record.integer("label", 0, count - 1), split=part)

        all_items += _data.read(folder, build, limit, EXPECTED)
    return all_items


TASK = ChoiceTask(
    name="global_piqa",
    version=1,
    chance=0.375,
    title="GlobalPIQA",
    suites=(("fast", 2026), ("full", 2026)),
    order=7,
    average="nlp",
    read=items,
    by_mean=True,
    official=Official(
        key="global_piqa",
        counts=fixed_counts({"parallel": 103, "nonparallel": 100}),
        folder="global_piqa",
        parts=tuple(PARTS),
    ),
)
