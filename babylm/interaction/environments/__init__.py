"""Environments: where an episode begins and what counts in it. One plug-in per file with ``build(config, text)``.

Those in which prompts are completed and dialogues are held (`Environment`) are for ``python -m babylm.interact``; games
(`Game`) are played by studies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from babylm import registry, returned
from babylm.config.interaction import InteractionConfig
from babylm.interaction.environments import _checks
from babylm.interaction.environments._types import Environment, Episode, Game, ItemSet, Observation, Outcome

FOLDER = "interaction/environments"
__all__ = ["Environment", "Episode", "Game", "ItemSet", "Observation", "Outcome", "build"]


def build(config: InteractionConfig, texts: Callable[[], Sequence[str]]) -> Environment:
    """The environment that ``interaction.environment`` names; ``texts``: the training documents, read if needed."""
    registry.check(config.environment, registry.names(FOLDER), "interaction.environment")
    environment = _checks.check_environment(returned.built(FOLDER, config.environment, Environment, config, texts))
    assert isinstance(environment, Environment)
    if type(environment).prompts is Environment.prompts:
        raise ValueError(f"interaction.environment={config.environment}: has no method prompts(seed, count); write it")
    return environment
