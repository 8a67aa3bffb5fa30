"""What an environment returns, checked before the student reads it or is measured by it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from babylm import returned
from babylm.interaction.environments._types import Environment


def check_environment(environment: Environment) -> Environment:
    """The environment, whose methods from now on raise ValueError in place of returning what they must not."""
    name = returned.place_of(environment)
    if not returned.is_text(environment.stop):
        raise ValueError(f"{name}.stop must be a text, empty for none; found {returned.shown(environment.stop)}")
    if not isinstance(environment.corpus_text, bool):
        raise ValueError(f"{name}.corpus_text must be True or False; found {returned.shown(environment.corpus_text)}")
    draw_prompts, gold = environment.prompts, environment.gold

    @functools.wraps(draw_prompts)
    def checked_prompts(seed: int, count: int) -> list[str]:
        return returned.texts(draw_prompts(seed, count), draw_prompts, count, of="place")

    @functools.wraps(gold)
    def checked_gold(prompts: Sequence[str], completions: Sequence[str]) -> list[float] | None:
        values: Any = gold(prompts, completions)
        return None if values is None else returned.numbers(values, gold, len(prompts), lowest=0.0, largest=1.0)

    environment.prompts = checked_prompts  # type: ignore[method-assign]
    environment.gold = checked_gold  # type: ignore[method-assign]
    return environment
