"""The work of the study of interaction methods: what arms learn from in each round, and how students are measured."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babylm.randomness import Purpose, derive_seed
from babylm.studies import _methods_caregiver as caregiver
from babylm.studies import _methods_stories as stories
from babylm.studies import _methods_tables as tables
from babylm.studies._methods_shared import Scale, SharedInputs

if TYPE_CHECKING:
    from babylm.interaction.episodes import Turn

MEASURES = {tables.STORIES: stories.measure, tables.CHILDREN: caregiver.measure}
"""Name of what some arms are measured by in addition -> (shared, model, seed) to (measure, item, value)."""
TEST = 0
"""Round number of what is measured; rounds of learning count from 1."""


SCALES = {
    "smoke": Scale(1, 16, 2, 1, 8, 12, 6),
    "cpu": Scale(3, 512, 30, 10, 32, 200, 20),
    "cpu_large": Scale(3, 1000, 60, 20, 32, 200, 20),
    "gpu": Scale(3, 1000, 120, 40, 64, 500, 20),
}
SIDES = {
    "trials and demonstrations": ("trials", "demonstrations"),
    "trials": ("trials",),
    "demonstrations": ("demonstrations",),
}
"""Who goes on from the contexts, by what is learnt from."""
SAMPLES = 4
"""Completions per context, where a group of them is compared."""


def learn(shared: SharedInputs, arm: Mapping[str, Any], lr: float, seed: int) -> tuple[Any, int]:
    """A copy of the base that has learnt as the arm says, and the tokens that it has learnt from."""
    from babylm.interaction.finetune import FineTuning, fine_tune

    model, scale, pad = copy.deepcopy(shared.base.model), shared.scale, shared.base.pad
    tokens = 0

    def tune(groups: Sequence[Sequence[Turn]], objective: Any, steps: int, per_step: int, *numbers: int) -> int:
        tuning = FineTuning(steps, per_step, lr=lr, precision=shared.precision)
        tuning_seed = derive_seed(seed, Purpose.EPISODES, *numbers)
        fine_tune(model, groups, objective, tuning, pad=pad, seed=tuning_seed)
        return _tokens(groups, steps * per_step)

    for number in range(1, scale.rounds + 1):
        generator = random.Random(derive_seed(seed, Purpose.EPISODES, number))
        steps, text_steps, corpus_steps = steps_of_round(scale, arm["learn from"])
        if steps:
            sampling = derive_seed(seed, Purpose.SAMPLING, number)
            groups = _groups(shared, model, arm["learn from"], generator, sampling, seed)
            if not groups:
                raise ValueError(
                    f"round {number}: nothing to learn from: the student said nothing, or all of it is right"
                )
            shared.add_reference(groups)
            per_step = max(1, scale.rows * len(groups) // sum(map(len, groups)))
            objective = objective_of(shared.folder, arm["objective"], arm["settings"])
            tokens += tune(groups, objective, steps, per_step, number, 1)
        supervised = objective_of(shared.folder, "supervised", {})
        if text_steps:
            tokens += tune(stories.as_text(groups), supervised, text_steps, scale.rows, number, 3)
        lines = shared.learnt.pick(corpus_steps * scale.rows, generator)
        sentences = [[shared.sequence([], line, 1.0)] for line in lines]
        tokens += tune(sentences, supervised, corpus_steps, scale.rows, number, 2)
    return model, tokens


def steps_of_round(scale: Scale, learn_from: str) -> tuple[int, int, int]:
    """Steps of a round: of the method, on what was said in it as text, and on plain sentences.

    >>> of = SCALES["cpu"]
    >>> [steps_of_round(of, learn_from) for learn_from in ("scores", "sentences", "trials")]
    [(30, 0, 10), (0, 0, 40), (10, 5, 25)]
    """
    whole = scale.steps + scale.corpus_steps
    if learn_from == "sentences":
        return 0, 0, whole
    if learn_from not in SIDES:
        return scale.steps, 0, scale.corpus_steps
    steps, text_steps = max(1, whole // 4), max(1, whole // 8)
    return steps, text_steps, whole - steps - text_steps


def _groups(
    shared: SharedInputs, model: Any, learn_from: str, generator: random.Random, seed: int, piece_seed: int = 0
) -> list[list[Turn]]:
    """The groups of sequences of one round, with their rewards."""
    texts, count = shared.learnt, shared.scale.contexts
    match learn_from:
        case "corruptions":
            return [
                [shared.sequence([], good, 1.0), shared.sequence([], bad, 0.0)]
                for good, bad in texts.corruptions(count, generator)
            ]
        case "replies":
            return [
                [shared.sequence(shared.ids(said), text, reward, True) for text, reward in ((reply, 1.0), (other, 0.0))]
                for said, reply, other in texts.replies(count, generator)
            ]
        case "corrections":
            return corrections(shared, model, texts.contexts(count, generator), seed)
        case "stories":
            return stories.story_groups(shared, model, None, seed, piece_seed)
        case "stories by chance":
            return stories.story_groups(shared, model, generator, seed, piece_seed)
        case "caregiver" | "caregiver by chance":
            by_chance = generator if learn_from == "caregiver by chance" else None
            return caregiver.groups(shared, model, by_chance, max(1, count // SAMPLES), SAMPLES, seed, piece_seed)
    if learn_from in SIDES:
        contexts = texts.contexts(max(1, count // 2), generator)
        return stories.trial_groups(shared, model, contexts, SIDES[learn_from], seed)
    groups = shared.complete(model, texts.contexts(max(1, count // SAMPLES), generator), SAMPLES, seed)
    turns = [turn for group in groups for turn in group]
    if learn_from == "scores":
        assert shared.teacher is not None
        scores = shared.teacher.score([turn.prompt for turn in turns], [turn.text for turn in turns], seed)
    else:
        scores = [float(generator.random() < 0.5) for _ in turns]
    for turn, score in zip(turns, scores, strict=True):
        turn.reward = score
    return groups


def corrections(shared: SharedInputs, model: Any, contexts: Sequence[str], seed: int) -> list[list[Turn]]:
    """Pairs of the teacher's and the student's continuation of each context, where they differ."""
    assert shared.teacher is not None
    turns = [group[0] for group in shared.complete(model, contexts, 1, seed)]
    better = shared.teacher.correct(contexts, [turn.text for turn in turns], seed)
    pairs = []
    for turn, text in zip(turns, better, strict=True):
        if text and turn.text and text.split() != turn.text.split():
            turn.reward = 0.0
            pairs.append([shared.sequence(shared.ids(turn.prompt), text, 1.0, True), turn])
    return pairs


def _tokens(groups: Sequence[Sequence[Turn]], read: int) -> int:
    """Tokens of ``read`` groups, in the mean over the groups there are."""
    total = sum(len(turn.prompt_ids) + len(turn.ids) for group in groups for turn in group)
    return round(total * read / len(groups))


def objective_of(folder: Path, name: str, settings: Mapping[str, Any]) -> Any:
    from babylm import objectives, registry
    from babylm.config.schema import ObjectiveConfig
    from babylm.corpora import tokenizer
    from babylm.objectives._types import SpecialTokens

    ids, tokens = tokenizer.special_ids(folder), tokenizer.load(folder)
    special = SpecialTokens(
        ids["bos"], ids["pad"], ids["mask"], tokens.get_vocab_size(), *tokenizer.ordinary_ids(tokens)
    )
    kind = registry.settings("objectives", name, ObjectiveConfig)
    return objectives.build(kind(name=name, **settings), special)


def measure(shared: SharedInputs, model: Any, seed: int) -> list[tuple[str, str, float]]:
    """(measure, item, value) of a student on held-out text: the same texts for all arms of a seed."""
    generator = random.Random(derive_seed(seed, Purpose.EPISODES, TEST))
    count, texts = shared.scale.tests, shared.held_out
    bos, rows = shared.bos, []

    def mean(pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
        from babylm.generation import sampler

        return [sum(made.logp) / max(1, len(made.logp)) for made in sampler.log_probs(model, pairs, shared.base.pad)]

    sentences = texts.pick(count, generator)
    losses = mean([(bos, shared.ids(line)) for line in sentences])
    rows += [("held-out loss", f"l{index}", -value) for index, value in enumerate(losses)]
    pairs = texts.corruptions(count, generator)
    good, bad = ([(bos, shared.ids(line)) for line in side] for side in zip(*pairs, strict=True))
    # Sums, as BLiMP compares: both have as many words.
    sums = [[value * len(ids) for value, (_, ids) in zip(mean(side), side, strict=True)] for side in (good, bad)]
    rows += [("corruptions told", f"c{i}", float(a > b)) for i, (a, b) in enumerate(zip(*sums, strict=True))]
    triples = texts.replies(count, generator)
    real, other = (
        mean([([*bos, *shared.ids(triple[0])], shared.ids(triple[side], True)) for triple in triples])
        for side in (1, 2)
    )
    rows += [("replies told", f"r{i}", float(a > b)) for i, (a, b) in enumerate(zip(real, other, strict=True))]
    if shared.teacher is not None:
        contexts = texts.contexts(count, generator)
        turns = [group[0] for group in shared.complete(model, contexts, 1, derive_seed(seed, Purpose.SAMPLING, TEST))]
        scores = shared.teacher.score(contexts, [turn.text for turn in turns], seed)
        kept = [(i, turn, score) for i, (turn, score) in enumerate(zip(turns, scores, strict=True)) if turn.text]
        rows += [("teacher's score", f"t{i}", score) for i, _, score in kept]
        rows.append(("empty completions", "", 1 - len(kept) / len(turns)))
        corrected = corrections(shared, shared.base.model, contexts, derive_seed(seed, Purpose.SAMPLING, TEST))
        teachers, students = (mean([(pair[side].prompt_ids, pair[side].ids) for pair in corrected]) for side in (0, 1))
        rows += [
            ("corrections preferred", f"p{i}", float(a > b))
            for i, (a, b) in enumerate(zip(teachers, students, strict=True))
        ]
    return rows
