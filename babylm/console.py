"""The log on terminal and in ``log.txt``, and numbers in readable units."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from babylm import files
from babylm.redaction import redact


class Log:
    """Writes lines to the terminal and, once `attach` is called, to ``log.txt``; nothing if ``quiet``.

    If the terminal goes away (a closed pipe, a full disk), lines are written to ``log.txt`` alone.
    """

    def __init__(self, path: Path | None = None, *, quiet: bool = False) -> None:
        self.path, self.quiet = path, quiet

    def __call__(self, text: str = "") -> None:
        """Write ``text``, which may have several lines."""
        if self.quiet:
            return
        try:
            if on_terminal():  # a progress bar may be on the last line: write above it
                from tqdm import tqdm

                tqdm.write(text)
            elif sys.stdout is not None:
                print(text, flush=True)
        except (OSError, ValueError):
            drop_output()
        if self.path is not None:
            files.append_text(self.path, text + "\n")

    def warn(self, text: str) -> None:
        """Write a line about a probable mistake or a fallback."""
        self(f"warning: {text}")

    def attach(self, path: Path) -> None:
        """Write to ``path`` too from now on, beginning with a line of date and command."""
        self.path = path
        if not self.quiet:
            begun = datetime.now().astimezone()
            files.append_text(path, f"# {begun:%Y-%m-%d %H:%M:%S %Z}  {redact(' '.join(sys.argv))}\n")


def on_terminal() -> bool:
    """Whether stdout is an open terminal."""
    return sys.stdout is not None and not sys.stdout.closed and sys.stdout.isatty()


def drop_output() -> None:
    """Send later output to /dev/null: else Python flushes stdout at exit and reports an error."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)


def duration(seconds: float) -> str:
    """Seconds in readable units.

    >>> duration(42), duration(187), duration(3720), duration(183_600)
    ('42s', '3m07s', '1h02m', '2d03h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def count(number: float) -> str:
    """A number with three digits and a unit.

    >>> count(950), count(16384), count(9_949_721), count(1.64e9)
    ('950', '16.4K', '9.95M', '1.64B')
    """
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(number) >= limit * 0.9995:
            return f"{number / limit:.3g}{unit}" if abs(number) < limit * 999.5 else f"{number / limit:.0f}{unit}"
    return f"{number:.3g}" if number != int(number) else str(int(number))


def size(number: float) -> str:
    """Bytes in readable units of 1000.

    >>> size(3_400_000_000)
    '3.4 GB'
    """
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number:.0f} B"


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
