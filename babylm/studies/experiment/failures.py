"""Pieces that failed: their reasons in one line each, their tracebacks in ``failures.txt``, and what they prevent."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import babylm
from babylm import cli, files
from babylm.console import first_line
from babylm.studies.experiment.measurements import Measurements

FILE = "failures.txt"
"""Tracebacks of all pieces that failed, the last one at the end."""
PACKAGE = Path(babylm.__file__).parent


def record(error: Exception, study: ModuleType, title: str, folder: Path) -> str:
    """Write the traceback of ``error`` to the experiment's ``folder``; returns the reason in one line.

    It ends with where a user's study raised the error, or called what raised it: "... (planted.py, line 31)".
    """
    _write_traceback(error, title, folder)
    reason = cli.explain(error) or f"{type(error).__name__}: {first_line(error)}"
    file = getattr(study, "__file__", None)
    if file is not None and not Path(file).is_relative_to(PACKAGE):
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        reason += f" ({Path(file).name}, line {lines[-1]})" if lines else ""
    return " ".join(reason.split())


def check_some_measured(measurements: Measurements, pieces: int, folder: Path) -> None:
    """ValueError if every piece failed."""
    if measurements.failed and len(measurements.failed) == pieces:
        raise ValueError(f"every piece failed, the first: {_first_reason(measurements, folder)}")


@contextmanager
def as_reason(measurements: Measurements, pieces: int, what: str, folder: Path) -> Iterator[None]:
    """If pieces failed, raise one ValueError that names them for whatever the study raises without them.

    ``what``: what the study does inside, such as "be summarised".
    """
    try:
        yield
    except Exception as error:
        if not measurements.failed:
            raise
        _write_traceback(error, f"without the pieces that failed the study cannot {what}", folder)
        raise ValueError(
            f"{len(measurements.failed)} of {pieces} pieces failed, without which the study cannot {what}; the first, "
            f"{_first_reason(measurements, folder)}"
        ) from error


def _first_reason(measurements: Measurements, folder: Path) -> str:
    (condition, seed), reason = next(iter(measurements.failed.items()))
    return (
        f"{condition} with seed {seed}: {reason}; tracebacks are in {folder / FILE}; the pieces are run again once the "
        "study's file is changed, or with retry_failed=true"
    )


def _write_traceback(error: Exception, title: str, folder: Path) -> None:
    files.append_text(folder / FILE, f"# {title}\n{''.join(traceback.format_exception(error))}\n")
