"""What a person sees: the log, numbers in readable units."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from babylm.redaction import redact


class Log:
    """Lines to the terminal and, once a run's folder is known, to its ``log.txt``; silent where ``quiet``.

    The output may go away (a closed pipe or terminal, a full disk): the lines go on in ``log.txt`` alone.
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
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(text + "\n")

    def warn(self, text: str) -> None:
        """Write what is probably a mistake, or a fallback, and goes on."""
        self(f"warning: {text}")

    def attach(self, path: Path) -> None:
        """Also write to ``path`` from now on, after a line with date and command."""
        self.path = path
        if not self.quiet:
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"# {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}  {redact(' '.join(sys.argv))}\n")


def on_terminal() -> bool:
    """Whether the output is a terminal; a closed one is not, nor is none (``>&-``)."""
    return sys.stdout is not None and not sys.stdout.closed and sys.stdout.isatty()


def drop_output() -> None:
    """Send what is still written to stdout nowhere: else Python tries again at its end, and makes an error of it."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)


def duration(seconds: float) -> str:
    """``42s``, ``3m07s``, ``1h02m``, ``2d03h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def count(number: float) -> str:
    """Three digits and a unit: ``950``, ``16.4K``, ``9.95M``, ``1.64B``."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(number) >= limit * 0.9995:
            return f"{number / limit:.3g}{unit}" if abs(number) < limit * 999.5 else f"{number / limit:.0f}{unit}"
    return f"{number:.3g}" if number != int(number) else str(int(number))


def size(number: float) -> str:
    """Bytes in readable units of 1000: ``3.4 GB``."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number:.0f} B"


def first_line(error: BaseException) -> str:
    """What an error says, in one line: libraries of the network say much."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
