"""A run, or several overlaid, as one self-contained page.

    python -m babylm.report checkpoints/RUN [checkpoints/RUN2 ...] [out=FILE.html]

The page (RUN/report.html of the first run, unless ``out`` says otherwise) holds facts and budget, losses and tasks over
words, phenomena by revision in the order of acquisition, scores with intervals and ties, published baselines, paired
comparisons of several runs, calibration, and examples. It loads nothing from anywhere. Only what training and
``babylm.evaluate`` have stored is read; what is missing is named there with the command that makes it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from babylm import cli, files, places, registry
from babylm.console import Log, size


def main(folders: Sequence[Path], out: Path | None, log: Log) -> int:
    """Write the page; returns the exit code."""
    from babylm.reporting import examples, gather, learning_curves, markup, overview, scores

    begin = time.perf_counter()
    runs = gather.read_all(list(folders))
    names = ", ".join(one.name for one in runs)
    made = f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by python -m babylm.report {' '.join(map(str, folders))}"
    text = markup.document(
        f"babylm: {names}",
        made,
        [
            ("Missing", overview.gaps(runs)),
            ("Facts", overview.facts(runs)),
            ("Loss", learning_curves.losses(runs)),
            ("Scores", scores.scores(runs)),
            ("Comparison of runs", scores.compared(runs)),
            ("Tasks over words", learning_curves.tasks(runs)),
            ("Phenomena", learning_curves.phenomena(runs)),
            ("Order of acquisition", learning_curves.order(runs)),
            ("Published baselines", scores.beside_published(runs)),
            ("Calibration", examples.calibrated(runs)),
            ("Examples", examples.examples(runs)),
        ],
    )
    out = out or folders[0] / "report.html"
    files.write_text(out, text)
    log(f"{out}: {size(len(text.encode()))}, {time.perf_counter() - begin:.1f}s")
    return 0


def _command(words: Sequence[str]) -> int:
    return cli.command(__doc__, _run, words)


def _run(words: list[str]) -> int:
    given = registry.options([word for word in words if "=" in word], ("out",))
    folders = [places.given(word) for word in words if "=" not in word]
    if not folders:
        raise ValueError("report: which run? For example: python -m babylm.report checkpoints/smoke")
    return main(folders, places.given(given["out"]) if "out" in given else None, Log())


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
