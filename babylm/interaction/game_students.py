"""Students of the game studies: a small model with a pointer over items, taught captions, then a few seed games.

Both studies retrain many students from one base per seed, so they drive the model with `babylm.interaction.finetune`: a
run of the training loop per student and round would write folders and revisions that nobody reads.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from babylm import objectives, registry
from babylm.config.schema import ObjectiveConfig
from babylm.corpora.word_count import count as count_words
from babylm.interaction.environments import Game, ItemSet, _objects
from babylm.interaction.episodes import Turn
from babylm.interaction.finetune import FineTuning, fine_tune
from babylm.interaction.games import SPECIAL, Player, demonstrate, word_tokenizer
from babylm.models.configuration_babylm import BabyLMConfig
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.objectives import SpecialTokens
from babylm.objectives._sequences import SequenceObjective
from babylm.randomness import Purpose, derive_seed


def new_player(
    words: Sequence[str],
    seed: int,
    as_pictures: bool,
    width: int = 64,
    layers: int = 2,
    items: ItemSet = _objects,
) -> Player:
    """A player with a model of random weights, a function of the seed."""
    pictures = torch.from_numpy(items.pictures()) if as_pictures else None
    tokenizer = word_tokenizer(words)
    config = BabyLMConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=256,
        attention_gate="none",
        value_residual=False,
        dropout=0.0,
        image_size=0 if pictures is None else pictures.shape[-1],
        image_token_id=tokenizer.token_to_id(_objects.PICTURE) if as_pictures else None,
        item_pointer=True,
        prediction_mode="causal",
        bos_token_id=SPECIAL["bos"],
        eos_token_id=SPECIAL["eos"],
        pad_token_id=SPECIAL["pad"],
        mask_token_id=SPECIAL["mask"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, Purpose.WEIGHTS))
        model = BabyLMForCausalLM(config)
    return Player(model.eval(), tokenizer, pictures)


def learner(name: str, **settings: Any) -> SequenceObjective:
    """The objective over sequences ``name`` with its settings."""
    settings_class = registry.settings("objectives", name, ObjectiveConfig)
    special = SpecialTokens(SPECIAL["bos"], SPECIAL["pad"], SPECIAL["mask"], vocab_size=0, first_ordinary_id=0)
    objective = objectives.build(settings_class(name=name, **settings), special)
    assert isinstance(objective, SequenceObjective)
    return objective


def tuning(steps: int, lr: float = 2e-3, turns: int = 48) -> FineTuning:
    """How a player learns: ``steps`` steps of ``turns`` turns each, at a rate of at most ``lr``."""
    return FineTuning(steps, groups_per_step=turns, lr=lr, weight_decay=0.01, betas=(0.9, 0.98))


def retrained(
    player: Player, objective: SequenceObjective, turns: Sequence[Turn], how: FineTuning, seed: int
) -> Player:
    """A copy of ``player`` that has learnt from ``turns``; the player itself stays as it is."""
    model = copy.deepcopy(player.model)
    groups = [[turn] for turn in turns]
    fine_tune(model, groups, objective, how, pad=SPECIAL["pad"], seed=seed, pictures=player.pictures)
    words = sum(count_words(turn.prompt.replace(_objects.PICTURE, "")) + count_words(turn.text) for turn in turns)
    passes = how.steps * how.groups_per_step / len(turns)
    return replace(
        player,
        model=model,
        words_read=player.words_read + round(passes * words),
        words_unique=player.words_unique + words,
        flops=player.flops + passes * sum(map(player.training_flops, turns)),
    )


def taught(
    player: Player, game: Game, count: int, how: FineTuning, seed: int, stage: int, errors: float = 0.0
) -> Player:
    """A copy of ``player`` that has learnt from demonstrations of ``count`` games, those of a ``stage`` of teaching."""
    seeds = [derive_seed(seed, Purpose.CONDITION, stage, number) for number in range(count)]
    return retrained(player, learner("supervised"), demonstrate(game, player, seeds, errors=errors), how, seed)
