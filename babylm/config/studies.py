"""The configuration of a study: what all studies have, and loading it as strictly as that of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babylm import places, registry
from babylm.config.checks import ConfigError, check_lists
from babylm.config.fields import check_numbers, number
from babylm.config.load import parse_override, read_layer
from babylm.config.sections import load_section

FOLDER = "studies"
"""The folder of the studies that are plug-ins."""
EXAMPLE = "seeds=[1,2]"


@dataclass
class StudyConfig:
    """The settings of every study; a study adds its settings in a class ``Settings(StudyConfig)`` of its file."""

    study: str = ""
    """The study: a plug-in of ``babylm/studies``."""
    name: str = ""
    """Name of the experiment's folder; empty: that of the study. Letters, digits, _ and -."""
    folder: str = "checkpoints/studies"
    """Parent of the experiment's folder."""
    seeds: list[int] = number([1, 2, 3], "[0, 9e15]")
    """Each condition is run once per seed."""
    time_limit: float | None = number(None, "(0, 1e8]")
    """Seconds; what no longer fits is not begun, and the same command continues. null: none."""
    part: str = ""
    """``i/n``: run only the pieces i, i + n, i + 2n, ... (i from 0), as one task of a job array."""
    dry_run: bool = False
    """Print the pieces, which of them are done, and how long the others take; run nothing."""
    retry_failed: bool = False
    """Run the pieces again that failed before."""

    @property
    def not_deciding(self) -> tuple[str, ...]:
        """Keys that do not decide what a piece measures: it is kept when they change. A study adds its keys."""
        return ("study", "name", "folder", "seeds", "time_limit", "part", "dry_run", "retry_failed")

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Key -> what is behind its value (a scale's sizes, a hash of a file), which decides a piece in its place."""
        return {}

    def check_before_run(self) -> None:
        """Raise ValueError for models and packages that are missing; not asked for a ``dry_run``."""

    def check(self) -> None:
        """Raise ValueError, naming the keys, for settings that cannot be together; a study overrides it."""


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """The checked configuration of a study's file and ``key=value`` overrides, of the study's ``Settings`` class.

    >>> load_study("configs/studies/recipe_search.yaml", ["seeds=[4]"]).seeds
    [4]

    Raises:
        ConfigError: Something in them is wrong; the message names the key and the nearest one.
    """
    layer = read_layer(places.given(path), StudyConfig)
    # The name of the study decides which other keys there are, so it is read first.
    named = dict(parse_override(word, StudyConfig) for word in overrides if word.partition("=")[0] == "study")
    study = named.get("study", layer.get("study"))
    if not study:
        raise ConfigError(f"{path}: study: must name a study (one of: {', '.join(registry.names(FOLDER))})")
    registry.check(str(study), registry.names(FOLDER), "study")
    settings_class = registry.settings(FOLDER, str(study), StudyConfig)
    layer = read_layer(places.given(path), settings_class)  # again: now it is known which settings are text
    config: StudyConfig = load_section(layer, settings_class, overrides)
    config.name = config.name or config.study
    check_study(config)
    return config


def check_study(config: StudyConfig) -> None:
    """Raise `ConfigError` for values that are wrong by themselves or together."""
    try:
        check_lists(config)
        check_numbers(config)
        if not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_-]{0,95}", config.name):
            raise ValueError(f"name: {config.name!r} must be of letters, digits, _ and -, at most 96")
        if not config.seeds:
            raise ValueError("seeds: must hold at least one seed")
        registry.check_once(config.seeds, "seeds")
        part_of(config.part)
        config.check()
    except ValueError as error:
        raise ConfigError(str(error)) from None


def part_of(text: str) -> slice:
    """The slice of ``part=i/n``, of everything for an empty text.

    >>> list(range(10))[part_of("1/4")]
    [1, 5, 9]

    Raises:
        ValueError: It is not of this form.
    """
    if not text:
        return slice(None)
    numbers = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if numbers is None or int(numbers[1]) >= int(numbers[2]):
        raise ValueError(f"part={text}: give i/n with i from 0 to n - 1, for example part=0/4 to part=3/4")
    return slice(int(numbers[1]), None, int(numbers[2]))
