"""Models of the study of habits: base, further bases, priming; what must hold before reinforcement learning."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babylm import files
from babylm.lazy import torch
from babylm.randomness import Purpose, derive_seed
from babylm.studies import _habits_sets as sets
from babylm.studies import _kept_weights
from babylm.studies._habits_exercises import Exercises, facts
from babylm.studies._habits_problems import BOS, EOS, MASK, PAD, SPECIAL, Domain, Problem
from babylm.studies._habits_scales import Scale

if TYPE_CHECKING:
    from babylm.models.modeling_babylm import BabyLMForCausalLM
    from babylm.objectives import SpecialTokens

EXERCISES, PROBLEMS, TRACES, FILLING, TEXT, SHOWN = range(6)
"""Numbers of the random streams."""
SHARED = 20_250_301
"""Seed of the held-out problems, which all seeds share, so that differences are paired by problem."""
TEXTS = {"enriched text": "all", "matched text": "none"}
"""Arms without priming -> the set whose traces are in the text of their base."""
VERSION = 2
"""2: of the calculations with the last two numbers the search tries the nearest one; all its problems can be solved."""
BASE = "base"
COPIED = 5
"""Numbers per list of the test of copying."""


def special(domain: Domain) -> SpecialTokens:
    """The ids that objectives need."""
    from babylm.objectives import SpecialTokens

    return SpecialTokens(BOS, PAD, MASK, len(domain.tokens), first_ordinary_id=len(SPECIAL))


def network(domain: Domain, scale: Scale) -> BabyLMForCausalLM:
    """A transformer with random weights."""
    from babylm.models.configuration_babylm import BabyLMConfig
    from babylm.models.modeling_babylm import BabyLMForCausalLM

    return BabyLMForCausalLM(
        BabyLMConfig(
            vocab_size=len(domain.tokens),
            hidden_size=scale.hidden_size,
            num_hidden_layers=scale.layers,
            num_attention_heads=scale.heads,
            intermediate_size=2 * scale.hidden_size,
            max_position_embeddings=2 * scale.row_length(domain.count),
            dropout=0.0,
            bos_token_id=BOS,
            eos_token_id=EOS,
            pad_token_id=PAD,
            mask_token_id=MASK,
        )
    )


def generator_of(seed: int, stream: int, number: int = 0) -> random.Random:
    """Random numbers of one stream of a seed."""
    return random.Random(derive_seed(seed, Purpose.CONDITION, stream, number))


def pretrain(domain: Domain, scale: Scale, seed: int) -> BabyLMForCausalLM:
    """The base, from random weights, on exercises."""
    torch.manual_seed(derive_seed(seed, Purpose.WEIGHTS))
    model = network(domain, scale)
    lines = Exercises(domain, generator_of(seed, EXERCISES)).rows(scale.row_length(domain.count))
    pairs = [(row[:1], row[1:]) for row, _ in zip(lines, range(scale.base_steps * scale.rows), strict=False)]
    _imitate(domain, scale, model, pairs, scale.base_steps, ("muon", scale.base_lr), seed)
    return model


def continue_on_text(domain: Domain, scale: Scale, model: BabyLMForCausalLM, name: str, seed: int) -> BabyLMForCausalLM:
    """``model`` after further pretraining on problems with traces of a set; their targets are above all others."""
    other = text_domain(domain)
    generator = generator_of(seed, TEXT)
    chosen = [sets.draw_searchable(other, generator) for _ in range(scale.text_traces)]
    made = list(sets.examples(other, name, chosen, generator_of(seed, TEXT, 1), scale.thought))
    pairs = sets.rows(other, scale, made, generator_of(seed, TEXT, 2))
    _imitate(domain, scale, model, pairs, scale.text_steps, ("muon", scale.text_lr), seed)
    return model


def text_domain(domain: Domain) -> Domain:
    """Problems of the texts: targets that no other problem has."""
    return replace(domain, least_target=domain.greatest_target + 1, greatest_target=domain.limit)


def test_problems(domain: Domain, scale: Scale) -> list[Problem]:
    """The held-out problems."""
    return problems_for_all(domain, scale.test_problems)


def problems_for_all(domain: Domain, number: int) -> list[Problem]:
    """So many problems, which all seeds and models share."""
    return sets.problems(domain, number, generator_of(SHARED, PROBLEMS))


def priming_examples(domain: Domain, scale: Scale, name: str, seed: int) -> list[sets.Example]:
    """A priming set: all sets of a seed have the same problems, none of them held out."""
    held_out = {problem.key for problem in test_problems(domain, scale)}
    chosen = sets.problems(domain, scale.traces, generator_of(seed, PROBLEMS), held_out)
    number = sets.SETS.index("all" if name in sets.DERIVED else name)
    return list(sets.examples(domain, name, chosen, generator_of(seed, TRACES, number), scale.thought))


def prime(domain: Domain, scale: Scale, model: BabyLMForCausalLM, name: str, seed: int) -> BabyLMForCausalLM:
    """``model`` after supervised training on a priming set."""
    made = priming_examples(domain, scale, name, seed)
    pairs = sets.rows(domain, scale, made, generator_of(seed, FILLING))
    _imitate(domain, scale, model, pairs, scale.priming_steps, ("adamw", scale.priming_lr), seed)
    return model


def _imitate(
    domain: Domain,
    scale: Scale,
    model: BabyLMForCausalLM,
    pairs: Sequence[tuple[list[int], list[int]]],
    steps: int,
    optimizer: tuple[Any, float],
    seed: int,
) -> None:
    from babylm.interaction.finetune import FineTuning, demonstration, fine_tune
    from babylm.objectives.supervised import Settings, build

    name, lr = optimizer
    groups = [[demonstration(prompt, completion)] for prompt, completion in pairs]
    settings = FineTuning(steps, scale.rows, lr=lr, schedule="trapezoid", optimizer_name=name)
    fine_tune(model, groups, build(Settings(name="supervised"), special(domain)), settings, pad=PAD, seed=seed)


@dataclass(frozen=True)
class KeptModels:
    """The models of a study before reinforcement learning: each is made once, in a folder named by what decides it."""

    domain: Domain
    scale: Scale
    base_seed: int
    folder: Path

    def base(self) -> BabyLMForCausalLM:
        """The base that all arms and seeds share."""
        return self._kept(BASE, BASE, self.base_seed, lambda: pretrain(self.domain, self.scale, self.base_seed))

    def started(self, name: str, seed: int) -> BabyLMForCausalLM:
        """The model of an arm: primed, or a base with further text."""

        def continued() -> BabyLMForCausalLM:
            return continue_on_text(self.domain, self.scale, self.base(), TEXTS[name], self.base_seed)

        if name in TEXTS:
            return self._kept("text", name, self.base_seed, continued)
        return self._kept("priming", name, seed, lambda: prime(self.domain, self.scale, self.base(), name, seed))

    def _kept(self, stage: str, name: str, seed: int, make: Callable[[], BabyLMForCausalLM]) -> BabyLMForCausalLM:
        domain, scale = self.domain, self.scale
        # Exercises have no problems and no traces.
        chosen = {} if stage == BASE else {"problems": asdict(domain), "version": VERSION}
        deciding = {"scale": scale.deciding(stage), "vocabulary": domain.tokens, "largest": domain.largest, **chosen}
        deciding |= {"numbers": domain.count, "operations": domain.operations, "base": self.base_seed}
        key = files.sha256_json(deciding)[:16]
        folder = self.folder / f"{stage}-{name.replace(' ', '-')}-s{seed}-{key}"
        if not _kept_weights.exist(folder):
            made = make()
            with files.atomic_folder(folder) as work:
                _kept_weights.write(work, dict(made.named_parameters()))
        model = network(domain, scale)
        _kept_weights.load_into(model, folder)
        return model.eval()


def arithmetic_accuracy(domain: Domain, model: BabyLMForCausalLM) -> list[float]:
    """Per fact whether the likeliest next token is its result."""
    of_domain = facts(domain)
    prompts = [[BOS, *domain.encode(f"{left} {operation} {right} =")] for left, operation, right, _ in of_domain]
    predicted = _next_tokens(model, prompts)
    return [float(token == domain.encode(str(fact[3]))[0]) for token, fact in zip(predicted, of_domain, strict=True)]


def copying_accuracy(domain: Domain, model: BabyLMForCausalLM, lists: int = 500) -> list[float]:
    """Per list of random numbers whether each of them is the likeliest next token of its copy."""
    generator = generator_of(SHARED, EXERCISES)
    right = []
    for _ in range(lists):
        numbers = " ".join(str(generator.randint(1, domain.limit)) for _ in range(COPIED))
        ids, copied = [BOS, *domain.encode(f"{numbers} ,")], domain.encode(numbers)
        predicted = _next_tokens(model, [[*ids, *copied[:length]] for length in range(COPIED)])
        right.append(float(predicted == copied))
    return right


def _next_tokens(model: BabyLMForCausalLM, prompts: Sequence[Sequence[int]]) -> list[int]:
    """The likeliest token after each prompt."""
    from babylm.generation.decoders import decoder

    with torch.no_grad():
        predicted: list[int] = decoder(model).prefill([list(ids) for ids in prompts], 1).argmax(-1).tolist()
    return predicted
