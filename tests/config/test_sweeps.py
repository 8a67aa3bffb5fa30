"""Sweeps: all combinations or the same draws for one seed, each run valid and with a name of its own."""

from __future__ import annotations

import pytest

from babylm import sweep as command
from babylm.config import load
from babylm.config.checks import ConfigError
from babylm.config.sweeps import lines, load_sweep
from tests.conftest import ROOT

SHIPPED = sorted((ROOT / "configs" / "sweeps").glob("*.yaml"))


def write(folder, text):
    file = folder / "s.yaml"
    file.write_text(f"config: {ROOT}/configs/smoke.yaml\n{text}")
    return file


def test_a_grid_is_every_combination_once(tmp_path):
    made = lines(load_sweep(write(tmp_path, "grid: {optimizer.lr: [0.01, 0.02], seed: [1, 2, 1]}")))
    assert made == [
        "name=s-0 optimizer.lr=0.01 seed=1",
        "name=s-1 optimizer.lr=0.01 seed=2",
        "name=s-2 optimizer.lr=0.02 seed=1",
        "name=s-3 optimizer.lr=0.02 seed=2",
    ]


def test_random_draws_depend_on_the_seed_alone(tmp_path):
    file = write(
        tmp_path, "random: {optimizer.lr: {low: 0.001, high: 0.1, log: true}, model.dropout: [0.0, 0.1]}\nsamples: 16"
    )
    made = lines(load_sweep(file))
    assert made == lines(load_sweep(file)) != lines(load_sweep(file, ["seed=1"]))
    rates = [load(ROOT / "configs/smoke.yaml", line.split()).optimizer.lr for line in made]
    assert all(0.001 <= rate <= 0.1 for rate in rates)
    assert 4 <= sum(rate < 0.01 for rate in rates) <= 12, "half of a log range is below its geometric mean"


def test_values_may_be_lists_and_whole_numbers(tmp_path):
    file = write(
        tmp_path, "grid: {evaluation.tasks: [[], [toy_pairs]]}\nrandom: {seed: {low: 1, high: 9, whole: true}}"
    )
    first, second = lines(load_sweep(file))
    assert "evaluation.tasks=[] seed=" in first
    assert load(ROOT / "configs/smoke.yaml", second.split()).evaluation.tasks == ["toy_pairs"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "give a grid"),
        ("grid: {optimizer.lr: 0.01}", "must be a list of values"),
        ("grid: {optimizer.lr: []}", "must be a list of values"),
        ("grid: {optimizer.rate: [1]}", r"name=s-0 optimizer.rate=1: optimizer.rate: unknown key"),
        ("grid: {optimizer.lr: [-1]}", r"name=s-0 optimizer.lr=-1: optimizer.lr"),
        ("random: {optimizer.lr: {low: 1, high: 0.1}}", "are no range"),
        ("random: {optimizer.lr: {low: 0, high: 0.1, log: true}}", "no range on a log scale"),
        ("random: {optimizer.lr: {low: abc, high: 0.1}}", "low must be a number, not 'abc'"),
        ("random: {seed: {low: 0, high: 9, whole: 7}}", "whole must be true or false, not 7"),
        ("random: {optimizer.lr: {lo: 0, high: 0.1}}", "must be a list, or low and high"),
        ("grid: {seed: [1]}\nrandom: {seed: [2]}", "in grid and in random"),
        ("grid: {seed: [1]}\nsamples: 0", "samples=0: must be at least 1"),
        ("gird: {seed: [1]}", "did you mean grid"),
    ],
)
def test_mistakes_are_told_before_a_line_is_printed(tmp_path, text, message, capsys):
    with pytest.raises(ConfigError, match=message):
        lines(load_sweep(write(tmp_path, text)))
    assert command._command([str(tmp_path / "s.yaml")]) == 2
    assert not capsys.readouterr().out


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_sweeps_are_valid_and_say_their_size(file, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert command._command([str(file)]) == 0
    head, *runs = capsys.readouterr().out.splitlines()
    assert head.startswith(f"# {len(runs)} runs of configs/")
    assert len({line.split()[0] for line in runs}) == len(runs) > 5
