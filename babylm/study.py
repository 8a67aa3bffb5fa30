"""Run a study: conditions x seeds, each piece once, then a table, a figure and the measurements as files.

    python -m babylm.study STUDY [key=value ...]

    python -m babylm.study configs/studies/recipe_search.yaml dry_run=true        the pieces, and how long they take
    python -m babylm.study configs/studies/recipe_search.yaml scale=smoke         every stage in miniature, on a CPU
    python -m babylm.study configs/studies/recipe_search.yaml time_limit=540      what fits nine minutes; then repeat it
    python -m babylm.study configs/studies/recipe_search.yaml part=0/4            every fourth piece, for a job array

STUDY is a configuration file; its key ``study`` names the study, a file in babylm/studies or in the folder studies of
--plugins PATH. Results are in checkpoints/studies/<name>/: summary.md, summary.json, figure.png, a CSV per table, and
measurements.csv with one row per (condition, seed, item, measure). A piece that is done is a file in pieces/ and is not
run again; a piece that fails is named with its reason, and the others continue.

Exit codes: 0 done (or this part of it); 1 an unexpected error; 2 a wrong configuration, or every piece failed; 75 the
time limit or SIGUSR1 came first: repeat the command to continue; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from babylm import cli, registry
from babylm.config import manual, studies
from babylm.console import Log
from babylm.interrupts import EXIT_STOPPED


def main(words: list[str]) -> int:
    """Run the study of a configuration file and its overrides; returns the exit code."""
    cli.check_config_words(words, studies.EXAMPLE)
    settings = studies.load_study(words[0], words[1:])
    from babylm.studies.experiment import StudyStopped, run_study

    log = Log()
    try:
        run_study(settings, log)
    except StudyStopped as stop:
        log(str(stop))
        return EXIT_STOPPED
    return 0


def describe_settings() -> str:
    """The settings of all studies, then those of each."""
    blocks = ["Settings of every study, with their defaults:", manual.describe(studies.StudyConfig)]
    for name in registry.names(studies.FOLDER):
        of_all = set(manual.settings(studies.StudyConfig))
        settings_class = registry.settings(studies.FOLDER, name, studies.StudyConfig)
        lines = [line for line in manual.settings(settings_class) if line not in of_all]
        if lines:
            blocks += [f"Settings of {name}:", "\n".join(f"  {key}={value}  {text}" for key, value, text in lines)]
    return "\n\n".join(blocks)


def _command(words: Sequence[str] | None = None) -> int:
    return cli.command(__doc__, main, words, describe_settings)


if __name__ == "__main__":
    cli.leave(_command(sys.argv[1:]))
