"""What the student receives for its turns: numbers from the teacher, or from chance."""

from __future__ import annotations

import random
from collections.abc import Sequence

from babylm.interaction import caregiver
from babylm.interaction.episodes import Turn
from babylm.interaction.teachers import Teacher


def receive(teacher: Teacher, feedback: str, turns: Sequence[Turn], seed: int) -> None:
    """Give turns of the student their rewards by ``interaction.feedback``, and the replies that these come from.

    All but corrections, which are texts.
    """
    prompts, texts = [turn.prompt for turn in turns], [turn.text for turn in turns]
    if feedback == "none":
        rewards = [1.0] * len(turns)
    elif feedback == "random":
        generator = random.Random(seed)
        rewards = [float(generator.random() < 0.5) for _ in turns]
    elif feedback == "score":
        rewards = [float(score) for score in teacher.score(prompts, texts, seed)]
    elif feedback == "reply":
        for turn, reply in zip(turns, teacher.reply(prompts, texts, seed), strict=True):
            turn.reply = reply
        rewards = [caregiver.OTHER if turn.reply is None else caregiver.reply_reward(turn.reply) for turn in turns]
    else:
        assert feedback == "judge", feedback
        rewards = _judged(teacher, turns, seed)
    for turn, reward in zip(turns, rewards, strict=True):
        turn.reward = reward


def _judged(teacher: Teacher, turns: Sequence[Turn], seed: int) -> list[float]:
    """For each turn the share of its comparisons that it wins.

    The turns of a prompt are put into a ring in random order, and neighbours are compared: two comparisons each,
    one if there are two turns.
    """
    generator = random.Random(seed)
    groups: dict[int, list[int]] = {}
    for index, turn in enumerate(turns):
        groups.setdefault(turn.episode, []).append(index)
    pairs = []
    for group in groups.values():
        ring = generator.sample(group, len(group))
        pairs += [(ring[at - 1], ring[at]) for at in range(len(ring) if len(ring) > 2 else 1) if len(ring) > 1]
    first, second = [turns[a] for a, _ in pairs], [turns[b] for _, b in pairs]
    prompts = [turn.prompt for turn in first]
    won = teacher.judge_pair(prompts, [turn.text for turn in first], [turn.text for turn in second], seed)
    results: dict[int, list[float]] = {index: [] for index in range(len(turns))}
    for (a, b), value in zip(pairs, won, strict=True):
        results[a].append(value)
        results[b].append(1 - value)
    return [sum(values) / len(values) for values in results.values()]
