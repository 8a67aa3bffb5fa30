"""A caregiver's reward for the study of interaction methods: how others would answer a child who said this.

After Nikolaus and Fourtassi (the official baseline of 2025 with a reward): a reply that asks back is worth 0, one that
accepts 1, any other 0.5 (`babylm.interaction.caregiver`). A reward model learns this from what children said in the
text and what they were answered, and the student is rewarded by what the model expects. There it is a small encoder;
here it is a ridge regression on hidden states of the base.

The student is measured by a second reward model, which learns from the other half of the answers: pleasing the first
one alone shows. How well the first one predicts the other half's answers is reported, too.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import numpy as np

from babylm.lazy import torch
from babylm.randomness import Purpose, derive_seed
from babylm.studies.statistics._libraries import library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from babylm.interaction.episodes import Turn
    from babylm.studies._methods_shared import SharedInputs
    from babylm.studies._methods_texts import Answered

OF_A_KIND = 1000
"""Replies of one kind that a reward model learns from, at most: most replies are neither of the two that count."""
PENALTY = 1.0
"""Of the regression, per utterance, on features of mean 0 and deviation 1."""
STUDENTS, JUDGES = 0, 1
"""Halves of the text's answers: what the student is rewarded by, and what it is measured by."""
AGREEMENT = "replies predicted"
"""Measure: how well the student's reward model predicts the other half's answers."""
ROWS = 64


@dataclass
class Caregiver:
    """The reward model: a linear function of the base's hidden states, in the mean over an utterance's tokens."""

    shared: SharedInputs
    regression: Any
    """Of scikit-learn, from the mean states to the reward."""

    def rewards(self, utterances: Sequence[str]) -> list[float]:
        """What is expected of the reply to each utterance, from 0 to 1."""
        return [float(value) for value in self.regression.predict(states(self.shared, utterances)).clip(0, 1)]


def reward_model(shared: SharedInputs, half: int, seed: int) -> Caregiver:
    """That of a half of the text's answers, made once.

    Raises:
        ValueError: Nobody answers there.
    """
    key = half, seed
    if key not in shared.reward_models:
        shared.reward_models[key] = _learn(shared, _pairs(shared, half, seed))
    made: Caregiver = shared.reward_models[key]
    return made


def _pairs(shared: SharedInputs, half: int, seed: int) -> list[Answered]:
    answered = shared.learnt.answered
    middle = len(answered) // 2
    of_half = answered[:middle] if half == STUDENTS else answered[middle:]
    pairs = balanced(of_half, random.Random(derive_seed(seed, Purpose.TEACHER, half)))
    if not pairs:
        raise ValueError("text: a caregiver's reward needs utterances with replies (*CHI: ... and *MOT: ...)")
    return pairs


def _learn(shared: SharedInputs, pairs: Sequence[Answered]) -> Caregiver:
    scaler = library("sklearn.preprocessing").StandardScaler()
    ridge = library("sklearn.linear_model").Ridge(alpha=PENALTY * len(pairs))
    regression = library("sklearn.pipeline").make_pipeline(scaler, ridge)
    regression.fit(states(shared, [pair.utterance for pair in pairs]), [pair.reward for pair in pairs])
    return Caregiver(shared, regression)


def balanced(answered: Sequence[Answered], generator: random.Random) -> list[Answered]:
    """As many utterances with each kind of reply, as far as there are so many."""
    kinds: dict[float, list[Answered]] = {}
    for pair in answered:
        kinds.setdefault(pair.reward, []).append(pair)
    count = min((OF_A_KIND, *map(len, kinds.values())))
    return [pair for kind in sorted(kinds) for pair in generator.sample(kinds[kind], count)]


def states(shared: SharedInputs, utterances: Sequence[str]) -> NDArray[np.float64]:
    """(utterances, width): the base's last hidden states, in the mean over the tokens of each utterance."""
    from babylm.generation.row_batches import by_length, right_padded

    base, rows = shared.base, [[*shared.bos, *shared.ids(text)] for text in utterances]
    means = np.empty((len(rows), base.model.config.hidden_size))
    for numbers in by_length(list(map(len, rows)), ROWS):
        input_ids, mask = right_padded([rows[number] for number in numbers], base.pad, base.model.device)
        with torch.no_grad():
            hidden = base.model.get_decoder()(input_ids=input_ids, attention_mask=mask).last_hidden_state.float()
        weights = mask[..., None].float()  # (rows, tokens, 1)
        means[numbers] = ((hidden * weights).sum(1) / weights.sum(1)).cpu().numpy()
    return means


def say(shared: SharedInputs, model: Any, count: int, samples: int, seed: int) -> list[list[Turn]]:
    """Groups of utterances that begin with a child's first word."""
    generator = random.Random(derive_seed(seed, Purpose.EPISODES, 0, 3))
    begun = [generator.choice(shared.learnt.answered).utterance.split()[0] for _ in range(count)]
    return [group for group in shared.complete(model, begun, samples, seed) if group]


def utterance(turn: Turn) -> str:
    """What was said, the given word and its completion."""
    return f"{turn.prompt} {turn.text}".strip()


def groups(
    shared: SharedInputs,
    model: Any,
    by_chance: random.Random | None,
    count: int,
    samples: int,
    seed: int,
    piece_seed: int,
) -> list[list[Turn]]:
    """The utterances of a round with their rewards, or with the same rewards dealt out ``by_chance``."""
    caregiver = reward_model(shared, STUDENTS, piece_seed)
    said = say(shared, model, count, samples, seed)
    turns = [turn for group in said for turn in group]
    rewards = caregiver.rewards([utterance(turn) for turn in turns])
    if by_chance is not None:
        by_chance.shuffle(rewards)
    for turn, value in zip(turns, rewards, strict=True):
        turn.reward = value
    return said


def measure(shared: SharedInputs, model: Any, seed: int) -> list[tuple[str, str, float]]:
    """(measure, item, value): the reward that utterances would get, in deviations of the base's own from their mean."""
    judge = reward_model(shared, JUDGES, seed)
    count = shared.scale.tests
    sampling = derive_seed(seed, Purpose.SAMPLING, 0, 3)
    said, of_base = (
        [utterance(group[0]) for group in say(shared, who, count, 1, sampling)] for who in (model, shared.base.model)
    )
    rewards_of_base = judge.rewards(of_base)
    centre, width = fmean(rewards_of_base), pstdev(rewards_of_base) or 1.0
    rows = [("caregiver's reward", f"u{i}", (value - centre) / width) for i, value in enumerate(judge.rewards(said))]
    return [*rows, (AGREEMENT, "", agreement(shared, seed))]


def agreement(shared: SharedInputs, seed: int) -> float:
    """Spearman's correlation of the student's rewards with those of the replies that the judge learns from."""
    pairs = _pairs(shared, JUDGES, seed)
    if len({pair.reward for pair in pairs}) < 2:
        return float("nan")
    predicted = reward_model(shared, STUDENTS, seed).rewards([pair.utterance for pair in pairs])
    return float(library("scipy.stats").spearmanr(predicted, [pair.reward for pair in pairs]).statistic)
