"""Train a model as configured: the library call behind ``python -m babylm.train`` and `babylm.api.train`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from babylm import places, processes
from babylm.config.schema import Config
from babylm.console import Log, duration
from babylm.corpora.build import prepare
from babylm.run_folder import RunFolder
from babylm.training import finalize, trainer
from babylm.training.errors import RunStopped
from babylm.training.module import Pretraining
from babylm.training.peers import Peers
from babylm.training.setup import MakeFeed, TrainingSetup, open_run


def pretrain(
    config: Config,
    log: Log | None = None,
    make_feed: MakeFeed | None = None,
    prepared: Callable[[TrainingSetup, Pretraining], None] = lambda setup, module: None,
    trained: Callable[[], None] = lambda: None,
) -> Path:
    """Prepare the corpus if needed, train through the milestones, evaluate; returns the run's folder.

    A finished run is not trained again, an interrupted one is continued. ``make_feed``: makes a feed instead of the
    corpus's plan. ``prepared``: called with all parts before the first step. ``trained``: called after the last
    one, before ``main`` is written; again if the run is killed before that.

    Raises:
        ValueError: Something in configuration, corpus or plan is wrong; nothing was started.
        NonFiniteError: The loss or the gradient was not finite.
        RunStopped: A signal stopped the run, and its state is saved: the same call continues it.
        InterruptedNow: A second Ctrl-C; the state saved last is what is left.
    """
    log = log or Log(quiet=processes.global_rank() > 0)
    folder = RunFolder(places.given(config.checkpoints) / config.name)
    # A finished run may have lost its held-out text since.
    corpus = prepare(config.corpus, config.tokenizer, log, held_out=not folder.finished)
    setup = open_run(config, corpus, log, make_feed)
    if setup is None:
        return folder.path
    module = trainer.build_module(setup)
    if setup.feed.length is not None:
        log("trying one batch of each phase ...")
        seconds = trainer.dry_run(setup, module)
        apart = ", not counting evaluation" if config.corpus.dev or config.evaluation.tasks else ""
        log(f"one batch of each phase works; the run takes about {duration(seconds)} here{apart}")
    if config.training.dry_run:
        return folder.path
    prepared(setup, module)
    begin = time.perf_counter()
    peers = Peers(setup.log)
    loop, checkpointing = trainer.build_trainer(setup, module, peers)
    if setup.saved is not None:
        log(f"continuing after step {setup.saved['step']:,}")
    try:
        trainer.fit(loop, setup, module)
        weights = module.weights()  # all ranks gather them
    except BaseException as error:
        peers.failed(error)
        raise
    finally:
        checkpointing.release()
    peers.done()
    if checkpointing.stopped_by is not None:
        raise RunStopped(checkpointing.stopped_by, module.completed, folder.path)
    if loop.is_global_zero:
        trained()
        finalize.finalize(setup, module, loop, weights)
        log(f"done in {duration(time.perf_counter() - begin)}: {folder.path}")
    return folder.path
