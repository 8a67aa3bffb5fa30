"""A search with Optuna: workers share it, a stopped run is continued; without Optuna one line says what to install."""

from __future__ import annotations

import json
import math
import sys

import pytest

from babylm import search
from babylm.config import sweeps
from babylm.config.checks import ConfigError
from tests.training import runs

SEARCH = """
config: {folder}/run.yaml
grid:
  corpus.path: [{folder}/text]
  corpus.prepared: [{folder}/prepared]
  checkpoints: [{folder}/checkpoints]
  corpus.dev: [{folder}/dev.txt]
  evaluation.held_out_loss_when: [end]
  budget.epochs: [1]
random:
  optimizer.lr: {{low: 0.0001, high: 1.0, log: true}}
  model.num_hidden_layers: {{low: 1, high: 2, whole: true}}
trials: 3
storage: {folder}/search.log
"""


@pytest.fixture
def file(tmp_path):
    runs.make(tmp_path)
    (tmp_path / "dev.txt").write_text(runs.sentences(40))
    file = tmp_path / "find.yaml"
    file.write_text(SEARCH.format(folder=tmp_path))
    return file


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna", reason="no optuna: pip install 'babylm[optuna]'")


def pretend(codes=()):
    """In place of training: a loss that is least at a rate of 0.01; the first exit codes."""
    waiting = list(codes)
    made = []

    def main(config):
        made.append(config.name)
        code = waiting.pop(0) if waiting else 0
        folder = runs.Path(config.checkpoints) / config.name
        folder.mkdir(parents=True, exist_ok=True)
        loss = abs(math.log10(config.optimizer.lr) + 2)
        (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "words": 9, "dev/causal": loss}) + "\n")
        return code

    return main, made


def test_without_optuna_one_line_says_what_to_install(file, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert search._command([str(file)]) == 2
    assert capsys.readouterr().err == "error: the package optuna is not installed: pip install 'babylm[optuna]'\n"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("grid={corpus.dev: [null]}", "measures no held-out loss; set corpus.dev"),
        ("random={optimizer.lr: {low: 1, high: 0.1}}", "are no range"),
        ("trials=0", "at least 1"),
        ("direction=up", "direction"),
    ],
)
def test_a_wrong_search_is_refused_before_the_first_run(file, override, message):
    with pytest.raises(ValueError, match=message):
        sweeps.check_search(sweeps.load_sweep(file, [override]))


def test_real_runs_are_compared_by_their_last_loss(file, optuna, tmp_path, capsys):
    assert search._command([str(file), "trials=2"]) == 0
    assert sorted(p.name for p in (tmp_path / "checkpoints").glob("find-*")) == ["find-0000", "find-0001"]
    assert "2 of 2 runs have a result; the best by dev/causal" in capsys.readouterr().out
    assert search._command([str(file), "trials=2"]) == 0, "nothing is left to do"
    trials = search.open_study(sweeps.load_sweep(file), sweeps.check_search(sweeps.load_sweep(file))).trials
    for trial in trials:
        lines = (tmp_path / "checkpoints" / trial.user_attrs["name"] / "metrics.jsonl").read_text().splitlines()
        assert trial.value == [json.loads(x) for x in lines if "dev/causal" in x][-1]["dev/causal"]


def test_a_search_finds_what_chance_does_not(file, optuna, monkeypatch):
    main, made = pretend()
    monkeypatch.setattr("babylm.train.main", main)
    assert search._command([str(file), "trials=40"]) == 0
    study = search.open_study(sweeps.load_sweep(file), sweeps.check_search(sweeps.load_sweep(file)))
    values = [trial.value for trial in study.trials]
    assert len(set(made)) == 40
    assert study.best_value < 0.1
    assert sum(values[20:]) < 0.7 * sum(values[:20]), "later runs are chosen by the earlier ones"


def test_workers_share_a_search_and_continue_a_stopped_run(file, optuna, monkeypatch, tmp_path):
    main, made = pretend([75, 3])
    monkeypatch.setattr("babylm.train.main", main)
    assert search._command([str(file)]) == 75
    sweep = sweeps.load_sweep(file)
    base = sweeps.check_search(sweep)
    workers = [search.open_study(sweep, base) for _ in range(2)]
    log = search.Log(quiet=True)
    codes = []
    while any(search._trials_left(worker, sweep) for worker in workers):
        codes += [search.run_trial(w, sweep, log, "w") for w in workers if search._trials_left(w, sweep)]
    assert made == ["find-0000", "find-0000", "find-0002", "find-0003"], "the first is continued under its name"
    assert codes == [3, 0, 0], "a loss that is not finite is a result too"
    states = [trial.state.name for trial in workers[0].get_trials()]
    assert states == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]


def test_the_run_of_a_worker_that_died_is_continued(file, optuna, monkeypatch, tmp_path):
    main, made = pretend()
    monkeypatch.setattr("babylm.train.main", main)
    sweep = sweeps.load_sweep(file, ["trials=1"])
    study = search.open_study(sweep, sweeps.check_search(sweep))
    workers = tmp_path / "checkpoints" / ".search"
    alive = search.join(workers)
    (workers / "dead").touch()
    for worker in (alive, "dead"):
        trial = study.ask()
        trial.set_user_attr("worker", worker)
        trial.set_user_attr("name", f"of-{worker}")
        search.choose(trial, sweep)
    rates = [trial.params["optimizer.lr"] for trial in study.trials]
    assert search._command([str(file), "trials=1"]) == 0
    assert made == ["of-dead"]
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "FAIL", "COMPLETE"]
    assert study.trials[2].params["optimizer.lr"] == rates[1]


def test_a_metric_that_was_not_measured_is_named(file, optuna, monkeypatch):
    main, _ = pretend()
    monkeypatch.setattr("babylm.train.main", main)
    sweep = sweeps.load_sweep(file, ["metric=task/blimp"])
    with pytest.raises(ConfigError, match=r"metric=task/blimp: .* has none; there are dev/causal, step, words"):
        search.run_trial(search.open_study(sweep, sweeps.check_search(sweep)), sweep, search.Log(quiet=True), "w")
