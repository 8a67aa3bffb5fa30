"""Folders and files as people name them: from home, a word short, a letter off, the wrong kind."""

from __future__ import annotations

import pytest

from babylm import config as configuration
from babylm import evaluate, generate, places, report, submit
from babylm.config.evaluation import task_path
from babylm.evaluation import model_paths
from babylm.evaluation.results import comparison
from babylm.train import main as train

COMMANDS = {
    "evaluate": lambda name: evaluate._run([name]),
    "evaluate, a suite": lambda name: evaluate._run([name, "suite=fast"]),
    "compare": lambda name: comparison.run([name, name]),
    "generate": lambda name: generate.main([name, "the dog"]),
    "report": lambda name: report._run([name]),
    "submit": lambda name: submit._run([name]),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with the folder of a run and a configuration; it is home too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "checkpoints" / "smoke").mkdir(parents=True)
    (tmp_path / "checkpoints" / "smok2.txt").write_text("no folder\n")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "smoke.yaml").write_text("name: mine\n")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["smoke", "checkpoints/smok", "~/checkpoints/smok"])
def test_a_misspelt_run_answers_with_the_nearest(here, command, name):
    with pytest.raises(ValueError, match=r"^no folder .*; did you mean .*checkpoints/smoke\?$"):
        COMMANDS[command](name)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_is_no_run(here, command):
    with pytest.raises(ValueError, match=r"^configs/smoke.yaml is a file, not a folder"):
        COMMANDS[command]("configs/smoke.yaml")


def test_a_folder_without_a_model_is_said_before_its_tasks(here):
    with pytest.raises(ValueError, match="checkpoints holds neither a model nor revisions"):
        evaluate._run(["checkpoints"])


def test_an_owner_and_a_name_are_of_the_hub(here):
    model_paths.check("owner/name@main")
    model_paths.check("gpt2")


@pytest.mark.parametrize("name", ["smoke", "smoke.yaml", "configs/smoke", "configs/smok.yaml"])
def test_a_misspelt_configuration_answers_with_the_nearest(here, name):
    with pytest.raises(ValueError, match=r"; did you mean configs/smoke.yaml\?$"):
        configuration.load(name)


def test_a_command_given_in_another_directory_says_where_it_was(here, monkeypatch):
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    with pytest.raises(ValueError, match=r"smoke.yaml \(nor configs, in the working directory .*elsewhere\)$"):
        configuration.load("configs/smoke.yaml")
    for command in COMMANDS.values():
        with pytest.raises(ValueError, match=r"\(nor checkpoints, in the working directory .*elsewhere\)$"):
            command("checkpoints/smoke")


def test_home_is_a_tilde_in_every_path(here):
    assert configuration.load("~/configs/smoke.yaml").name == "mine"
    (here / "pairs.csv").write_text("good,bad\na,b\n")
    assert task_path("~/pairs.csv") == here / "pairs.csv"
    asked = evaluate.request_of(*_scored(here))
    assert asked.data == here / "data"
    assert asked.models == [here / "checkpoints" / "smoke" / "main"]
    assert places.given("~nobody-of-this-name/x").parts[0] == "~nobody-of-this-name"


def _scored(here):
    (here / "checkpoints" / "smoke" / "main").mkdir()
    (here / "checkpoints" / "smoke" / "main" / "config.json").write_text("{}")
    return "~/checkpoints/smoke", {"tasks": "toy_pairs,~/pairs.csv", "data": "~/data"}


def test_a_run_is_written_to_home(here, monkeypatch):
    config = configuration.load(
        "~/configs/smoke.yaml", ["checkpoints=~/runs", "corpus.source=toy", "corpus.toy.words=3000", "track=free",
        "corpus.prepared=~/prepared", "tokenizer.vocab_size=512", "model.preset=smoke", "budget.epochs=1",
        "milestones=[]", "phases=[{sequence_length: 64, tokens_per_step: 1024}]", "training.threads=1"]
    )  # fmt: skip
    assert train(config) == 0
    assert (here / "runs" / "mine" / "main" / "config.json").is_file()
    assert not (here / "~").exists()
