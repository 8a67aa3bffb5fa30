"""Show a run, several overlaid, a folder of runs, or a study as one self-contained page.

    python -m babylm.report checkpoints/RUN [checkpoints/RUN2 ...] [key=value ...]

    python -m babylm.report checkpoints/s1                       writes checkpoints/s1/report.html
    python -m babylm.report checkpoints/s1 checkpoints/s2        two runs overlaid and compared on the same items
    python -m babylm.report checkpoints/s1 samples=true          let its revisions continue some prompts first
    python -m babylm.report checkpoints out=runs.html            a table of all runs: state, words, loss, scores, seeds
    python -m babylm.report checkpoints/studies/recipe_search    a study: its tables, figure and remarks

A page begins with scores and intervals beside published baselines; then losses, learning rate, gradient norm and speed
over words, hours or FLOPs, tasks and phenomena over words, the corpus, samples, calibration, examples and all facts;
what is missing is last, with the command that makes it. It loads nothing from anywhere; charts (SVG) and numbers (CSV,
JSON) can be saved from it. Only what training and ``babylm.evaluate`` have stored is read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from babylm import cli, places, registry
from babylm.config import options
from babylm.console import Log, size

KEYS = options.keys(options.ReportOptions)


def main(folders: Sequence[Path], out: Path | None, log: Log, *, samples: bool = False) -> int:
    """Write the page; returns the exit code."""
    from babylm.reporting.report import report

    begin = time.perf_counter()
    file = report(folders, out, with_samples=samples, log=log)
    log(f"{file}: {size(file.stat().st_size)}, {time.perf_counter() - begin:.1f}s")
    return 0


def _command(words: Sequence[str]) -> int:
    return cli.command(__doc__, _run, words, lambda: options.describe(options.ReportOptions))


def _run(words: list[str]) -> int:
    given = registry.options([word for word in words if "=" in word], KEYS)
    folders = [places.given(word) for word in words if "=" not in word]
    samples = registry.check(given.get("samples", "false"), ("true", "false"), "samples") == "true"
    return main(folders, Path(given["out"]) if "out" in given else None, Log(), samples=samples)


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
