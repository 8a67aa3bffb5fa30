"""GlobalPIQA (2026): which of four (parallel) or two (non-parallel) solutions fits the prompt?

By log-probability a token. The score is the mean of the two parts' accuracies. Each item is its own UID, as in the
official predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babylm.evaluation.results import Item
from babylm.evaluation.tasks import _data
from babylm.evaluation.tasks._choice import score_mean as score

__all__ = ["CHANCE", "VERSION", "items", "score"]

VERSION = 1
CHANCE = 0.375
PARTS = {"parallel": "global_piqa_parallel/eng_latn.jsonl", "nonparallel": "global_piqa_nonparallel/eng_latn.jsonl"}
SOURCE = (
    "write there the test split of huggingface.co/datasets/mrlbenchmarks/global-piqa-{part} (config eng_latn) as JSON "
    "lines (the official evaluation_pipeline/global_piqa/dl.py does)"
)


def items(data: Path, limit: int | None = None, *, suite: str = "fast", rules: int = 2026) -> list[Item]:
    """The items of both parts; the same in both suites."""
    found = []
    for part, name in PARTS.items():
        folder = _data.find(data, suite, name, SOURCE.format(part=part)).parent

        def build(line: Mapping[str, Any], _: str, part: str = part) -> Item:
            count = sum(key.startswith("solution") and key[8:].isdigit() for key in line)
            completions = tuple(f" {line[f'solution{i}']}" for i in range(count))
            sentences = tuple(line["prompt"] + completion for completion in completions)
            return Item(str(line["example_id"]), sentences, completions, int(line["label"]), split=part)

        found += _data.read(folder, build, limit, "an item of GlobalPIQA")
    return found
