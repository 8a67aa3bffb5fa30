"""The guide's study that trains by the public API: stopped inside a run by any signal, it goes on where it was."""

from __future__ import annotations

import json
import os
import signal
from functools import partial

import pytest

from babylm import registry, study
from babylm.corpora import toy
from babylm.interrupts import EXIT_INTERRUPTED, EXIT_STOPPED
from babylm.training.module import Pretraining
from tests.studies.planted import plugins
from tests.test_docs import TINY

__all__ = ["plugins"]


@pytest.fixture
def words(tmp_path, plugins, monkeypatch):
    """The command's words, on a model that trains in a second."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.setattr(toy, "minimal_pairs", partial(toy.minimal_pairs, count=5))
    path = tmp_path / "tiny.yaml"
    return ["--plugins", str(plugins), str(tmp_path / "rates.yaml"), f"folder={tmp_path}", f"config={path}"]


@pytest.fixture
def stop_at_second_step(monkeypatch):
    """Sends a signal inside the next run's step 1, once; returns the list of the steps that are taken."""

    def arm(number):
        original, steps = Pretraining.training_step, []

        def training_step(self, batch, batch_idx=0):
            steps.append(batch.step)
            if steps.count(1) == 1 and batch.step == 1:
                os.kill(os.getpid(), number)
            return original(self, batch, batch_idx)

        monkeypatch.setattr(Pretraining, "training_step", training_step)
        return steps

    return arm


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGUSR1, EXIT_STOPPED, "time is up: 0 of 2 known pieces are done"),
        (signal.SIGTERM, EXIT_STOPPED, "stopped by SIGTERM: 0 of 2 known pieces are done"),
        (signal.SIGINT, EXIT_INTERRUPTED, "interrupted"),
    ],
)
def test_a_stop_inside_a_run_is_no_failure(tmp_path, words, stop_at_second_step, capsys, number, code, told):
    steps = stop_at_second_step(number)
    assert study._command([*words, "seeds=[1]"]) == code
    shown = capsys.readouterr()
    assert told in shown.out + shown.err
    assert "failed" not in shown.out
    folder = tmp_path / "rates"
    assert not (folder / "failures.txt").exists()
    assert not list(folder.glob("pieces/**/*.json")), "neither a record nor the length of an attempt"
    assert len(list(folder.glob("scratch/*/run/*.ckpt"))) == 1, "the next piece was not begun"
    if number == signal.SIGUSR1:
        assert study._command([*words, "seeds=[1]"]) == 0
        assert steps[:4] == [0, 1, 2, 3], "continued, not begun again"
        assert steps.count(0) == 2, "the other piece"
        summary = json.loads((folder / "summary.json").read_text())
        assert [row[0] for row in summary["tables"]["scores"]["rows"]] == ["lr 0.002", "lr 0.02"]
        assert summary["failed"] == []


def test_what_failed_is_located_and_runs_again_once_the_file_is_corrected(tmp_path, plugins, capsys):
    file = plugins / "studies" / "planted.py"
    right = file.read_text()
    line = next(number for number, text in enumerate(right.splitlines(), 1) if "difficulty =" in text)
    command = ["--plugins", str(plugins), str(tmp_path / "planted.yaml"), f"folder={tmp_path}", "seeds=[1]"]
    broken = right.replace("    difficulty = np", "    difficulty = 1 / 0 + np")
    file.write_text(broken)
    assert study._command(command) == 2
    shown = capsys.readouterr()
    assert "0 pieces measured, 3 failed, after" in shown.out
    reason = f"neutral with seed 1: ZeroDivisionError: division by zero (planted.py, line {line})"
    assert f"every piece failed, the first: {reason}" in shown.err
    assert f"tracebacks are in {tmp_path / 'planted' / 'failures.txt'}" in shown.err
    assert "ZeroDivisionError" in (tmp_path / "planted" / "failures.txt").read_text()
    assert study._command(command) == 2
    assert "== neutral" not in capsys.readouterr().out, "not tried again by itself"
    _forget(file)
    file.write_text(broken.replace("1 / 0 + ", '(1 / 0 if piece.settings["tone"] == "warm" else 0) + '))
    assert study._command([*command, "dry_run=true"]) == 0
    assert "3 pieces, 3 to do" in capsys.readouterr().out
    assert study._command(command) == 2
    shown = capsys.readouterr()
    assert "pieces that failed before are run again, as the study's file was changed since: 3" in shown.out
    assert "2 pieces measured, 1 failed" in shown.out
    assert (
        "1 of 3 pieces failed, without which the study cannot be summarised; the first, warm with seed 1: Zero"
        in shown.err
    )
    assert "bootstrap" not in shown.err
    _forget(file)
    file.write_text(right)
    assert study._command(command) == 0
    shown = capsys.readouterr().out
    assert shown.count("== ") == 1, "the others are kept"


def _forget(file):
    """As a new process would: the file is read again."""
    import sys

    for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) == str(file)]:
        del sys.modules[name]
    registry._ADDED["studies"].clear()
