"""The official collator itself on our result tree: it accepts it, and writes what we wrote.

Its checkout lies outside the project; BABYLM_OFFICIAL_PIPELINE names it.
"""

import importlib
import json
import os
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from babylm import tracks
from babylm.evaluation.task_registry import groups, load_task
from babylm.submission import collate, official, package, settings

GLUE = [task.name for task in groups()["glue"]]

CHECKOUT = os.environ.get("BABYLM_OFFICIAL_PIPELINE", "../evaluation-pipeline-2025")


needs_checkout = pytest.mark.skipif(
    not (Path(CHECKOUT) / "evaluation_pipeline/collate_preds.py").is_file(),
    reason="no checkout of the official 2025 pipeline (BABYLM_OFFICIAL_PIPELINE)",
)


@pytest.fixture
def theirs(monkeypatch):
    monkeypatch.syspath_prepend(CHECKOUT)
    yield importlib.import_module("evaluation_pipeline.collate_preds")
    for name in [name for name in sys.modules if name.startswith("evaluation_pipeline")]:
        sys.modules.pop(name)


@needs_checkout
def test_our_tables_are_the_official_ones(theirs):
    for task in ("blimp", "supplement", "ewok", "entity_tracking", "comps"):
        assert official.counts(task, "full", 2025) == theirs.FULL_SIZES[load_task(task).official.key]
    for task in ("blimp", "supplement", "ewok"):
        assert set(official.counts(task, "fast", 2025).values()) == {theirs.FAST_SIZES[load_task(task).official.key]}
    assert official.counts("entity_tracking", "fast", 2025) == theirs.FAST_SIZES["entity_tracking"]
    for task in ("wug_adj", "wug_past", "reading", *GLUE):
        assert official.counts(task, "full", 2025) == {task: theirs.FULL_SIZES[task]}
    assert official.counts("aoa", "full", 2025) == {"aoa": theirs.AOA_SIZE}
    for track, names in {
        "strict-small": theirs.STRICT_SMALL_FAST_REVISIONS,
        "strict": theirs.OTHER_FAST_REVISIONS,
    }.items():
        assert [tracks.milestone_name(words) for words in tracks.TRACKS[track].milestones] == names


@needs_checkout
def test_official_collator_writes_the_same_file(mini, data, monkeypatch, theirs):
    run = settings.open_run(mini, {"rules": "2025", "backend": "causal"})
    names = {task: load_task(task).official.key for task in ("blimp", "supplement", "ewok", "comps")}
    sizes = {key: official.counts(task, "full", 2025) for task, key in names.items()}
    entity = {f"{split}_{k}_ops": 2 for split in ("regular", "ambiref", "move_contents") for k in range(6)}
    sizes |= {"entity_tracking": entity, "wug_adj": 8, "wug_past": 8, "reading": _rows(data), **dict.fromkeys(GLUE, 9)}
    fast = {"blimp": 6, "blimp_supplement": 4, "ewok": 6, "entity_tracking": entity, "wug_adj": 8, "wug_past": 8}
    monkeypatch.setattr(theirs, "FULL_SIZES", sizes)
    monkeypatch.setattr(theirs, "FAST_SIZES", fast | {"reading": _rows(data)})
    monkeypatch.setattr(theirs, "STRICT_SMALL_FAST_REVISIONS", run.milestones)
    monkeypatch.setattr(theirs, "AOA_SIZE", 8)
    written = package.write(run, data)
    theirs.collate_preds(
        Namespace(
            model_path_or_name=Path("mini"),
            backend="causal",
            results_dir=written.folder / "results",
            fast=True,
            revision_name="main",
            fast_eval_dir=data / "fast_eval",
            track="strict-small",
            multimodal=False,
        )
    )
    name = "all_full_preds_and_fast_scores_causal.json"
    one = _load(written.folder / name)
    two = _load(written.folder / "results" / "mini" / name)
    assert one.keys() == two.keys()
    for key in one:
        assert _rounded(one[key]) == _rounded(two[key]), key
    assert collate.key_of("supplement", 2025) in two


def _rows(data):
    return len((data / "fast_eval/reading/reading_data.csv").read_text().splitlines()) - 1


def _load(file):
    return json.loads(file.read_text())


def _rounded(value):
    """Without the last digits, in which two ways to one correlation differ; NaN equal to itself."""
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_rounded(own) for own in value]
    if isinstance(value, float):
        return "NaN" if value != value else round(value, 9)
    return value
