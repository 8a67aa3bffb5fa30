"""Settings of an interaction: who answers, what is said, and how much is learnt from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from babylm.config.fields import number
from babylm.config.teaching import EndpointConfig, TeachingConfig


@dataclass
class InteractionConfig:
    """Rounds of acting, feedback and learning; read by ``python -m babylm.interact`` alone."""

    rounds: int = number(4, "[1, 1e6]")
    """Rounds; fewer if the word budget ends before."""
    environment: str = "microlanguage"
    """Where prompts come from: a plug-in of ``babylm/interaction/environments``."""
    turns: int = number(3, "[1, 1000]")
    """``dialogue``: how often the student speaks in an episode; the teacher's replies are between."""
    teacher: str = "grammar"
    """Who answers: a plug-in of ``babylm/interaction/teachers``."""
    teacher_model: str | None = None
    """``model``: folder of the model that teaches, a revision of ours or any causal Hugging Face model."""
    teaching: TeachingConfig = field(default_factory=TeachingConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    feedback: Literal["correction", "score", "reply", "judge", "random", "none"] = "correction"
    """``correction``: the teacher writes the completion anew; ``score``: it gives a number; ``reply``: it answers in
    words, and whether it asks back, accepts or goes on is the reward (0, 1, 0.5); ``judge``: it compares completions of
    a prompt, and the share that one wins is its reward; the controls are ``random`` (scores by chance) and ``none``
    (the student imitates its own completions)."""
    prompts: int = number(64, "[1, 1e7]")
    """Prompts per round."""
    samples: int = number(2, "[1, 1024]")
    """Completions per prompt."""
    max_new_tokens: int = number(16, "[1, 4096]")
    """Longest completion, in tokens."""
    temperature: float = number(1.0, "(0, 100]")
    """Of the student's sampling."""
    top_p: float = number(1.0, "(0, 1]")
    """Only the likeliest tokens that have this probability together."""
    restart: Literal["never", "each_round"] = "never"
    """``each_round``: each round learns from the initial weights (``init_from``) and the turns of all rounds so far;
    schedules then run over each round. What is read again counts again."""
    top_k: int = number(0, "[0, 1e6]")
    """Only the k likeliest tokens; 0: all."""
    epochs: int = number(1, "[1, 1000]")
    """Passes over the sequences of a round."""
    groups_per_step: int = number(16, "[1, 1e6]")
    """Prompts whose sequences make one step."""
    corpus_steps: int = number(1, "[0, 1000]")
    """Steps of corpus text, in the shape of the first phase, after each step of sequences: they keep the language."""
    test_prompts: int = number(64, "[0, 1e6]")
    """Prompts that are scored before the first round and after each; no round has one of them."""
