"""A study in one file, as a user writes it: that of docs/studies.md, added by --plugins."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from babylm import registry
from tests.conftest import ROOT

GUIDE = ROOT / "docs" / "studies.md"
TEXT, YAML = re.findall(r"```(?:py|yaml)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)


def write(folder: Path) -> Path:
    """Write the guide's study and its configuration to ``folder``; returns the folder for --plugins."""
    (folder / "plugins" / "studies").mkdir(parents=True)
    (folder / "plugins" / "studies" / "planted.py").write_text(TEXT)
    (folder / "planted.yaml").write_text(YAML)
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
