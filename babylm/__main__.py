"""Small-scale pretraining, one command per step:

    python -m babylm.prepare CONFIG     read, count and encode the text (training does it too)
    python -m babylm.train CONFIG       plan, train, save each revision; repeat it to continue
    python -m babylm.evaluate FOLDER    score a run, a model folder or a model of the Hub
    python -m babylm.generate FOLDER    let a model continue texts, or chat
    python -m babylm.report FOLDER      one page to look at
    python -m babylm.submit FOLDER      check everything, then write the submission
    python -m babylm.convert FOLDER     bring a run or revision of an older version over

Each with --help; CONFIG is a file of configs/, FOLDER a run's checkpoints/NAME. README.md goes through all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from babylm import cli


def _run(words: list[str]) -> int:
    steps = ("prepare", "train", "evaluate", "generate", "report", "submit", "convert")
    if words[0] in steps:
        raise ValueError(f"a command is one word with its package: python -m babylm.{' '.join(words)}")
    raise ValueError(f"{words[0]}: no such command; there are python -m babylm.{{{','.join(steps)}}}")


def _command(words: Sequence[str]) -> int:
    return cli.command(__doc__, _run, words)


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
