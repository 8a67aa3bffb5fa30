"""Train a model: prepare the text where needed, plan, train through the milestones, evaluate.

    python -m babylm.train CONFIG [key=value ...]

    python -m babylm.train configs/smoke.yaml                        the bundled corpus, in a minute or two
    python -m babylm.train configs/strict_small.yaml seed=2 name=s2  a file, then changes
    python -m babylm.train CONFIG training.dry_run=true            print the plan, try one batch, stop

Repeating the command continues the run where it stopped. Results are in checkpoints/<name>/.

Exit codes: 0 done; 1 an unexpected error; 2 wrong configuration, corpus or plan (nothing was started); 3 the loss or
the gradient was not finite; 75 stopped by a signal with the state saved: repeat the command to continue; 130
interrupted before the first step, or by a second Ctrl-C: the state saved last is what is left.
"""

from __future__ import annotations

from collections.abc import Callable

from babylm import cli, processes
from babylm.config.schema import Config
from babylm.console import Log
from babylm.interrupts import EXIT_INTERRUPTED, EXIT_STOPPED
from babylm.training.errors import InterruptedNow, NonFiniteError, RunStopped

EXIT_NOT_FINITE = 3


def main(config: Config) -> int:
    """Train as configured; returns the exit code."""
    log = Log(quiet=processes.global_rank() > 0)
    log(f"babylm: starting {config.name} ...")
    from babylm.training.pretrain import pretrain  # after the first line: it imports torch

    return exit_code(lambda: pretrain(config, log), config, log)


def exit_code(run: Callable[[], object], config: Config, log: Log) -> int:
    """Run something that trains; its exit code, with a line for each way to end early."""
    try:
        run()
    except NonFiniteError as error:
        log(f"error: {error}; the last saved state is in {config.checkpoints}/{config.name}")
        return EXIT_NOT_FINITE
    except InterruptedNow:
        log(f"interrupted; the last saved state is in {config.checkpoints}/{config.name}")
        return EXIT_INTERRUPTED
    except RunStopped as stop:
        log(f"stopped by {stop.signal} after step {stop.step:,}, state saved: repeat the command to continue")
        return EXIT_STOPPED
    return 0


if __name__ == "__main__":
    cli.leave(cli.config_command(__doc__, main))
