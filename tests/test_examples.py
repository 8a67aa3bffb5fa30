"""Every example in a docstring is true."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "babylm"
MODULES = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, root, monkeypatch):
    pytest.importorskip("statsmodels")
    monkeypatch.chdir(root)  # some load a configuration of the project
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted or "+SKIP" in Path(importlib.import_module(name).__file__).read_text(encoding="utf-8")
