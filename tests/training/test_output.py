"""Output that goes away does not stop a run; a terminal that goes away stops it as a signal does, unless nohup."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from babylm import cli, console, train

from . import runs
from .test_resume import stop_at

PROGRAM = """
import sys, torch
torch.set_num_threads(1)
from babylm import cli, train
sys.exit(cli.config_command(train.__doc__, train.main))
"""


@pytest.mark.parametrize("where", ["| head -n 1; exit ${PIPESTATUS[0]}", ">&-", "> /dev/full"])
def test_a_run_goes_on_without_its_output(tmp_path, root, where):
    runs.make(tmp_path)
    places = f"corpus.path={tmp_path}/text corpus.prepared={tmp_path}/prepared checkpoints={tmp_path}/checkpoints"
    line = f"'{sys.executable}' -c '{PROGRAM}' {tmp_path}/run.yaml {places} {where}"
    done = subprocess.run(["bash", "-c", line], cwd=root, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    folder = tmp_path / "checkpoints" / "run"
    assert (folder / "main" / "manifest.json").exists()
    assert "saved main" in (folder / "log.txt").read_text()


def test_a_line_that_cannot_be_printed_is_in_the_file(tmp_path, monkeypatch):
    closed = open(tmp_path / "closed", "w")  # noqa: SIM115
    closed.close()
    log = console.Log(tmp_path / "log.txt")
    for output in (closed, None):
        monkeypatch.setattr(sys, "stdout", output)
        log("said")
    monkeypatch.undo()
    assert (tmp_path / "log.txt").read_text() == "said\nsaid\n"


def test_a_command_whose_reader_is_gone_ends_without_a_word(root):
    line = f"'{sys.executable}' -c '{PROGRAM}' --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=root, stderr=subprocess.PIPE, text=True)
    assert done.returncode == cli.EXIT_UNREAD
    assert done.stderr == ""


def test_nohup_outlives_its_terminal(tmp_path, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop_at(monkeypatch, 5, signal.SIGHUP)
        runs.run(tmp_path)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("key", ["checkpoints", "corpus.prepared"])
def test_a_file_where_a_folder_should_be_is_the_users_to_mend(tmp_path, capsys, key):
    runs.make(tmp_path)
    (tmp_path / "file").write_text("mine")
    keys = {"corpus.path": "text", "corpus.prepared": "prepared", "checkpoints": "checkpoints", key: "file"}
    words = [f"{name}={tmp_path}/{value}" for name, value in keys.items()]
    assert cli.config_command("", train.main, [str(tmp_path / "run.yaml"), *words]) == cli.EXIT_CONFIG
    error = capsys.readouterr().err
    assert error == f"error: {key}: {tmp_path}/file is a file, not a folder\n"
    assert (tmp_path / "file").read_text() == "mine"
