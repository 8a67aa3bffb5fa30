"""The examples in docstrings of evaluation and submission run, and print what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import babylm

PACKAGE = Path(babylm.__file__).parent
MODULES = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    for room in ("evaluation", "submission")
    for file in sorted((PACKAGE / room).rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    pytest.importorskip("statsmodels")
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted
    assert not failed
