"""Pieces: one condition with one seed, run once, kept as a file that is named by what decides its result."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from babylm import checksums, files
from babylm.config.studies import StudyConfig
from babylm.console import Log
from babylm.randomness import Purpose, derive_seed
from babylm.studies.experiment.inputs import as_json
from babylm.studies.experiment.measurements import Measurement
from babylm.studies.experiment.time_limit import TimeLimit

REMEDY = "remove it and repeat the command: the piece is run again"


@dataclass(frozen=True)
class Condition:
    """What is compared with other conditions: a name for people, and the settings that define it.

    >>> Condition("warm", {"tone": "warm"}, seconds=60)
    Condition(name='warm', settings={'tone': 'warm'}, seeds=None, seconds=60, kind='', resumable=False, detail='')
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """JSON values. With study, version and seed they decide the result: a piece is run again if one changes."""
    seeds: Sequence[int] | None = None
    """None for those of the study's configuration."""
    seconds: float | None = None
    """Declared cost of one piece; None if unknown until a piece of its kind has been measured."""
    kind: str = ""
    """Pieces of one kind take time in proportion to their declared cost: the first that is done corrects the others."""
    resumable: bool = False
    """Whether ``run`` continues where it was stopped. Such a piece is begun in whatever time is left."""
    detail: str = ""
    """A remark for the table of ``dry_run``."""
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What decides it besides: sizes of the code, hashes of files (`babylm.studies.experiment.inputs`)."""


@dataclass(frozen=True)
class Piece:
    """One condition with one seed: what a study's ``run`` receives."""

    condition: Condition
    seed: int
    key: str
    """Hash of what decides the result."""
    folder: Path
    """The experiment's folder."""
    log: Log = field(default_factory=Log, compare=False)
    time_limit: TimeLimit = field(default_factory=TimeLimit, compare=False)

    @property
    def name(self) -> str:
        """Condition and seed for people and file names: ``warm-s1``."""
        return f"{re.sub('[^A-Za-z0-9_]+', '-', self.condition.name).strip('-')[:60]}-s{self.seed}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """The condition's settings."""
        return self.condition.settings

    @property
    def scratch(self) -> Path:
        """A folder for what a resumable piece keeps between two attempts: runs, samples. Made when first asked for."""
        folder = self.folder / "scratch" / f"{self.name}-{self.key}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def generator(self) -> np.random.Generator:
        """Random numbers that depend on the seed and the condition's settings alone.

        For draws that all conditions share (the same items per seed), derive them from ``piece.seed``.
        """
        condition = int(files.sha256_json(dict(self.settings))[:15], 16)
        return np.random.default_rng(derive_seed(self.seed, Purpose.CONDITION, condition))

    def measurement(self, value: float, item: str = "", measure: str = "score") -> Measurement:
        """One measured number of this piece."""
        return Measurement(self.condition.name, self.seed, item, measure, float(value))


@dataclass(frozen=True)
class Record:
    """What is stored of a piece that ran: measurements, or why it failed."""

    seconds: float
    measurements: Sequence[tuple[str, str, float | None]] = ()
    """(item, measure, value): the condition's name may change without the piece being run again."""
    failed: str = ""
    """The reason, in one line."""
    code_sha256: str = ""
    """Of the study's file that measured it."""

    def runs_again(self, unless_code: str | None = None) -> bool:
        """Whether it failed, with another code than ``unless_code``."""
        return bool(self.failed) and self.code_sha256 != unless_code

    def of(self, piece: Piece) -> list[Measurement]:
        """The measurements, under the piece's condition and seed; NaN for a value that is not a number."""
        return [
            piece.measurement(float("nan") if value is None else value, item, measure)
            for item, measure, value in self.measurements
        ]


def deciding(settings: StudyConfig) -> dict[str, Any]:
    """The settings that decide all pieces; of those in ``settings.inputs``, what is behind the name or the path."""
    from babylm.config import as_dict

    values = {key: value for key, value in as_dict(settings).items() if key not in settings.not_deciding}
    return values | as_json(settings.inputs)


def piece_key(study: str, version: int, settings: Mapping[str, Any], condition: Condition, seed: int) -> str:
    """The hash of all that decides a piece's result: study, version, `deciding` settings, condition, seed.

    >>> key = piece_key("toy", 1, {}, Condition("a", {"x": 1}), 1)
    >>> key == piece_key("toy", 1, {}, Condition("another name", {"x": 1}), 1)
    True
    >>> key == piece_key("toy", 2, {}, Condition("a", {"x": 1}), 1)
    False
    """
    parts = {"study": study, "version": version, "settings": settings, "condition": condition.settings, "seed": seed}
    return files.sha256_json({**parts, "inputs": as_json(condition.inputs)})[:16]


class PieceStore:
    """The folder of the records, one JSON file per piece: ``<condition>-s<seed>-<key>.json``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Record] = {}

    def get(self, piece: Piece) -> Record | None:
        """What is stored of a piece; None if it has not run to its end."""
        if piece.key not in self._read:
            file = self._file(piece)
            if file is None:
                return None
            content = checksums.verify(files.read_json(file, REMEDY), file, REMEDY)
            files.check_keys(file, content, ("seconds", "failed", "code_sha256", "measurements"), REMEDY)
            rows = [(item, measure, value) for item, measure, value in content["measurements"]]
            record = Record(content["seconds"], rows, content["failed"] or "", content["code_sha256"])
            self._read[piece.key] = record
        return self._read[piece.key]

    def put(self, piece: Piece, record: Record) -> None:
        """Store the record of a piece, whole or not at all."""
        content = {
            "condition": piece.condition.name,
            "settings": piece.condition.settings,
            "seed": piece.seed,
            "seconds": round(record.seconds, 2),
            "failed": record.failed or None,
            "code_sha256": record.code_sha256,
            "measurements": files.nan_to_none(record.measurements),
        }
        files.write_json(self.folder / f"{piece.name}-{piece.key}.json", checksums.add(content))
        self._read.pop(piece.key, None)

    def drop_failed(self, pieces: Iterable[Piece], unless_code: str | None = None) -> int:
        """Remove the records of pieces that failed, so that they are run again; returns how many.

        ``unless_code``: the hash of the study's file whose failures are kept.
        """
        dropped = 0
        for piece in pieces:
            record, file = self.get(piece), self._file(piece)
            if record is not None and record.runs_again(unless_code) and file is not None:
                file.unlink()
                del self._read[piece.key]
                dropped += 1
        return dropped

    def put_stopped(self, piece: Piece, seconds: float) -> None:
        """Store that a piece was stopped after so many seconds: it takes longer than that."""
        files.write_json(self._stopped_file(piece), {"seconds": round(max(seconds, self.seconds_stopped(piece)), 2)})

    def seconds_stopped(self, piece: Piece) -> float:
        """Seconds of its longest attempt that was stopped; 0 if there is none."""
        content = files.read_typed(self._stopped_file(piece), {"seconds": (int, float)}, REMEDY)
        return float(content.get("seconds", 0.0))

    def _stopped_file(self, piece: Piece) -> Path:
        return self.folder / "stopped" / f"{piece.key}.json"

    def _file(self, piece: Piece) -> Path | None:
        return next(self.folder.glob(f"*-{piece.key}.json"), None)
