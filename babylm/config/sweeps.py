"""A sweep: the runs that a grid, or a random draw, makes of one configuration; a line of overrides per run."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from babylm import places
from babylm.config.checks import ConfigError
from babylm.config.load import load, read_layer
from babylm.config.schema import Config
from babylm.config.sections import load_section
from babylm.randomness import Purpose, derive_seed

EXAMPLE = "samples=20"
RANGE = ("low", "high", "log", "whole")
MOST_RUNS = 100_000


@dataclass
class SweepConfig:
    """The settings of a sweep."""

    config: str = ""
    """Configuration that all runs begin with."""
    grid: dict[str, Any] = field(default_factory=dict)
    """Setting -> list of values; every combination is a run."""
    random: dict[str, Any] = field(default_factory=dict)
    """Setting -> list of values, or {low, high, log, whole}; drawn for each run, or for each run of the grid."""
    samples: int = 1
    """Draws of ``random``, for each combination of the grid."""
    seed: int = 0
    """Of the draws; the seed of a run is a setting (``grid: {seed: [1, 2]}``)."""
    prefix: str = ""
    """Beginning of the runs' names; empty: that of the sweep's file."""
    trials: int = 20
    """Of a search (python -m babylm.search): runs, over all workers; ``samples`` is not used there."""
    metric: str = "dev/causal"
    """Of a search: what is compared, the last value of this name in ``metrics.jsonl``."""
    direction: Literal["minimize", "maximize"] = "minimize"
    """Of a search: whether a small or a large metric is good."""
    storage: str = ""
    """Of a search: file or database URL that its workers share; empty: PREFIX.search beside the runs."""


def load_sweep(path: str | Path, overrides: Sequence[str] = ()) -> SweepConfig:
    """The sweep of a file and ``key=value`` overrides; `ConfigError` for anything wrong in them."""
    sweep = load_section(read_layer(places.given(path), SweepConfig), SweepConfig, overrides)
    sweep.prefix = sweep.prefix or Path(path).stem
    if not sweep.config:
        raise ConfigError(f"{path}: config: must name the configuration that all runs begin with")
    if not sweep.grid and not sweep.random:
        raise ConfigError(f"{path}: give a grid (settings with lists of values), or random (settings with ranges)")
    if sweep.samples < 1:
        raise ConfigError(f"samples={sweep.samples}: must be at least 1")
    if sweep.trials < 1:
        raise ConfigError(f"trials={sweep.trials}: must be at least 1")
    if both := sorted(set(sweep.grid) & set(sweep.random)):
        raise ConfigError(f"{both[0]}: is in grid and in random; keep one")
    return sweep


def check_search(sweep: SweepConfig) -> Config:
    """The configuration of one run of a search; `ConfigError` if runs could not be chosen or compared."""
    for key, values in sweep.grid.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"grid: {key}: must be a list of values, not {values!r}")
    first = {key: values[0] for key, values in sweep.grid.items()}
    first |= {key: _draw(key, spread, random.Random(0)) for key, spread in sweep.random.items()}
    base = load(sweep.config, [f"{key}={as_text(value)}" for key, value in first.items()])
    measured = base.corpus.dev is not None and base.evaluation.held_out_loss_when != "none"
    if sweep.metric.startswith("dev/") and not measured:
        raise ConfigError(f"metric={sweep.metric}: {sweep.config} measures no held-out loss; set corpus.dev there")
    return base


def lines(sweep: SweepConfig) -> list[str]:
    """A line of overrides per run, each with its name, after every run was checked; equal runs are left out.

    Raises:
        ConfigError: A range is none, there are too many runs, or one is no valid configuration; the run is named.
    """
    for key, values in sweep.grid.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"grid: {key}: must be a list of values, not {values!r}")
    combinations = list(itertools.product(*sweep.grid.values()))
    draws = sweep.samples if sweep.random else 1
    if len(combinations) * draws > MOST_RUNS:
        raise ConfigError(f"grid: {len(combinations) * draws:,} runs are more than {MOST_RUNS:,}")
    runs: dict[str, None] = {}
    for number, values in enumerate(combinations):
        for draw in range(draws):
            generator = random.Random(derive_seed(sweep.seed, Purpose.CONDITION, number, draw))
            drawn = {key: _draw(key, spread, generator) for key, spread in sweep.random.items()}
            chosen = {**dict(zip(sweep.grid, values, strict=True)), **drawn}
            runs.setdefault(" ".join(f"{key}={as_text(value)}" for key, value in chosen.items()))
    width = len(str(len(runs) - 1))
    named = [f"name={sweep.prefix}-{number:0{width}} {line}" for number, line in enumerate(runs)]
    for line in named:
        try:
            load(sweep.config, line.split(" "))
        except ConfigError as error:
            raise ConfigError(f"{line}: {error}") from None
    return named


def _draw(key: str, spread: Any, generator: random.Random) -> Any:
    """One value of a list or of a range."""
    if isinstance(spread, list) and spread:
        return generator.choice(spread)
    if not isinstance(spread, dict) or set(spread) - set(RANGE) or not {"low", "high"} <= set(spread):
        raise ConfigError(f"random: {key}: must be a list, or low and high (and log, whole), not {spread!r}")
    for name, value in spread.items():
        is_switch = name in ("log", "whole")
        if isinstance(value, bool) != is_switch or not isinstance(value, int | float):
            what = "true or false" if is_switch else "a number"
            raise ConfigError(f"random: {key}: {name} must be {what}, not {value!r}")
    low, high = float(spread["low"]), float(spread["high"])
    if not low < high or (spread.get("log") and low <= 0):
        raise ConfigError(
            f"random: {key}: low={low:g} and high={high:g} are no range" + " on a log scale" * bool(spread.get("log"))
        )
    value = (
        math.exp(generator.uniform(math.log(low), math.log(high)))
        if spread.get("log")
        else generator.uniform(low, high)
    )
    return round(value) if spread.get("whole") else float(f"{value:.4g}")


def as_text(value: Any) -> str:
    """A value as an override without spaces: a line is cut at them."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    if " " in text:
        raise ConfigError(f"{text!r}: a value of a sweep has no spaces")
    return text
