"""Studies in one file, as users write them: those of docs/studies.md, added by --plugins."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from babylm import registry
from tests.conftest import ROOT

GUIDE = ROOT / "docs" / "studies.md"
BLOCKS = re.findall(r"```(?:py|yaml)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
STUDIES = {"planted": BLOCKS[:2], "rates": BLOCKS[2:]}
"""Name -> its file and its configuration."""


def write(folder: Path) -> Path:
    """Write the guide's studies and their configurations to ``folder``; returns the folder for --plugins."""
    (folder / "plugins" / "studies").mkdir(parents=True)
    for name, (text, configuration) in STUDIES.items():
        (folder / "plugins" / "studies" / f"{name}.py").write_text(text)
        (folder / f"{name}.yaml").write_text(configuration)
    return folder / "plugins"


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for --plugins; the registry forgets it after the test."""
    forget_plugins(monkeypatch)
    return write(tmp_path)


def forget_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registry begin without plug-ins, and forget after the test what is added."""
    monkeypatch.setattr(registry, "_ADDED", {folder: {} for folder in registry.FOLDERS})
    for name in [name for name in sys.modules if name.startswith("babylm_plugins")]:
        monkeypatch.delitem(sys.modules, name)
