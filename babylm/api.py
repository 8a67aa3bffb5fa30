"""The library: what the commands do, as functions for a script or a notebook.

    from babylm.api import train, evaluate, report, submit

    run = train("configs/smoke.yaml", seed=2)
    results = evaluate(run, suite="fast")
    report(run)
    submit(run)

Settings are keyword arguments: ``train("configs/smoke.yaml", optimizer={"lr": 0.01})`` or, as on the command line,
``train("configs/smoke.yaml", "optimizer.lr=0.01")``. Errors are ordinary exceptions: ValueError for what the user can
correct, with what to do. Importing this module loads neither torch nor lightning.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babylm import config as configuration
from babylm import places, publication, registry
from babylm.config.schema import Config
from babylm.console import Log
from babylm.runs import Run

if TYPE_CHECKING:
    from babylm.evaluation.results.store import StoredResult
    from babylm.submission.submit import Submission

__all__ = [
    "Config",
    "Run",
    "add_plugins",
    "evaluate",
    "interact",
    "load_config",
    "prepare",
    "report",
    "study",
    "submit",
    "train",
]


def add_plugins(path: str | Path) -> list[str]:
    """Add a user's plug-ins (``--plugins PATH`` of the commands); returns them as ``folder/name``."""
    return registry.add(places.given(path))


def load_config(config: str | Path | Config, *overrides: str, **settings: Any) -> Config:
    """The checked configuration of a file and changes to it; a `Config` is returned as it is if nothing changes.

    >>> load_config("configs/smoke.yaml", "budget.epochs=1", seed=2, optimizer={"lr": 0.01}).optimizer.lr
    0.01

    Raises:
        ValueError: A key or value is wrong; the message names the key and the nearest one.
    """
    changes = [*overrides, *_overrides(settings)]
    if isinstance(config, Config):
        if changes:
            raise ValueError(
                "changes are made to a file's configuration: give its path, or set the fields of the Config"
            )
        configuration.check(config)
        return config
    loaded = configuration.load(config, changes)
    configuration.check_paths(loaded)
    publication.check(loaded.submission)
    return loaded


def prepare(config: str | Path | Config, *overrides: str, log: Log | None = None, **settings: Any) -> Path:
    """Read, clean, tokenize and pack the corpus of a configuration; returns the folder of the packed corpus."""
    from babylm.corpora.build import prepare as build

    loaded = load_config(config, *overrides, **settings)
    return build(loaded.corpus, loaded.tokenizer, log or Log()).folder


def train(config: str | Path | Config, *overrides: str, log: Log | None = None, **settings: Any) -> Run | None:
    """Train a model, or continue where an earlier call stopped; returns its run, None after a dry run.

    Args:
        config: A file, or a `Config`.
        overrides: Changes as on the command line, ``"optimizer.lr=0.01"``.
        log: Where lines go; `babylm.console.Log` (quiet=True for none).
        settings: Changes by keyword, ``seed=2``, ``optimizer={"lr": 0.01}``.

    Raises:
        ValueError: Configuration, corpus or plan is wrong; nothing was started.
        babylm.training.errors.NonFiniteError: Loss or gradient was not finite.
        babylm.training.errors.RunStopped: A signal stopped the run; its state is saved.
    """
    loaded = load_config(config, *overrides, **settings)
    from babylm.training.pretrain import pretrain

    folder = pretrain(loaded, log)
    return None if loaded.training.dry_run else Run(folder)


def interact(config: str | Path | Config, *overrides: str, log: Log | None = None, **settings: Any) -> Run:
    """Let a student learn from a teacher in rounds, or continue where an earlier call stopped; returns its run.

    The arguments and exceptions are those of `train`; ``config.interaction`` says who answers and how much.
    """
    loaded = load_config(config, *overrides, **settings)
    from babylm.interaction.interact import interact as begin

    return Run(begin(loaded, log))


def study(config: str | Path, *overrides: str, log: Log | None = None, **settings: Any) -> Path:
    """Run what is left of a study's pieces; returns the experiment's folder, with ``summary.json`` after the last one.

    The arguments are those of `train`; the configuration is that of `python -m babylm.study`.

    Raises:
        ValueError: A wrong setting, or every piece failed.
        babylm.studies.experiment.StudyStopped: The time limit came first; the same call continues.
    """
    from babylm.config.studies import load_study
    from babylm.studies.experiment import run_study

    return run_study(load_study(config, [*overrides, *_overrides(settings)]), log)


