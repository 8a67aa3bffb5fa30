"""Commands end with one line for everything a user can mend, and for Ctrl-C at any moment."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import subprocess
import sys
import time

import pytest

from babylm import cli, interrupts, processes, registry
from babylm.config import manual
from babylm.config.options import CompareOptions, ConvertOptions, EvaluateOptions, ReportOptions, SubmitOptions
from babylm.config.schema import SubmissionConfig

COMMANDS = ("prepare", "train", "evaluate", "report", "submit", "convert", "interact", "study", "generate")


def raises(error):
    def run(words):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("optimizer.lr: too high"), "optimizer.lr: too high"),
        (PermissionError(errno.EACCES, "Permission denied", "x/y"), "x/y: Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "x/y"), "x/y: Read-only file system"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device: free some space and repeat"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), "x: No such file or directory"),
        (ModuleNotFoundError("", name="scipy.stats"), r"scipy .*pip install 'babylm\[eval\]'"),
        (MemoryError(), "out of memory .*lower phases"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
    ],
)  # fmt: skip
def test_what_a_user_can_mend_is_one_line(capsys, error, line):
    assert cli.command("", raises(error), ["x"]) == cli.EXIT_CONFIG
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    import re

    assert re.search(line, err)


@pytest.mark.parametrize(
    "error", [RuntimeError("ours"), KeyError("ours"), ModuleNotFoundError("No module named 'x'", name="x"),
              UnicodeEncodeError("utf-8", "x", 0, 1, "ours"), ConnectionResetError(errno.ECONNRESET, "ours")]
)  # fmt: skip
def test_our_own_errors_are_not_hidden(error):
    with pytest.raises(type(error)):
        cli.command("", raises(error), ["x"])


def test_a_traceback_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("BABYLM_TRACEBACK", "1")
    with pytest.raises(ValueError, match="mine"):
        cli.command("", raises(ValueError("mine")), ["x"])


def test_an_interrupt_is_one_line(capsys):
    assert cli.command("", raises(KeyboardInterrupt()), ["x"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_windows_is_refused_at_the_start(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    assert cli.command("", raises(AssertionError()), ["x"]) == cli.EXIT_CONFIG
    assert "WSL" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_windows_gets_as_far_as_the_reason(name, root):
    """No module that a command imports at its top needs what Windows lacks."""
    program = (
        "import sys, signal\n"
        "for name in ('SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'): delattr(signal, name)\n"
        "sys.modules['fcntl'] = sys.modules['resource'] = sys.modules['pwd'] = sys.modules['grp'] = None\n"
        "sys.platform = 'win32'\n"
        f"import runpy; sys.argv = ['babylm', 'x']; runpy.run_module('babylm.{name}', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: babylm runs on Linux and macOS; on Windows use it inside WSL 2\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_nothing_heavy(name, root):
    program = (
        f"import sys, runpy; sys.argv = ['babylm', '--help']\n"
        f"try: runpy.run_module('babylm.{name}', run_name='__main__')\n"
        "except SystemExit as ended: assert not ended.code\n"
        "assert not {'torch', 'lightning', 'transformers', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.4])
def test_ctrl_c_during_the_imports_is_one_line(tmp_path, root, delay):
    command = [sys.executable, "-c", IMPORTS, "-m"]
    process = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err.strip() == interrupts.MESSAGE
    assert process.returncode == interrupts.EXIT_INTERRUPTED


IMPORTS = """
import sys, os
from babylm import cli, interrupts, processes, registry
interrupts.install()
def run(words):
    print("begun", flush=True)
    import torch, lightning, transformers, datasets
    import time; time.sleep(30)
sys.exit(cli.command("", run, ["x"]))
"""


def test_python_m_takes_the_interrupt_over_and_a_library_does_not(root):
    look = "import signal, sys; print(signal.getsignal(signal.SIGINT).__module__, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"import babylm; {look}"], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "_signal"
    program = f"import sys; sys.argv = ['-m']; import babylm; {look}"
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "babylm.interrupts"


def test_an_ignored_interrupt_stays_ignored(root):
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.argv = ['-m']; import babylm\n"
        "assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN"
    )
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, env={**os.environ})


@pytest.mark.parametrize(
    ("name", "words", "options"),
    [
        ("evaluate", [], EvaluateOptions),
        ("evaluate", ["compare"], CompareOptions),
        ("submit", [], SubmitOptions),
        ("submit", [], SubmissionConfig),
        ("report", [], ReportOptions),
        ("convert", [], ConvertOptions),
    ],
)
def test_help_lists_every_option_with_its_default(name, words, options, capsys):
    assert importlib.import_module(f"babylm.{name}")._command([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    for key, default, _ in manual.settings(options):
        assert f"  {key}={default}" in shown


def test_a_plug_in_that_ends_the_program_is_an_error(capsys):
    """``sys.exit(0)`` in a user's file would tell a job array that all is done."""
    assert cli.command("", raises(SystemExit(0)), ["x"]) == 2
    assert capsys.readouterr().err.startswith("error: a plug-in has ended the program (sys.exit(0))")


def test_an_importing_plug_in_that_ends_the_program_is_named(tmp_path):
    (tmp_path / "leaver.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(ValueError, match=r"leaver\.py: ends the program when it is imported"):
        registry._import_file(tmp_path / "leaver.py", "leaver")


def test_words_that_are_not_utf8_are_told(capsys):
    assert cli.command("", lambda words: 0, ["checkpoints/d\udcffir"]) == 2
    assert "'checkpoints/d\\udcffir': not UTF-8" in capsys.readouterr().err


def test_a_rank_that_is_no_number_is_one_line(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "x")
    assert cli.command("", lambda words: processes.global_rank(), ["x"]) == 2
    assert capsys.readouterr().err.startswith("error: RANK=x in the environment: must be a whole number")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_is_written_as_an_escape(encoding, root):
    program = "from babylm import cli; cli.leave(cli.command('', lambda words: print('caf\\u00e9 \\u4e2d'), ['x']))"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, env=environment, check=True)
    assert done.stdout.rstrip().endswith(b"\\u4e2d")
    assert done.stderr == b""


@pytest.mark.parametrize("words", [["--list"], ["--help"]])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_list_that_cannot_be_written_is_an_error(words, root):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "babylm.evaluate", *words]
        done = subprocess.run(command, cwd=root, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
