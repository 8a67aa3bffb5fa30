"""A revision holds the averaged weights when asked, a resumable state both."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from . import runs


def test_the_revision_holds_the_average(tmp_path):
    folder = runs.run(tmp_path, "averaging={name: tail, tail: 0.5, every: 1}")
    saved, written = runs.state(folder), load_file(folder / "main" / "model.safetensors")
    assert set(saved["average"]) == {name for name in written if name in saved["average"]}
    for name, value in saved["average"].items():
        assert torch.equal(written[name], value), name
    live = saved["network"]
    assert any((written[name] - live[name]).abs().max() > 1e-4 for name in written)


def test_without_an_average_it_holds_the_weights(tmp_path):
    folder = runs.run(tmp_path, "averaging.name=none")
    saved, written = runs.state(folder), load_file(folder / "main" / "model.safetensors")
    assert saved["average"] is None
    for name, value in written.items():
        assert torch.equal(saved["network"][name], value), name


def test_a_bar_is_drawn_on_a_terminal_only(tmp_path, root):
    """A pretended terminal shows one; a pipe none."""
    import os
    import pty
    import subprocess
    import sys

    runs.make(tmp_path)
    program = (
        "import sys, pathlib, torch; torch.set_num_threads(1); from tests.training import runs\n"
        "runs.run(pathlib.Path(sys.argv[1]))"
    )
    ours, theirs = pty.openpty()
    shown = {}
    for name, out in (("terminal", theirs), ("pipe", subprocess.PIPE)):
        process = subprocess.Popen([sys.executable, "-c", program, tmp_path / name], cwd=root, stdout=out)
        if name == "terminal":
            os.close(theirs)
            text = b""
            try:
                while chunk := os.read(ours, 65536):
                    text += chunk
            except OSError:  # the other end of a terminal closes with an error
                pass
            process.wait()
        else:
            text = process.communicate()[0]
        assert process.returncode == 0
        shown[name] = text.decode()
    assert "step/s" in shown["terminal"]
    assert "step/s" not in shown["pipe"]
    assert "saved main" in shown["pipe"]
    assert "saved main" in shown["terminal"]
