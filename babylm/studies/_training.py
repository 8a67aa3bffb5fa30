"""Training inside a study: a run that the time limit stops is continued by the same command."""

from __future__ import annotations

import gc

from babylm.config.schema import Config
from babylm.console import Log
from babylm.runs import Run
from babylm.studies.experiment import Piece
from babylm.studies.experiment.time_limit import as_stop_of_the_study, listen


def train(piece: Piece, config: Config) -> Run:
    """Train a run to its end, or continue it, and remove its states: four times the weights, and the revisions stay.

    Raises:
        TimeUp: A signal stopped the run, and its state is saved; KeyboardInterrupt if it was Ctrl-C.
    """
    from babylm.training.pretrain import pretrain

    try:
        with as_stop_of_the_study():
            # With a log of its own, which a run attaches to its folder.
            run = Run(pretrain(config, Log(quiet=piece.log.quiet)))
    finally:
        tidy()
    for state in run.folder.glob("*.ckpt"):
        state.unlink()
    return run


def tidy() -> None:
    """Forget what the last run compiled and cached on the GPU, and take the signal of the time limit back."""
    import torch

    listen()
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
