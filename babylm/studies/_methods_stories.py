"""Story rewards, and trials with demonstrations, for the study of interaction methods: learning and measuring.

*Stories* (after "Once Upon a Time", 2025): the student tells stories from one prompt, and PPO learns from a reward of
quality and length. The original teacher gives marks by a rubric; here quality is the mean log-probability per token by
the teacher, which a model trained inside the budget can give, on the scale of the base's own stories.

*Trials and demonstrations* (TnD, 2025): student and teacher go on from the same first words, and PPO learns from both.
The original reward is how much older than the student a text looks; here it is how much better than the student's own
trials of the round the teacher finds it. Of four steps one is on these rewards.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import exp
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from babylm.randomness import Purpose, derive_seed
from babylm.studies._methods_texts import FUNCTION_WORDS, Texts

if TYPE_CHECKING:
    from babylm.interaction.episodes import Turn
    from babylm.studies._methods_shared import SharedInputs

PROMPT = "Once upon a time there was a"
LENGTH_WEIGHT = 0.4
"""Weight of the length in the reward of a story, beside 1 for the quality."""
WORDS, OCCURRENCES, SENTENCES = 100, 3, 2
"""Frequent words whose learning is measured; how often each must occur; sentences per test of the scale."""
LEAST_LETTERS = 3


def longest(shared: SharedInputs) -> int:
    """Tokens of a story, at most."""
    return 2 * shared.scale.new_tokens


def tell(shared: SharedInputs, model: Any, count: int, seed: int) -> list[Turn]:
    """``count`` stories; those without a word are left out."""
    groups = shared.complete(model, [PROMPT] * count, 1, seed, longest(shared))
    return [group[0] for group in groups if group[0].text]


def story_rewards(shared: SharedInputs, stories: Sequence[Turn], seed: int) -> tuple[list[float], list[float]]:
    """The reward of each story, from 0 to 1, and its score: the teacher's mean log-probability per token, in nats.

    ``seed`` is that of the piece: the base's stories, which set the scale, are those of this seed.
    """
    assert shared.teacher is not None
    base_stories = tell(shared, shared.base.model, shared.scale.tests, derive_seed(seed, Purpose.SAMPLING, 0, 1))
    base_scores = shared.teacher.score([PROMPT] * len(base_stories), [turn.text for turn in base_stories], seed)
    scores = list(map(float, shared.teacher.score([PROMPT] * len(stories), [turn.text for turn in stories], seed)))
    centre, width = fmean(base_scores), pstdev(base_scores) or 1.0
    most = longest(shared)
    rewards = [
        reward((score - centre) / width, len(turn.text.split()), most)
        for score, turn in zip(scores, stories, strict=True)
    ]
    return rewards, scores


def reward(quality: float, words: int, most: int) -> float:
    """From 0 to 1: a logistic curve of the quality (in standard deviations of the base's stories), and the length.

    >>> round(reward(0.0, 20, 40), 3), round(reward(2.0, 20, 40), 3), round(reward(0.0, 90, 40), 3)
    (0.5, 0.772, 0.643)
    """
    return (1 / (1 + exp(min(-quality, 700.0))) + LENGTH_WEIGHT * min(words / most, 1.0)) / (1 + LENGTH_WEIGHT)


def story_groups(
    shared: SharedInputs, model: Any, by_chance: random.Random | None, seed: int, piece_seed: int
) -> list[list[Turn]]:
    """The stories of a round with their rewards, or with the same rewards dealt out ``by_chance``."""
    stories = tell(shared, model, shared.scale.contexts, seed)
    rewards, _ = story_rewards(shared, stories, piece_seed)
    if by_chance is not None:
        by_chance.shuffle(rewards)
    for turn, value in zip(stories, rewards, strict=True):
        turn.reward = value
    return [[turn] for turn in stories]


def trial_groups(
    shared: SharedInputs, model: Any, contexts: Sequence[str], sides: Sequence[str], seed: int
) -> list[list[Turn]]:
    """What the ``sides`` (``trials``, ``demonstrations``) say after each context, with rewards.

    A reward is the teacher's score in standard deviations above the mean of the student's trials.
    """
    assert shared.teacher is not None
    trials = [group[0] for group in shared.complete(model, contexts, 1, seed)]
    said = [(turn.prompt, turn) for turn in trials if turn.text]
    if not said:
        return []
    scores = shared.teacher.score([prompt for prompt, _ in said], [turn.text for _, turn in said], seed)
    centre, width = fmean(scores), pstdev(scores) or 1.0
    turns = [turn for _, turn in said] if "trials" in sides else []
    kept = list(scores) if "trials" in sides else []
    if "demonstrations" in sides:
        texts = shared.teacher.correct(contexts, [turn.text for turn in trials], seed)
        shown = [(context, text) for context, text in zip(contexts, texts, strict=True) if text]
        demonstrations = [shared.sequence(shared.ids(context), text, 1.0, True) for context, text in shown]
        _set_behaviour(shared, model, demonstrations)
        turns += demonstrations
        kept += shared.teacher.score([context for context, _ in shown], [text for _, text in shown], seed)
    for turn, score in zip(turns, kept, strict=True):
        turn.reward = (score - centre) / width
    return [[turn] for turn in turns]


def _set_behaviour(shared: SharedInputs, model: Any, turns: Sequence[Turn]) -> None:
    """Give a teacher's turns the log-probabilities that the student has for them now."""
    from babylm.generation import sampler

    made = sampler.log_probs(model, [(turn.prompt_ids, turn.ids) for turn in turns], shared.base.pad)
    for turn, completion in zip(turns, made, strict=True):
        turn.logp, turn.entropy = completion.logp, completion.entropy


def as_text(groups: Sequence[Sequence[Turn]]) -> list[list[Turn]]:
    """The same turns as text to imitate."""
    return [[replace(turn, reward=1.0) for turn in group] for group in groups]


def measure(shared: SharedInputs, model: Any, seed: int) -> list[tuple[str, str, float]]:
    """(measure, item, value): stories from the prompt, and frequent words in held-out sentences."""
    rows: list[tuple[str, str, float]] = []
    if shared.teacher is not None:
        stories = tell(shared, model, shared.scale.tests, derive_seed(seed, Purpose.SAMPLING, 0, 2))
        rewards, scores = story_rewards(shared, stories, seed)
        for number, (turn, value, score) in enumerate(zip(stories, rewards, scores, strict=True)):
            item = f"s{number}"
            rows += [("story reward", item, value), ("story's score", item, score)]
            rows.append(("words per story", item, float(len(turn.text.split()))))
    generator = random.Random(derive_seed(seed, Purpose.EPISODES, 0, 1))
    sentences = shared.held_out.pick(SENTENCES * shared.scale.tests, generator)
    log_prob_of = word_log_probs(shared, model, sentences, frequent_words(shared.learnt))
    return rows + [("words known", f"w:{word}", value) for word, value in log_prob_of.items()]


def frequent_words(texts: Texts) -> list[str]:
    """Content words of a text, the most frequent ones first; ties by the alphabet."""
    words = [word.lower() for line in texts.sentences for word in line.split()]
    counts = Counter(word for word in words if word.isalpha() and len(word) >= LEAST_LETTERS)
    content = [word for word in counts if word not in FUNCTION_WORDS]
    return sorted(content, key=lambda word: (-counts[word], word))[: 5 * WORDS]


def word_log_probs(
    shared: SharedInputs, model: Any, sentences: Sequence[str], words: Sequence[str]
) -> dict[str, float]:
    """Mean log-probability of each word in its contexts, in nats: of the first `WORDS` that occur often enough."""
    from babylm.generation import sampler

    rows, parts = [], []
    for line in dict.fromkeys(sentences):
        pieces = [(word, shared.ids(word, number > 0)) for number, word in enumerate(line.split())]
        ids = [token for _, tokens in pieces for token in tokens]
        if ids == shared.ids(line):  # words are where they are taken to be
            rows.append((shared.bos, ids))
            parts.append(pieces)
    values: dict[str, list[float]] = {word: [] for word in words}
    for pieces, read in zip(parts, sampler.log_probs(model, rows, shared.base.pad), strict=True):
        at = 0
        for word, tokens in pieces:
            if word.lower() in values and at:
                values[word.lower()].append(sum(read.logp[at : at + len(tokens)]))
            at += len(tokens)
    often = [word for word in words if len(values[word]) >= OCCURRENCES][:WORDS]
    return {word: fmean(values[word]) for word in often}
