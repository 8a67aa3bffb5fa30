"""A user's task is one file: evaluated, averaged, listed, reported, and no part of an official submission."""

import importlib.util
import json

import pytest

from babylm import evaluate, registry, report, revisions
from babylm.config.schema import Config
from babylm.evaluation import suite, task_registry
from babylm.evaluation.results import averages
from babylm.submission import official
from tests.evaluation import fixtures

PLUGIN = '''
"""Agreement, by hand."""

from babylm.evaluation.results.task_result import Item
from babylm.evaluation.tasks._multiple_choice import ChoiceTask


def items(data, limit=None, *, suite="fast", rules=2025):
    pairs = [("The cats see.", "The cats sees."), ("A dog sees.", "A dog see.")]
    return [Item("number", pair, pair) for pair in pairs * 4][:limit]


TASK = ChoiceTask(
    name="agreement", version=1, chance=0.5, title="Agreement", suites=(("full", 2026),), average="syntax", read=items
)
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """``agreement`` beside the tasks of the package, as a folder of plug-ins adds it."""
    file = tmp_path / "agreement.py"
    file.write_text(PLUGIN)
    spec = importlib.util.spec_from_file_location("agreement", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names, load = registry.names, registry.load
    tasks = task_registry.FOLDER
    monkeypatch.setattr(registry, "names", lambda f: sorted([*names(f), *(["agreement"] if f == tasks else [])]))
    monkeypatch.setattr(registry, "load", lambda f, name: module if name == "agreement" else load(f, name))
    yield module.TASK
    task_registry._plugin.cache_clear()


@pytest.fixture
def run(tmp_path, causal_model, tokenizer_folder):
    for name, words in (("chck_2K", 2000), ("main", 10_500)):
        revisions.save(tmp_path / "run" / name, causal_model, tokenizer_folder, {"words": words})
    fixtures.write_all(tmp_path / "data")
    return tmp_path / "run"


def test_a_task_is_one_file(plugin, run, tmp_path, capsys):
    assert task_registry.suite_names("full", 2026)[-8] == "agreement"  # after the official ones, before fine-tuning
    words = [str(run), "suite=full", "rules=2026", f"data={tmp_path / 'data'}", "limit=4", "glue.epochs=1"]
    assert evaluate._command(words) == 0
    assert "Agreement" not in capsys.readouterr().err
    stored = json.loads((run / "evaluation/main/agreement.full.2026.causal.json").read_text())
    assert (stored["task"], stored["n"]) == ("agreement", 4)
    averaged = json.loads((run / "evaluation/main/averages.2026.causal.json").read_text())
    assert averaged["syntax"] == {"value": stored["official"], "present": stored["official"], "missing": []}
    assert "agreement" not in {name for key in averages.OFFICIAL for name in averages.columns_of(2026)[key]}
    required = official.required(Config(track="strict-small"), 2026, ["chck_1M"])
    assert "agreement" not in {task for _, task, _ in required}
    assert official.counts("agreement", "full", 2026) is None
    assert evaluate._command(["--list"]) == 0
    assert "agreement" in capsys.readouterr().out
    assert report._command([str(run), f"out={tmp_path / 'page.html'}"]) == 0
    assert "Agreement" in (tmp_path / "page.html").read_text()


def test_an_official_average_is_of_official_tasks(plugin, monkeypatch):
    object.__setattr__(plugin, "average", "nlp")
    with pytest.raises(ValueError, match="agreement: nlp is an official average of official tasks"):
        averages.columns_of(2026)


def test_the_library_call_returns_what_is_stored(run, tmp_path, capsys):
    results = suite.evaluate(run, tasks=["toy_pairs"], limit=2, revisions=["main"])
    assert [(result.key, result.backend) for result in results] == [(("toy_pairs", "fast", 2026), "causal")]
    assert results[0].content == json.loads(results[0].file.read_text())
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="did you mean toy_pairs"):
        suite.evaluate(run, tasks=["toy_pair"])
