"""The configuration of a run: loaded in layers, checked once, written whole.

>>> from babylm import config
>>> config.load("configs/smoke.yaml", ["seed=2"]).seed
2
"""

from __future__ import annotations

from babylm.config.checks import ConfigError, check, check_paths
from babylm.config.load import as_dict, change, dump, load

__all__ = ["ConfigError", "as_dict", "change", "check", "check_paths", "dump", "load"]
