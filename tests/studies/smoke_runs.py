"""Every shipped study in miniature, by its command, from nothing: ``make studies`` runs this, ``make test`` does not.

The commands are the lines ``# Smoke:`` of configs/studies. Each must end with its tables, a figure, its gates, and
remarks that say what is not shown.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SMOKE = re.compile(r"^# Smoke: +python (-m babylm\.study .+)$", flags=re.MULTILINE)
COMMANDS = {
    file.stem: shlex.split(match[1])
    for file in sorted((ROOT / "configs" / "studies").glob("*.yaml"))
    if (match := SMOKE.search(file.read_text(encoding="utf-8")))
}
WITHOUT = {"human_feedback": "it needs recorded games", "recipe_search_cpu": "it is recipe_search with a text of yours"}
GATED = {"habits", "warmth", "relational", "quality_signals", "interaction_methods", "respect", "coupling"}
LONGEST = ("interaction_methods", "recipe_search", "developmental_order", "warmth")
"""Begun first, so that two workers end together."""
NOT_SHOWN = re.compile(r"nothing|not replicat|no replication|may learn in another")


def folder_of(name: str, tmp_path: Path) -> Path:
    """Where the study writes: below STUDIES, which make empties first, or a folder of the test."""
    return Path(os.environ.get("STUDIES", tmp_path)) / name


@pytest.mark.parametrize("name", sorted(COMMANDS, key=lambda name: (name not in LONGEST, name)))
def test_a_study_in_miniature(name, tmp_path):
    folder = folder_of(name, tmp_path)
    words = [sys.executable, *COMMANDS[name], f"folder={folder.parent}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    made = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["failed"] == []
    assert all(table["rows"] and (folder / table["csv"]).is_file() for table in summary["tables"].values())
    assert (folder / summary["figure"]).read_bytes().startswith(b"\x89PNG")
    assert (folder / "measurements.csv").stat().st_size > 100
    said = " ".join([summary["title"], *summary["remarks"]])
    assert NOT_SHOWN.search(said), "what is not shown"
    assert "miniature" in said or name == "developmental_order"
    if name in GATED:
        text = said + json.dumps(summary["tables"])
        assert re.search(r"[Gg]ates?\b|Preconditions", text)
        assert re.search(r"\b(met|missed|not measured)\b", text)
