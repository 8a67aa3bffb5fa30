"""Completions of a student with the figures that learners need: those of `babylm.generation.sampler`."""

from babylm.generation.sampler import ROWS, Completion, log_probs, sample

__all__ = ["ROWS", "Completion", "log_probs", "sample"]
