"""The work of the study of quality signals: base and saturated groups once per seed, then an arm, then the test."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from babylm import files
from babylm.lazy import torch
from babylm.randomness import Purpose, derive_seed
from babylm.studies import _kept_weights
from babylm.studies._quality_domains import Domain
from babylm.studies._quality_scales import Scale
from babylm.studies.statistics._libraries import library

if TYPE_CHECKING:
    from babylm.interaction.episodes import Turn
    from babylm.models.modeling_babylm import BabyLMForCausalLM

SIGNALS = ("inverse entropy", "self-judge", "random", "scripted judge")
SMALLEST_ENTROPY = 1e-8
ROWS = 128
GROUPS, FACTS = "groups.jsonl", "facts.json"


def prepare(domain: Domain, scale: Scale, folder: Path, seed: int) -> None:
    """Write the base, its saturated groups with their signals, and facts about them to ``folder``, once."""
    from babylm.interaction import episodes
    from babylm.interaction.finetune import add_reference, sample_groups

    if (folder / FACTS).is_file() and _kept_weights.exist(folder):
        return
    base = domain.base(seed)
    questions = domain.training_questions(seed)
    pad = domain.special.pad
    groups = sample_groups(
        base,
        [domain.prompt(question) for question in questions],
        samples=scale.samples,
        ends=domain.ends,
        pad=pad,
        max_new_tokens=domain.max_new_tokens,
        seed=seed,
    )
    right = [all(domain.is_right(q, turn.ids) for turn in group) for q, group in zip(questions, groups, strict=True)]
    saturated = [group for group, is_saturated in zip(groups, right, strict=True) if is_saturated]
    saturated_questions = [question for question, is_saturated in zip(questions, right, strict=True) if is_saturated]
    facts: dict[str, float] = {}
    if saturated:
        add_reference(base, saturated, pad)
        facts = add_signals(domain, base, saturated_questions, saturated, seed)
    with files.atomic_folder(folder) as work:
        _kept_weights.write(work, dict(base.named_parameters()))
        episodes.write(work / GROUPS, [turn for group in saturated for turn in group])
        files.write_json(work / FACTS, {"questions": len(questions), "saturated": len(saturated), **facts})


def load(domain: Domain, folder: Path) -> tuple[BabyLMForCausalLM, list[list[Turn]]]:
    """The base and the saturated groups of ``folder``.

    Raises:
        ValueError: No question was answered right in all samples.
    """
    from babylm.interaction import episodes

    base = domain.network()
    _kept_weights.load_into(base, folder)
    turns = episodes.read(folder / GROUPS)
    if not turns:
        count = files.read_json(folder / FACTS)["questions"]
        raise ValueError(
            f"none of {count} questions is answered right in all samples: the base is too weak for this study"
        )
    return base.eval(), [list(group) for _, group in itertools.groupby(turns, key=lambda turn: turn.episode)]


def add_signals(
    domain: Domain, base: BabyLMForCausalLM, questions: Sequence[Any], groups: Sequence[Sequence[Turn]], seed: int
) -> dict[str, float]:
    """Write each signal of each turn, and its gold quality, into the turn; returns facts about the self-judge."""
    generator = np.random.default_rng(derive_seed(seed, Purpose.TEACHER))
    judge = domain.judge(base, seed)
    preferences = judge_pairs(domain, judge, questions, groups)
    for index, (question, group) in enumerate(zip(questions, groups, strict=True)):
        wins = (preferences[index] > 0.5).sum(1)
        for number, turn in enumerate(group):
            turn.meta["signals"] = {
                "inverse entropy": inverse_entropy(turn.entropy),
                "self-judge": float(wins[number]),
                "random": float(generator.normal()),
                **({"scripted judge": domain.rubric(question, turn.ids)} if domain.has_gold else {}),
            }
            turn.gold = domain.gold(turn.ids) if domain.has_gold else None
    certain = np.concatenate([np.abs(matrix[np.triu_indices(len(matrix), 1)] - 0.5) for matrix in preferences])
    return {"judge margin": float(certain.mean())}


def inverse_entropy(entropy: Sequence[float]) -> float:
    """1 over the mean entropy of the next-token distributions, in nats.

    >>> inverse_entropy([0.5, 1.5])
    1.0
    """
    return 1 / max(sum(entropy) / max(len(entropy), 1), SMALLEST_ENTROPY)


def judge_pairs(
    domain: Domain, judge: BabyLMForCausalLM, questions: Sequence[Any], groups: Sequence[Sequence[Turn]]
) -> list[NDArray[np.float64]]:
    """Per group (n, n): probability that the judge prefers completion i to j, mean of both orders; 0.5 for i = j."""
    jobs = [
        (index, i, j) for index, group in enumerate(groups) for i, j in itertools.permutations(range(len(group)), 2)
    ]
    matrices = [np.full((len(group), len(group)), 0.5) for group in groups]
    said = {}
    for begin in range(0, len(jobs), ROWS):
        part = jobs[begin : begin + ROWS]
        judgements = [domain.judgement(questions[g], groups[g][i].ids, groups[g][j].ids) for g, i, j in part]
        verdicts = _verdicts(judge, [a.prompt_ids for a in judgements], domain.special.pad)
        for row, (job, judgement) in enumerate(zip(part, judgements, strict=True)):
            first, second = float(verdicts[row, judgement.first]), float(verdicts[row, judgement.second])
            said[job] = 1 / (1 + np.exp(second - first))
    for g, i, j in jobs:
        matrices[g][i, j] = (said[g, i, j] + 1 - said[g, j, i]) / 2
    return matrices


def _verdicts(judge: BabyLMForCausalLM, prompts: Sequence[Sequence[int]], pad: int) -> Any:
    """(rows, vocabulary) logits of the token after each prompt."""
    from babylm.generation.row_batches import right_padded

    input_ids, mask = right_padded(prompts, pad, judge.device)
    width = input_ids.shape[1]
    ends = torch.tensor([row * width + len(ids) - 1 for row, ids in enumerate(prompts)], device=judge.device)
    with torch.no_grad():
        return judge(input_ids=input_ids, attention_mask=mask, target_positions=ends).logits


def rank_correlation(scores: Sequence[float], reference: Sequence[float]) -> float | None:
    """Spearman's correlation within a group; None if one side is the same everywhere.

    >>> round(rank_correlation([1.0, 2.0, 3.0], [5.0, 6.0, 9.0]), 6), rank_correlation([1.0, 2.0], [4.0, 4.0])
    (1.0, None)
    """
    if len(set(scores)) < 2 or len(set(reference)) < 2:
        return None
    return float(library("scipy.stats").spearmanr(scores, reference).statistic)


def standardised(scores: Sequence[float]) -> NDArray[np.float64]:
    """Scores of a group with mean 0 and deviation 1; all 0 if they are equal. Raw 1/entropy has no scale.

    >>> standardised([3.0, 5.0]).tolist(), standardised([2.0, 2.0]).tolist()
    ([-1.0, 1.0], [0.0, 0.0])
    """
    values = np.asarray(scores, dtype=np.float64)
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 1e-12 else np.zeros_like(values)


def rewarded(groups: Sequence[Sequence[Turn]], arm: Mapping[str, Any]) -> list[list[Turn]]:
    """Groups as an arm learns from them: rewards from its signal; for imitation the chosen turns alone."""
    made = []
    for group in groups:
        turns = [copy.copy(turn) for turn in group]
        signal = arm.get("signal")
        scores = standardised([turn.meta["signals"][signal] for turn in turns]) if signal else np.zeros(len(turns))
        for turn, score in zip(turns, scores, strict=True):
            turn.reward = float(arm.get("right", 0.0) + arm.get("weight", 1.0) * score)
        match arm["learn from"]:
            case "all":
                made += [[turn] for turn in turns]
            case "best":
                made.append([turns[int(scores.argmax())]])
            case "worst":
                made.append([turns[int(scores.argmin())]])
            case "pair":
                made.append([turns[int(scores.argmax())], turns[int(scores.argmin())]])
            case "group":
                made.append(turns)
            case unknown:
                raise AssertionError(unknown)
    return made


def learn(
    domain: Domain, scale: Scale, model: BabyLMForCausalLM, groups: Any, arm: Mapping[str, Any], seed: int
) -> None:
    """Fine-tune ``model`` in place as ``arm`` says."""
    from babylm import objectives, registry
    from babylm.config.schema import ObjectiveConfig
    from babylm.interaction.finetune import FineTuning, fine_tune

    name = arm["objective"]
    kind = registry.settings("objectives", name, ObjectiveConfig)
    objective = objectives.build(kind(name=name, **arm["settings"]), domain.special)
    settings = FineTuning(scale.steps, scale.groups_per_step, lr=arm["lr"])
    fine_tune(model, rewarded(groups, arm), objective, settings, pad=domain.special.pad, seed=seed)


def test(
    domain: Domain, scale: Scale, model: BabyLMForCausalLM, seed: int, temperature: float, top_p: float
) -> tuple[list[float], list[list[Turn]]]:
    """The share of right samples per test question, and the samples."""
    from babylm.interaction.finetune import sample_groups

    questions = domain.test_questions()
    groups = sample_groups(
        model,
        [domain.prompt(question) for question in questions],
        samples=scale.test_samples,
        ends=domain.ends,
        pad=domain.special.pad,
        max_new_tokens=domain.max_new_tokens,
        seed=derive_seed(seed, Purpose.EPISODES),
        temperature=temperature,
        top_p=top_p,
    )
    right = [
        sum(domain.is_right(question, turn.ids) for turn in group) / len(group)
        for question, group in zip(questions, groups, strict=True)
    ]
    return right, groups
