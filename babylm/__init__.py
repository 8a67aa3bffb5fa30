"""Small-scale pretraining under data constraints: corpora, training, evaluation and BabyLM submissions."""

import sys

__version__ = "0.1.0"

if sys.argv[:1] == ["-m"]:  # only while `python -m babylm.train` looks for its module: as a library we touch no signal
    from babylm import interrupts

    interrupts.install()
