"""Search for settings with Optuna: each run is chosen by the results of those before it.

    python -m babylm.search SEARCH [key=value ...]

    python -m babylm.search configs/sweeps/search.yaml               the next runs, one after the other
    python -m babylm.search configs/sweeps/search.yaml trials=50     more runs of the same search

SEARCH is a file as for python -m babylm.sweep: grid and random (lists and ranges) are what is searched, metric and
direction say what is best. Start the command several times, on several machines if you like: the workers share the
search's storage, a file beside the runs or a database. The run of a worker that was stopped or has died is continued
by the worker that comes next. Needs pip install 'babylm[optuna]'.

Exit codes: 0 all runs are done; 2 a wrong search; 75 stopped by a signal with the run's state saved; 130 interrupted.
"""

from __future__ import annotations

import secrets
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babylm import cli, locks, metrics, places, train
from babylm import config as configuration
from babylm.config import manual, sweeps
from babylm.config.checks import ConfigError
from babylm.config.schema import Config
from babylm.console import Log
from babylm.interrupts import EXIT_INTERRUPTED
from babylm.randomness import Purpose, derive_seed

NAME, WORKER, CONTINUES = "name", "worker", "continues"
"""What a trial records: its run, the file that its worker keeps locked, and the number of the trial that it repeats
because that one's worker was stopped or has died."""


def main(words: list[str]) -> int:
    """Make runs of a search until it has as many as it shall have; returns the exit code."""
    cli.check_config_words(words, "trials=50")
    sweep = sweeps.load_sweep(words[0], words[1:])
    base = sweeps.check_search(sweep)
    study, workers, log = open_study(sweep, base), places.given(base.checkpoints) / ".search", Log()
    worker = join(workers)
    while True:
        take_over(study, workers)
        if not _trials_left(study, sweep):
            break
        code = run_trial(study, sweep, log, worker)
        if code in (train.EXIT_STOPPED, EXIT_INTERRUPTED):
            return code
    _show(study, sweep, log)
    return 0


def open_study(sweep: sweeps.SweepConfig, base: Config) -> Any:
    """Optuna's study of this search, new or continued; ``ModuleNotFoundError`` without Optuna."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage: Any = sweep.storage
    if "://" not in storage:
        file = Path(storage) if storage else Path(base.checkpoints) / f"{sweep.prefix}.search"
        file = places.given(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(file)))
    study = optuna.create_study(
        study_name=sweep.prefix, storage=storage, direction=sweep.direction, load_if_exists=True
    )
    # Another seed for each worker and start: else they would make the same draws. Runs that others are making count as
    # bad ones (constant_liar), so that no two workers try the same place.
    seed = derive_seed(sweep.seed, Purpose.CONDITION, len(study.trials)) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # what version 4 says of constant_liar
        study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return study


def join(workers: Path) -> str:
    """Make a file in ``workers`` that is locked for as long as this process lives; returns its name."""
    workers.mkdir(parents=True, exist_ok=True)
    name = secrets.token_hex(8)
    locks.keep(workers / name)
    return name


def take_over(study: Any, workers: Path) -> None:
    """Let the runs of workers that have died be continued."""
    from optuna.trial import TrialState

    with locks.hold(workers / "take_over"):
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            file = workers / trial.user_attrs.get(WORKER, "")
            if file.is_file() and not locks.is_held(file):
                _repeat(study, trial)
                study.tell(trial.number, state=TrialState.FAIL)


def _repeat(study: Any, trial: Any) -> None:
    """Put the settings of a trial in line once more, under the name of its run, which is continued."""
    name = trial.user_attrs.get(NAME)
    study.enqueue_trial(trial.params, user_attrs={CONTINUES: trial.number, **({NAME: name} if name else {})})


def run_trial(study: Any, sweep: sweeps.SweepConfig, log: Log, worker: str) -> int:
    """Choose settings, train with them, and tell the study; returns training's exit code."""
    from optuna.trial import TrialState

    trial = study.ask()
    trial.set_user_attr(WORKER, worker)
    name = trial.user_attrs.get(NAME) or f"{sweep.prefix}-{trial.number:04}"
    trial.set_user_attr(NAME, name)
    words = [f"name={name}", *(f"{key}={value}" for key, value in choose(trial, sweep).items())]
    log(f"search: {' '.join(words)}")
    code: int | None = None
    try:
        config = configuration.load(sweep.config, words)
        code = train.main(config)
        value = last_value(config, sweep.metric) if code == 0 else None
    except ConfigError as error:  # settings that do not go together: the search learns to avoid them
        if code is not None:
            raise
        log(f"search: {name} is no valid run: {error}")
        code, value = cli.EXIT_CONFIG, None
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    if code in (train.EXIT_STOPPED, EXIT_INTERRUPTED):
        _repeat(study, trial)
    if value is None:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, value)
    return code


def choose(trial: Any, sweep: sweeps.SweepConfig) -> dict[str, str]:
    """The settings of a trial, as overrides."""
    chosen: dict[str, str] = {}
    for key, space in {**sweep.grid, **sweep.random}.items():
        if isinstance(space, list) and len(space) == 1:
            chosen[key] = sweeps.as_text(space[0])
        elif isinstance(space, list):
            chosen[key] = trial.suggest_categorical(key, [sweeps.as_text(value) for value in space])
        elif space.get("whole"):
            number = trial.suggest_int(key, int(space["low"]), int(space["high"]), log=bool(space.get("log")))
            chosen[key] = str(number)
        else:
            value = trial.suggest_float(key, float(space["low"]), float(space["high"]), log=bool(space.get("log")))
            chosen[key] = f"{value:.6g}"
    return chosen


def last_value(config: Config, metric: str) -> float:
    """The last value of a metric in a run's ``metrics.jsonl``; `ConfigError` if it was never measured."""
    file = places.given(config.checkpoints) / config.name / "metrics.jsonl"
    lines = metrics.read(file)
    values = [float(line[metric]) for line in lines if metric in line]
    if not values:
        names = sorted({name for line in lines for name in line})
        raise ConfigError(f"metric={metric}: {file} has none; there are {', '.join(names)}")
    return values[-1]


def _trials_left(study: Any, sweep: sweeps.SweepConfig) -> bool:
    """Whether this worker shall make another run: those that other workers are making count."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    waiting = any(trial.state == TrialState.WAITING for trial in trials)
    return waiting or sum(CONTINUES not in trial.user_attrs for trial in trials) < sweep.trials


def _show(study: Any, sweep: sweeps.SweepConfig, log: Log) -> None:
    """The best runs, one per line."""
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = sorted(done, key=lambda trial: trial.value, reverse=sweep.direction == "maximize")
    log(f"search: {len(done)} of {sweep.trials} runs have a result; the best by {sweep.metric}:")
    for trial in best[:5]:
        log(f"  {trial.value:.4f}  {trial.user_attrs[NAME]}  {' '.join(f'{k}={v}' for k, v in trial.params.items())}")


def _command(words: Sequence[str] | None = None) -> int:
    return cli.command(__doc__, main, words, lambda: "Settings of a search:\n\n" + manual.describe(sweeps.SweepConfig))


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
