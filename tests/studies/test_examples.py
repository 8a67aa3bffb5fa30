"""The examples in the docstrings of studies are true."""

import doctest
import importlib

import pytest

MODULES = (
    *("config.studies", "studies._recipe_choice", "studies._recipe_runs"),
    *(f"studies.experiment.{name}" for name in ("measurements", "pieces", "time_limit")),
    *(f"studies.statistics.{name}" for name in ("paired", "regression", "resampling")),
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, root, monkeypatch):
    monkeypatch.chdir(root)
    result = doctest.testmod(importlib.import_module(f"babylm.{name}"))
    assert result.failed == 0
    assert result.attempted
