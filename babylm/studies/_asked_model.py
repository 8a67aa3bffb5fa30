"""A model that a study asks in words, at a server or by path: greedily, each question once, with answers on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from babylm.config.interaction import InteractionConfig
from babylm.config.teaching import EndpointConfig, InstructionConfig, TeachingConfig

if TYPE_CHECKING:
    from babylm.interaction.teachers import Teacher


def build(
    endpoint: EndpointConfig,
    model: str | None,
    setting: str,
    folder: Path,
    max_tokens: int,
    instruction: str = "{prompt}",
    stop: str = "",
) -> Teacher:
    """Who is asked: the model in a folder, if it is given, else that of a server; its answers are kept in ``folder``.

    ``setting``: the name of the endpoint's settings, for errors. ``instruction``: the text that is asked, with
    ``{prompt}`` in it. ``stop``: what ends an answer and is left out.
    """
    from babylm.interaction import teachers
    from babylm.interaction.teachers import endpoint as servers

    teaching = TeachingConfig(temperature=0.0, max_tokens=max_tokens, stop=stop)
    teaching.instructions = InstructionConfig(complete=instruction)
    config = InteractionConfig(teacher="model" if model else "endpoint", teacher_model=model)
    config.teaching, config.endpoint = teaching, endpoint
    teacher = teachers.build(config) if model else servers.build(config, setting)
    teacher.open(folder)
    return teacher
