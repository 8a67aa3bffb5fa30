"""The arms and scales of the ReSpect study, and how an arm judges what the listener did."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from babylm.interaction.episodes import Turn
    from babylm.interaction.feedback_decoder import FeedbackDecoder


class Scale(NamedTuple):
    """How large the study is."""

    rounds: int
    """Of learning; one more is only played."""
    games: int
    """Per round."""
    caption_steps: int
    """Of captions, which the base model begins with."""
    plain_steps: int
    """Of the game with a speaker of canonical words who never reacts."""
    steps: int
    """Of retraining from the base per round played, so that more turns are read as often."""
    arms: tuple[str, ...]


class Arm(NamedTuple):
    """Where judgements come from, and what is learnt from them."""

    feedback: str
    """``binary`` or ``ternary`` decoder, ``gold``, ``random``, ``seed`` (retraining on the seed games alone) or
    ``none`` (no retraining)."""
    objective: str
    settings: Mapping[str, Any]
    negative: float = -1.0
    """Reward of what is judged as bad."""


SUPERVISED: Mapping[str, Any] = {"minimum_reward": 0.5}
ARMS = {
    "filtered": Arm("binary", "supervised", SUPERVISED),
    "ternary": Arm("ternary", "supervised", SUPERVISED),
    "reinforce": Arm("ternary", "reinforce", {"importance": "negative", "length_normalized": True}, negative=-0.1),
    "kto": Arm("binary", "kto", {"beta": 0.5}),
    "oracle": Arm("gold", "supervised", SUPERVISED),
    "random": Arm("random", "supervised", SUPERVISED),
    "seed_games": Arm("seed", "supervised", SUPERVISED),
    "control": Arm("none", "supervised", SUPERVISED),
}
"""REINFORCE: c = 1 for positives, pi / p_old for negatives, whose reward is -0.1. KTO: the reference is the policy that
acted."""
SCALES = {
    "smoke": Scale(1, 16, 40, 40, 20, ("filtered", "control")),
    "demo": Scale(2, 80, 220, 600, 130, ("filtered", "oracle", "random", "seed_games", "control")),
    "full": Scale(3, 100, 220, 600, 130, tuple(ARMS)),
}


def judge(turns: Sequence[Turn], arm: Arm, decoder: FeedbackDecoder | None, seed: int) -> list[Turn]:
    """The turns that something followed, with the arm's reward; a turn's gold is read by the oracle alone."""
    judged = [turn for turn in turns if turn.meta["reply"]]
    generator = random.Random(seed)
    if decoder is not None:
        marks = decoder.decode([(turn.meta["request"], turn.meta["reply"]) for turn in judged])
    elif arm.feedback == "gold":
        marks = [1 if turn.gold else -1 for turn in judged]
    else:
        marks = [generator.choice((1, -1)) for _ in judged]
    for turn, mark in zip(judged, marks, strict=True):
        turn.reward, turn.feedback = (arm.negative if mark < 0 else float(mark)), arm.feedback
        turn.meta["decoded"] = mark
    return judged
