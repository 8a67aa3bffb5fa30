"""The examples in docstrings of this room run, and print what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

from babylm import models

MODULES = sorted(file.stem for file in Path(models.__file__).parent.glob("*.py") if file.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"babylm.models.{name}")
    failed, _ = doctest.testmod(module, extraglobs={"torch": importlib.import_module("torch")})
    assert not failed
