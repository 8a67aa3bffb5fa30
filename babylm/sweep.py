"""Write the runs of a sweep, a line of overrides per run, for a job array (slurm/sweep.sbatch) or a loop.

    python -m babylm.sweep SWEEP [key=value ...]

    python -m babylm.sweep configs/sweeps/weight_decay.yaml > runs.txt            every combination of a grid
    python -m babylm.sweep configs/sweeps/random.yaml samples=20 seed=1           random draws, the same for one seed
    sbatch --array=0-5 slurm/sweep.sbatch configs/strict_small.yaml runs.txt      then run them

SWEEP names a configuration (config) and what varies: grid (settings with lists of values) and random (settings with
lists or ranges). Every run is checked before the first line is printed, and has a name of its own.

Exit codes: 0 done; 2 a wrong sweep, or a run of it that is no valid configuration.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from babylm import cli
from babylm.config import manual, sweeps


def main(words: list[str]) -> int:
    """Print the lines of a sweep; returns the exit code."""
    cli.check_config_words(words, sweeps.EXAMPLE)
    sweep = sweeps.load_sweep(words[0], words[1:])
    lines = sweeps.lines(sweep)
    script = f"sbatch --array=0-{len(lines) - 1} slurm/sweep.sbatch {sweep.config} ..."
    print(f"# {len(lines)} runs of {sweep.config}: {script}")
    print("\n".join(lines))
    return 0


def _command(words: Sequence[str] | None = None) -> int:
    return cli.command(__doc__, main, words, lambda: "Settings of a sweep:\n\n" + manual.describe(sweeps.SweepConfig))


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
