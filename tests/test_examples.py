"""The examples in docstrings are true."""

import doctest
import importlib

import pytest

MODULES = (
    *("console", "files", "metrics", "run_folder", "runs", "tables", "corpora.documents"),
    *("config.older", "conversion.settings", "conversion.results"),
    *(
        "training.nonfinite",
        "optimizers.muon",
        "optimizers._newton_schulz",
        "schedules",
        "weight_averaging",
        "registry",
    ),
    *(f"reporting.{name}" for name in ("blocks", "charts", "overview", "page", "runs_table", "samples")),
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(f"babylm.{name}"))
    assert result.failed == 0
    assert result.attempted or name == "files"
