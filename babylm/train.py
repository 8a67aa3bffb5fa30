"""Train a model: prepare the text where needed, plan, train through the milestones, evaluate.

    python -m babylm.train CONFIG [key=value ...]

    python -m babylm.train configs/smoke.yaml                        the bundled corpus, in a minute or two
    python -m babylm.train configs/strict_small.yaml seed=2 name=s2  a file, then changes
    python -m babylm.train CONFIG training.dry_run=true            print the plan, try one batch, stop

Repeating the command continues the run where it stopped. Results lie in checkpoints/<name>/.

Exit codes: 0 done; 1 an unexpected error; 2 wrong configuration, corpus or plan (nothing was started); 3 the loss or
the gradient was not finite; 75 stopped by a signal with the state saved: repeat the command to go on; 130 interrupted
before the first step, or by a second Ctrl-C: the state saved last is what is left.
"""

from __future__ import annotations

import time

from babylm import cli, places
from babylm.config.schema import Config
from babylm.console import Log, duration
from babylm.interrupts import EXIT_INTERRUPTED
from babylm.run_folder import RunFolder

EXIT_NOT_FINITE = 3
EXIT_STOPPED = 75
"""EX_TEMPFAIL of sysexits.h: try again."""


def main(config: Config) -> int:
    """Train as configured; returns the exit code."""
    import os

    log = Log(quiet=int(os.environ.get("LOCAL_RANK", 0)) > 0)
    log(f"babylm: starting {config.name} ...")
    from babylm.corpora.build import prepare

    finished = RunFolder(places.given(config.checkpoints) / config.name).finished  # then its held-out text may be gone
    shards = prepare(config.corpus, config.tokenizer, log, held_out=not finished)
    from babylm.training import finalize, trainer
    from babylm.training.callbacks.checkpointing import InterruptedNow
    from babylm.training.module import NonFiniteError
    from babylm.training.setup import open_run

    opened = open_run(config, shards, log)
    if opened is None:
        return 0
    module = trainer.build_module(opened)
    log("trying one batch of each phase ...")
    seconds = trainer.dry_run(opened, module)
    apart = ", measuring apart" if config.corpus.dev or config.evaluation.tasks else ""
    log(f"one batch of each phase works; the run takes about {duration(seconds)} here{apart}")
    if config.training.dry_run:
        return 0
    begin = time.perf_counter()
    loop, resume = trainer.build_trainer(opened, module)
    first = opened.saved["step"] if opened.saved is not None else 0
    if first:
        log(f"going on after step {first:,}")
    try:
        trainer.fit(loop, opened, module)
    except NonFiniteError as error:
        log(f"error: {error}; the last saved state is in {opened.folder.path}")
        return EXIT_NOT_FINITE
    except InterruptedNow:
        log(f"interrupted; the last saved state is in {opened.folder.path}")
        return EXIT_INTERRUPTED
    if resume.stopped_by is not None:
        log(f"stopped by {resume.stopped_by} after step {module.completed:,}, state saved: repeat the command to go on")
        return EXIT_STOPPED
    if loop.is_global_zero:
        finalize.finalize(opened, module, loop)
        log(f"done in {duration(time.perf_counter() - begin)}: {opened.folder.path}")
    return 0


if __name__ == "__main__":
    cli.leave(cli.config_command(__doc__, main))
