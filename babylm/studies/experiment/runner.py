"""Run what is left of an experiment, in order, within the time; then summarise.

The state of an experiment is its folder of pieces: which conditions there are follows from the study's settings and
from what earlier pieces measured, so a killed experiment continues by the same command.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from babylm import config as configuration
from babylm import files, folders, locks, places, registry
from babylm.config.studies import FOLDER, StudyConfig, part_of
from babylm.console import Log, duration
from babylm.studies.experiment import estimates, failures
from babylm.studies.experiment.checked_study import CheckedStudy
from babylm.studies.experiment.measurements import Measurements
from babylm.studies.experiment.pieces import Condition, Piece, PieceStore, Record, deciding, piece_key
from babylm.studies.experiment.summary import JSON, Summary
from babylm.studies.experiment.time_limit import StudyStopped, TimeLimit, TimeUp, as_stop_of_the_study, listen

REQUIRED = ("Settings", "conditions", "run", "summarise")
SHOWN_NAMES = 5
LOCK = ".lock"
ONE_SEED = (
    "One seed: intervals are over items alone, and neither a gate nor a difference between conditions is decided by it."
)
SMOKE = "scale=smoke: everything in miniature. This shows that the study runs, and nothing about its question."


class Experiment:
    """A study with its settings, its folder and the records of its pieces."""

    def __init__(self, settings: StudyConfig, log: Log | None = None) -> None:
        self.settings, self.log = settings, log or Log()
        self.study: Any = CheckedStudy(load_plugin(settings.study))
        self.code_sha256 = registry.code_sha256(FOLDER, settings.study)
        self.folder = places.given(settings.folder) / settings.name
        self.store = PieceStore(self.folder / "pieces")
        self.limit = TimeLimit(settings.time_limit)

    @cached_property
    def deciding(self) -> dict[str, Any]:
        """The settings that decide all pieces, and the files that they name as they are now."""
        return deciding(self.settings)

    def pieces(self, conditions: Iterable[Condition]) -> list[Piece]:
        """A piece per condition and seed, each once.

        Raises:
            ValueError: Two conditions differ in their name alone, or have one name and different settings.
        """
        by_key: dict[str, Piece] = {}
        by_name: dict[str, Condition] = {}
        version = getattr(self.study, "VERSION", 1)
        settings = self.deciding
        for condition in conditions:
            if by_name.setdefault(condition.name, condition).settings != condition.settings:
                raise ValueError(
                    f"{self.settings.study}: two conditions of different settings are called {condition.name}"
                )
            for seed in self.settings.seeds if condition.seeds is None else condition.seeds:
                key = piece_key(self.settings.study, version, settings, condition, seed)
                piece = by_key.setdefault(key, Piece(condition, seed, key, self.folder, self.log, self.limit))
                if piece.condition.name != condition.name:
                    raise ValueError(
                        f"{self.settings.study}: the conditions {piece.condition.name} and {condition.name} have the "
                        "same settings: what differs between them belongs there"
                    )
        return list(by_key.values())

    def measurements(self, pieces: Iterable[Piece]) -> Measurements:
        """What all pieces that are done have measured."""
        records = [(piece, record) for piece in pieces if (record := self.store.get(piece)) is not None]
        failed = {(piece.condition.name, piece.seed): record.failed for piece, record in records if record.failed}
        return Measurements((row for piece, record in records for row in record.of(piece)), failed)

    def known_pieces(self) -> tuple[list[Piece], bool]:
        """The pieces that are known from what has been measured so far, and whether there are no others."""
        conditions: list[Condition] = list(self.study.conditions(self.settings))
        further = getattr(self.study, "next_conditions", None)
        while True:
            pieces = self.pieces(conditions)
            if any(self.store.get(piece) is None for piece in pieces):
                return pieces, further is None
            measurements = self.measurements(pieces)
            with failures.as_reason(measurements, len(pieces), "choose its next conditions", self.folder):
                more = list(further(measurements, self.settings)) if further else []
            if not more:
                return pieces, True
            conditions += more
            if len(self.pieces(conditions)) == len(pieces):
                raise ValueError(f"{self.settings.study}: next_conditions returns conditions that are all done already")

    def expected_pieces(self) -> list[Piece]:
        """All pieces that may come, for an estimate."""
        expected = getattr(self.study, "expected_conditions", self.study.conditions)
        return self.pieces(expected(self.settings))

    def run(self, piece: Piece) -> Record:
        """Measure one piece and store the record; an error is the reason why it failed.

        Raises:
            TimeUp: The limit came first; only how long the attempt was is stored, and not even that if its state is
                saved.
            KeyboardInterrupt: Ctrl-C, inside a training run, too.
        """
        self.log(f"== {piece.condition.name}, seed {piece.seed}")
        listen()  # the piece before may have taken the signal over
        begin = time.monotonic()
        try:
            with as_stop_of_the_study():
                rows = list(self.study.run(piece, self.settings))
            values = [(row.item, row.measure, row.value) for row in rows]
            record = Record(time.monotonic() - begin, values, code_sha256=self.code_sha256)
        except TimeUp as stop:
            if not piece.condition.resumable and not stop.is_saved:
                self.store.put_stopped(piece, time.monotonic() - begin)
            raise
        except Exception as error:
            reason = failures.record(error, self.study, f"{piece.name}-{piece.key}", self.folder)
            record = Record(time.monotonic() - begin, (), reason, self.code_sha256)
            self.log.warn(f"{piece.condition.name}, seed {piece.seed} failed: {record.failed}")
        self.store.put(piece, record)
        return record

    def summary(self, pieces: Sequence[Piece]) -> Summary:
        """The study's summary of all pieces.

        Raises:
            ValueError: Every piece failed, or the study cannot be summarised without those that did.
        """
        measurements = self.measurements(pieces)
        failures.check_some_measured(measurements, len(pieces), self.folder)
        with failures.as_reason(measurements, len(pieces), "be summarised", self.folder):
            summary: Summary = self.study.summarise(measurements, self.settings)
        if len(self.settings.seeds) == 1:
            summary = replace(summary, remarks=[ONE_SEED, *summary.remarks])
        if getattr(self.settings, "scale", "") == "smoke":
            summary = replace(summary, remarks=[SMOKE, *summary.remarks])
        return summary


def load_plugin(name: str) -> ModuleType:
    """The file of a study; ValueError if it lacks one of the names that every study has."""
    study = registry.load(FOLDER, name)
    if missing := [needed for needed in REQUIRED if not hasattr(study, needed)]:
        raise ValueError(f"{FOLDER}/{name}: the file of a study must hold {', '.join(missing)} (see babylm/studies)")
    return study


def run_study(settings: StudyConfig, log: Log | None = None) -> Path:
    """Run what is left of an experiment and write its summary; returns its folder.

    With ``dry_run`` the plan is printed and nothing is run. With ``part`` there is no summary until all parts are done.

    Raises:
        ValueError: A wrong setting, every piece failed, or no piece that is left can ever fit the time limit.
        StudyStopped: The time limit or SIGUSR1 came first; the same call continues.
    """
    experiment = Experiment(settings, log)
    log = experiment.log
    if settings.dry_run:
        unless_code = None if settings.retry_failed else experiment.code_sha256
        log(estimates.plan(experiment.expected_pieces(), experiment.store, unless_code))
        return experiment.folder
    settings.check_before_run()
    folders.check_writable(experiment.folder)
    files.write_text(experiment.folder / "config.yaml", configuration.dump(settings))
    _lock(experiment.folder, settings.part)
    begin = time.monotonic()
    try:
        with experiment.limit.watch():
            pieces = _run_all(experiment, begin)
            if pieces is not None:
                _summarise(experiment, pieces)
    except TimeUp as stop:
        pieces, _ = experiment.known_pieces()
        _write_measurements(experiment, pieces)
        done = sum(experiment.store.get(piece) is not None for piece in pieces)
        # What is left is the summary, which begins anew each time: with the same limit it may never end.
        more = " with a longer time_limit, for the tables and the figure" if 0 < done == len(pieces) else ""
        raise StudyStopped(
            f"{stop}: {done} of {len(pieces)} known pieces are done, in {experiment.folder}; repeat the command{more}"
        ) from None
    return experiment.folder


def _lock(folder: Path, part: str) -> None:
    """Lock an experiment, or a part of it, until this process ends; parts of one division may run at the same time.

    Raises:
        ValueError: Another command runs some of the same pieces: all, the same part, or a part of another division.
    """
    division = part.partition("/")[2]
    lock = folder / (f"{LOCK}.{part.replace('/', '.')}" if part else LOCK)
    reason = None
    try:
        locks.keep(lock)  # before the others are looked at: of two that begin at once, not both go on
    except locks.Locked as owner:
        reason = str(owner)
    for file in folder.glob(f"{LOCK}*"):
        is_of_division = bool(division) and file.name.endswith(f".{division}")
        if file != lock and not is_of_division and locks.is_held(file) and locks.owner(file) != locks.this_owner():
            reason = reason or locks.describe_owner(locks.owner(file))
    if reason is not None:
        raise ValueError(
            f"{folder}: another command runs pieces of this experiment: {reason}; wait for it, or start each command "
            "with a part= of its own"
        )


def _run_all(experiment: Experiment, begin: float) -> list[Piece] | None:
    """Run this part's pieces, round after round; all pieces of the experiment, None if those of other parts are left.

    Raises:
        TimeUp: The limit came, or no piece that is left fits before it.
    """
    settings, store, log = experiment.settings, experiment.store, experiment.log
    mine = experiment.known_pieces()[0][part_of(settings.part)]
    if settings.retry_failed:
        store.drop_failed(mine)
    elif dropped := store.drop_failed(mine, unless_code=experiment.code_sha256):
        log(f"pieces that failed before are run again, as the study's file was changed since: {dropped}")
    while True:
        pieces, is_complete = experiment.known_pieces()
        mine = [piece for piece in pieces[part_of(settings.part)] if store.get(piece) is None]
        if not mine:
            others = sum(store.get(piece) is None for piece in pieces)
            if not others and is_complete:
                return pieces
            log(f"part {settings.part} is done; {others} pieces of other parts are left: repeat it later without part=")
            return None
        too_long: list[Piece] = []
        failed = 0
        for piece in mine:
            seconds = estimates.seconds_of(piece, pieces, store)
            left = experiment.limit.seconds_left
            if left <= 0 or (not piece.condition.resumable and seconds is not None and seconds > left):
                too_long.append(piece)
                continue
            failed += bool(experiment.run(piece).failed)
        if too_long:
            _name_unbegun(too_long, log)
            usable = experiment.limit.usable
            if all(
                not piece.condition.resumable and (estimates.seconds_of(piece, pieces, store) or 0) > usable
                for piece in too_long
            ):
                raise ValueError(
                    f"time_limit={settings.time_limit:g}: too short for any piece that is left "
                    f"({too_long[0].name} takes more than that): raise it"
                )
            raise TimeUp
        also = f", {failed} failed" if failed else ""
        log(f"{len(mine) - failed} pieces measured{also}, after {duration(time.monotonic() - begin)}")


def _name_unbegun(pieces: Sequence[Piece], log: Log) -> None:
    names = [f"{piece.condition.name} (seed {piece.seed})" for piece in pieces]
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    log(f"not begun, as the time that is left is too short: {', '.join(names[:SHOWN_NAMES])}{more}")


def _write_measurements(experiment: Experiment, pieces: Sequence[Piece]) -> None:
    files.write_text(experiment.folder / "measurements.csv", experiment.measurements(pieces).csv())


def _summarise(experiment: Experiment, pieces: Sequence[Piece]) -> None:
    """Write all files of the result and print the tables."""
    settings, store, log = experiment.settings, experiment.store, experiment.log
    _write_measurements(experiment, pieces)
    records = [(piece, record) for piece in pieces if (record := store.get(piece)) is not None]
    seconds = sum(record.seconds for _, record in records)
    failed = [
        {"condition": piece.condition.name, "seed": piece.seed, "reason": record.failed}
        for piece, record in records
        if record.failed
    ]
    summary = experiment.summary(pieces)
    if older := sum(record.code_sha256 != experiment.code_sha256 for _, record in records):
        log.warn(f"{older} pieces were measured before the study's file was changed; if it matters, raise its VERSION")
    facts = {
        "study": settings.study,
        "settings": configuration.as_dict(settings),
        "conditions": list(dict.fromkeys(piece.condition.name for piece in pieces)),
        "seeds": sorted({piece.seed for piece in pieces}),
        "pieces": len(pieces),
        "failed": failed,
        "seconds": round(seconds, 1),
        "measurements": "measurements.csv",
    }
    with failures.as_reason(experiment.measurements(pieces), len(pieces), "draw its figure", experiment.folder):
        summary.write(experiment.folder, facts, log)
    log(f"\n{summary.text()}\n")
    for failure in failed:
        log.warn(f"{failure['condition']}, seed {failure['seed']} failed: {failure['reason']}")
    if failed:
        log(f"{len(failed)} of {len(pieces)} pieces failed (see {failures.FILE}); retry_failed=true runs them again")
    log(f"{len(pieces)} pieces, {duration(seconds)} in all; tables, figure and {JSON} are in {experiment.folder}")
