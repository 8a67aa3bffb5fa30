"""A progress bar on a terminal, none in a file."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

from . import runs

PROGRAM = """
import pathlib, sys, torch
torch.set_num_threads(1)
from tests.training import runs
runs.run(pathlib.Path(sys.argv[1]))
"""


def test_a_bar_is_drawn_on_a_terminal(tmp_path, root):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path], cwd=root, stdout=theirs)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # the other end of a terminal closes with an error
        pass
    assert process.wait() == 0
    assert b"step/s" in shown
    assert b"saved main" in shown


def test_a_log_file_has_no_bar(tmp_path, capsys):
    folder = runs.run(tmp_path)
    assert "step/s" not in capsys.readouterr().out + (folder / "log.txt").read_text()
