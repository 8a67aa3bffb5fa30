"""What a recipe search costs before anything has run: FLOPs of each run, and seconds at a given speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from babylm import config as configuration
from babylm.studies._recipe_runs import configured
from babylm.studies._recipe_scales import Scale

WORDS, TOKENS_PER_WORD = 9_949_723, 1.576
"""Of the official text with 16,384 entries (docs/results.md)."""


class Cost(NamedTuple):
    """Of one training run."""

    flops: float
    tokens: float

    def seconds(self, recipe: Cost, tokens_per_second: float) -> float:
        """Seconds at the FLOPs per second of ``recipe`` at its speed."""
        return self.flops / (recipe.flops / recipe.tokens * tokens_per_second)


def run_cost(scale: Scale, overrides: Sequence[str]) -> Cost:
    """FLOPs and tokens of a run with these overrides of the recipe."""
    from babylm.models.configuration_babylm import BabyLMConfig
    from babylm.models.flops import training_flops_per_token

    config = configured(scale, overrides)
    fields = configuration.as_dict(config.model)
    fields.pop("preset")
    shape = BabyLMConfig(**fields, vocab_size=config.tokenizer.vocab_size)
    head_fraction = config.objective.head_fraction(0.5)  # it is linear, so this is its mean
    words = scale.sample_words or WORDS
    tokens = (config.budget.words or (config.budget.epochs or 10) * words) * TOKENS_PER_WORD
    begins = [0.0, *(phase.until for phase in config.phases)]
    per_token = sum(
        (phase.until - begin) * training_flops_per_token(shape, phase.sequence_length, head_fraction)
        for begin, phase in zip(begins, config.phases, strict=False)
    )
    return Cost(tokens * per_token, tokens)
