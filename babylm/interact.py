"""Let a student learn from a teacher: rounds of acting, feedback and learning, with every word metered.

    python -m babylm.interact CONFIG [key=value ...]

    python -m babylm.train configs/interaction.yaml name=base objective.name=hybrid budget.epochs=6    a student, first
    python -m babylm.interact configs/interaction.yaml init_from=checkpoints/base                      then its teacher
    python -m babylm.interact CONFIG init_from=checkpoints/base name=random interaction.feedback=random    a control

The objective is the learner (supervised, dpo, simpo, orpo, kto, rrhf, reinforce, grpo, ppo). interaction.* says who
answers and how much. Repeating the command continues the run where it stopped; a reply is never asked for twice.
Results are in checkpoints/<name>/: rounds/ holds every turn and the student's results by round, ledger.json the words.

Exit codes are those of babylm.train.
"""

from __future__ import annotations

from babylm import cli
from babylm.config.schema import Config
from babylm.console import Log
from babylm.train import exit_code


def main(config: Config) -> int:
    """Interact as configured; returns the exit code."""
    log = Log()
    log(f"babylm: starting {config.name} ...")
    from babylm.interaction.interact import interact  # after the first line: it imports torch

    return exit_code(lambda: interact(config, log), config, log)


if __name__ == "__main__":
    cli.leave(cli.config_command(__doc__, main))
