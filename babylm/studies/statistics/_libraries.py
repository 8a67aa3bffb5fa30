"""The libraries behind the statistics, imported when first needed."""

from __future__ import annotations

import importlib
from typing import Any


def library(name: str) -> Any:
    """The module ``name`` of scipy or statsmodels; `ValueError` that says how to install it if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ValueError(f"the statistics of studies need {package}: pip install 'babylm[eval]'") from None
