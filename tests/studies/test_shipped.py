"""Every shipped study has a command in miniature that `make studies` runs (``smoke_runs.py``), and it is planned."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from babylm import registry, study
from tests.conftest import ROOT
from tests.studies.smoke_runs import COMMANDS, WITHOUT


def test_every_shipped_study_is_run_in_miniature():
    shipped = {file.stem for file in (ROOT / "configs" / "studies").glob("*.yaml")}
    assert COMMANDS.keys() | WITHOUT.keys() == shipped
    assert "make studies" in (ROOT / ".ci" / "run").read_text()


def test_studies_are_named_and_read_without_torch():
    names = [f"babylm.studies.{name}" for name in registry.names("studies")]
    code = (
        f"import {', '.join(names)}, sys; assert not {{'torch', 'transformers', 'scipy', 'sklearn'}} & set(sys.modules)"
    )
    assert len(names) > 8
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("name", COMMANDS)
def test_its_pieces_are_planned(name, tmp_path, root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    module, *words = COMMANDS[name][1:]
    assert module == "babylm.study"
    assert study._command([*words, "dry_run=true", f"folder={tmp_path}"]) == 0
    planned = re.search(r"(\d+) pieces, \1 to do", capsys.readouterr().out)
    assert planned
    assert int(planned[1]) < 60
