"""Continuing texts and token sequences with a causal model.

`sampler.sample` completes token sequences in a batch; interactions and studies use it. `generator.Generator` does the
same for texts, with the tokenizer of a model's folder; ``python -m babylm.generate`` uses it.
"""

from babylm.generation.generator import Generator, Sampling, load, stop_at_text, warn_if_masked
from babylm.generation.sampler import Completion, log_probs, sample
from babylm.generation.token_choice import one_of

__all__ = [
    "Completion",
    "Generator",
    "Sampling",
    "load",
    "log_probs",
    "one_of",
    "sample",
    "stop_at_text",
    "warn_if_masked",
]