def evaluate(target: Run | str | Path, *, log: Log | None = None, **options: Any) -> list[StoredResult]:
    """Score the revisions of a run, a model folder, or a model of the Hugging Face Hub; returns the stored results.

    ``options`` are those of the command: ``suite="fast"``, ``tasks=["blimp"]``, ``rules=2025``, ``revisions=["main"]``,
    ``backend="causal"``, ``data=...``, ``limit=...``, ``trust=True``, ``glue={"epochs": 3}``; unknown ones are refused.

    Raises:
        ValueError: A wrong option, missing data, or a named task that the model cannot be scored on.
    """
    from babylm.evaluate import KEYS, SECTIONS, SYNONYMS
    from babylm.evaluation.request import request

    arguments = {key: options.pop(key) for key in inspect.signature(request).parameters if key in options}
    words = _overrides(options)
    registry.options(words, KEYS, SECTIONS, SYNONYMS)
    arguments["settings"] = [*registry.listed(arguments.get("settings") or (), "settings"), *words]
    from babylm.evaluation import suite

    return suite.evaluate(target.folder if isinstance(target, Run) else target, log=log, **arguments)


def report(runs: Run | str | Path | Sequence[Run | str | Path], out: str | Path | None = None, **options: Any) -> Path:
    """Write the page of one run, several overlaid, or a folder of runs; returns its file.

    ``options``: ``with_samples=True`` generates texts with each revision first.
    """
    from babylm.reporting.report import report as write

    registry.check_keywords(options, ("with_samples", "log"), "report")
    if not isinstance(runs, (Run, str, Path, Sequence)):
        raise ValueError(f"report: {runs!r} is no run: give a run, its folder, or a list of them")
    options["with_samples"] = registry.switch(options.get("with_samples", False), "with_samples")
    return write(runs, out, **options)


def submit(run: Run | str | Path, *, data: str | Path | None = None, **options: Any) -> Submission:
    """Check a finished run and write its submission package; returns what was written.

    ``options``: ``incomplete``, ``load``, ``trust``, ``reexport``, ``push_to_hub``, ``private`` (True or False) and
    ``log``; every other one is a setting of the section ``submission``, or ``rules`` or ``backend``.

    Raises:
        babylm.submission.submit.NotReady: Something is missing; ``problems`` names each with the command for it.
        ValueError: A setting cannot be published, or the folder holds no finished run.
    """
    from babylm.submission import settings
    from babylm.submission.settings import SELECTION
    from babylm.submission.submit import submit as write

    switches = ("incomplete", "load", "trust", "reexport", "push_to_hub", "private", "log")
    chosen = {key: options.pop(key) for key in switches if key in options}
    chosen |= {key: registry.switch(value, key) for key, value in chosen.items() if key != "log"}
    folder = run.folder if isinstance(run, Run) else Path(run)
    texts = {
        key: value if isinstance(value, str) and key in SELECTION else _yaml(value) for key, value in options.items()
    }
    registry.check(texts.get("rules", "2026"), ("2025", "2026"), "rules")
    return write(settings.open_run(folder, texts), data, **chosen)


def _overrides(settings: dict[str, Any], prefix: str = "") -> list[str]:
    """``optimizer={"lr": 0.01}`` -> ``optimizer.lr=0.01``, each value as YAML on one line."""
    words = []
    for key, value in settings.items():
        if isinstance(value, dict):
            words += _overrides(value, f"{prefix}{key}.")
        else:
            words.append(f"{prefix}{key}={_yaml(value)}")
    return words


def _yaml(value: Any) -> str:
    import yaml

    value = _plain(value)
    return yaml.safe_dump(value, default_flow_style=True, width=float("inf")).removesuffix("...\n").strip()


def _plain(value: Any) -> Any:
    """A value in the types of YAML: numbers and arrays of NumPy, paths, tuples, ranges and sets are taken, too."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, range)):
        return [_plain(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(_plain, value))
    raise ValueError(f"{value!r} cannot be the value of a setting: give a number, a text, a list or a dict")
