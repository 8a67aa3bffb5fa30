"""A finished run in miniature: five milestones of a tiny model, scored by both years' rules on made-up data."""

import json
import shutil

import pytest
import torch

from babylm import config as configuration
from babylm import environment, files, revisions, tracks
from babylm.config.schema import Config, EvaluationConfig, GlueConfig, SubmissionConfig, TokenizerConfig
from babylm.console import Log
from babylm.corpora import tokenizer as tokenizers
from babylm.evaluation import suite
from babylm.evaluation.score_model import evaluate_model
from babylm.evaluation.task_registry import groups, load_task, suite_names
from babylm.submission import official
from tests.models.variants import network

GLUE = [task.name for task in groups()["glue"]]

TRACK = tracks.Track(10_000, 100_000, tuple(range(1_000, 6_000, 1_000)))
TEXTS = [
    "The cat sees the dogs.\nThe dogs see the cat.",
    "A girl who likes birds reads a book about ships near the red houses.",
]
CONFIG = """
name: mini
track: strict-small
rules: 2026
evaluation: {data: "%s"}
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory, data):
    """The run, as training and evaluation leave it."""
    folder = tmp_path_factory.mktemp("runs") / "mini"
    tokenizer = tmp_path_factory.mktemp("tokenizer")
    tokenizers.save(tokenizers.train(TEXTS * 5, TokenizerConfig(vocab_size=330)), tokenizer)
    vocabulary = tokenizers.load(tokenizer).get_vocab_size()
    planned = []
    for number, words in enumerate((*TRACK.milestones, TRACK.milestones[-1]), 1):
        name = "main" if number == 6 else tracks.milestone_name(words)
        torch.manual_seed(min(number, 5))
        facts = {"words": words + 7, "step": 10 * number, "corpus": "none"}
        revisions.save(folder / name, network(vocab_size=vocabulary), tokenizer, facts)
        planned.append({"name": name, "step": 10 * number, "words": words + 7})
    config = Config(
        name="mini", evaluation=EvaluationConfig(data=str(data)), submission=SubmissionConfig(repo="me/mini")
    )
    files.write_text(folder / "config.yaml", configuration.dump(config))
    plan = {"words": planned[-1]["words"], "epochs": 2.5, "steps": 60, "flops": 1e9, "corpus_words": 2_000}
    files.write_json(folder / "plan.json", plan | {"milestones": planned[:-1]})
    files.write_json(folder / "environment.json", environment.record())
    files.write_text(folder / "metrics.jsonl", json.dumps({"words": 5_007, "words_per_second": 1000.0}) + "\n")
    settings = EvaluationConfig(glue=GlueConfig(epochs=1, length=64, precision="fp32"))
    for rules in (2025, 2026):
        _evaluate(folder, data, rules, settings)
    return folder


def _evaluate(folder, data, rules, settings):
    quiet = Log(quiet=True)
    milestones = [folder / tracks.milestone_name(words) for words in TRACK.milestones]
    results = folder / "evaluation"

    def score(models, tasks, which):
        asked = suite.load_items(tasks, data, None, which, rules, quiet, tasks)
        for model in models:
            evaluate_model(model, asked, "causal", results, suite=which, rules=rules, settings=settings)

    score(milestones, suite_names("fast", rules), "fast")
    score(milestones, ["aoa"], "full")
    score([folder / "main"], [t for t in suite_names("full", rules) if t not in ("aoa", *GLUE)], "full")
    score([folder / "main"], GLUE, "full")
    suite.score_over_revisions(load_task("aoa"), milestones, "causal", results, "full", rules, quiet)


@pytest.fixture
def mini(built, tmp_path, monkeypatch):
    """A copy of it, in a track of its size, with official tables that fit the made-up data."""
    counts = {
        "blimp": {"agreement_1": 6}, "supplement": {"turns": 4}, "ewok": {"social": 6, "spatial": 6},
        "comps": dict.fromkeys(("base", "wugs", "wugs_dist_before", "wugs_dist_in_between"), 5),
        "wug_adj": {"wug_adj": 8}, "wug_past": {"wug_past": 8}, "aoa": {"aoa": 8},
        "global_piqa": {"parallel": 5, "nonparallel": 5},
    }  # fmt: skip
    monkeypatch.setitem(tracks.TRACKS, "strict-small", TRACK)
    monkeypatch.setattr(official, "counts", lambda task, which, rules: counts.get(task))
    return shutil.copytree(built, tmp_path / "mini")
