"""Reinforcement learning with exact rewards (GRPO), and what is measured of a model on held-out problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from babylm.randomness import Purpose, derive_seed
from babylm.studies import _habits_models as models
from babylm.studies import _habits_sets as sets
from babylm.studies._habits_problems import EOS, PAD, Domain, Problem, is_right, reward_of
from babylm.studies._habits_scales import Scale
from babylm.studies._habits_traces import HABITS, count, wrong_calculations

if TYPE_CHECKING:
    from babylm.interaction.episodes import Turn
    from babylm.models.modeling_babylm import BabyLMForCausalLM


@dataclass
class Behaviour:
    """What a model does on problems."""

    right: list[float] = field(default_factory=list)
    """Per problem the share of samples that are right."""
    counts: dict[str, list[float]] = field(default_factory=lambda: {habit: [] for habit in HABITS})
    """Behaviour -> its number per problem, in the mean over samples."""
    tokens: float = 0.0
    """Tokens per completion."""
    wrong_calculations: float = 0.0
    """Share of the calculations that are wrong; NaN without any."""
    traces: list[str] = field(default_factory=list)
    """The first sample of each problem."""


def observe(
    domain: Domain, scale: Scale, model: BabyLMForCausalLM, problems: Sequence[Problem], samples: int, seed: int
) -> Behaviour:
    """Sample completions of problems at temperature 1, verify them and count the behaviours."""
    groups = _sampled(domain, scale, model, problems, samples, seed)
    texts = [[domain.decode(turn.ids) for turn in group] for group in groups]
    seen = Behaviour(tokens=_mean([len(turn.ids) for group in groups for turn in group]))
    calculations = wrong = 0
    for problem, group in zip(problems, texts, strict=True):
        seen.right.append(_mean([is_right(problem, text) for text in group]))
        counted = [count(text) for text in group]
        for habit in HABITS:
            seen.counts[habit].append(_mean([each[habit] for each in counted]))
        for text in group:
            of_text, wrong_of_text = wrong_calculations(text)
            calculations, wrong = calculations + of_text, wrong + wrong_of_text
    seen.traces = [group[0] for group in texts]
    seen.wrong_calculations = wrong / calculations if calculations else float("nan")
    return seen


def reinforce(
    domain: Domain,
    scale: Scale,
    model: BabyLMForCausalLM,
    seed: int,
    format_reward: float,
    beta: float,
    after: Callable[[int, int], None],
) -> None:
    """Train ``model`` in place by GRPO on problems that are not held out, new ones in each step.

    Advantages are not divided by the deviation of a group: with few right answers that would blow the format reward up.
    ``after(step, tokens)`` is called after each step with the tokens that were sampled in it. ``beta``: weight of the
    divergence from the model as it was before.
    """
    import copy

    from babylm.interaction.finetune import FineTuning, Tuner, add_reference
    from babylm.objectives.grpo import Settings, build

    objective = build(Settings(name="grpo", scale_rewards=False, beta=beta), models.special(domain))
    settings = FineTuning(scale.rl_steps, lr=scale.rl_lr, schedule="constant", warmup=0.05)
    reference = copy.deepcopy(model) if beta else None
    tuner = Tuner(model, objective, settings, pad=PAD, seed=seed)
    held_out = {problem.key for problem in models.test_problems(domain, scale)}
    generator = models.generator_of(seed, models.PROBLEMS, 1)
    for step in range(scale.rl_steps):
        problems: list[Problem] = []
        while len(problems) < scale.problems_per_step:
            problem = sets.draw_searchable(domain, generator)
            problems += [problem] if problem.key not in held_out else []
        sampling = derive_seed(seed, Purpose.SAMPLING, step)
        groups = _sampled(domain, scale, model, problems, scale.samples, sampling)
        for problem, group in zip(problems, groups, strict=True):
            for turn in group:
                turn.reward = reward_of(problem, domain.decode(turn.ids), format_reward)
                turn.meta["reference_logp"] = turn.logp
        if reference is not None:
            add_reference(reference, groups, PAD)
        tuner.step(groups)
        after(step + 1, sum(len(turn.ids) for group in groups for turn in group))


def _sampled(
    domain: Domain, scale: Scale, model: BabyLMForCausalLM, problems: Sequence[Problem], samples: int, seed: int
) -> list[list[Turn]]:
    from babylm.interaction.finetune import sample_groups

    return sample_groups(
        model,
        [sets.prompt_ids(domain, problem) for problem in problems],
        samples=samples,
        ends={EOS},
        pad=PAD,
        max_new_tokens=scale.max_new_tokens(domain.count),
        seed=seed,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
