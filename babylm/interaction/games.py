"""Games of several turns, played by a model: all games of a round advance in lock-step, one batch per turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from babylm.interaction import item_rollouts
from babylm.interaction.environments import Episode, Game
from babylm.interaction.episodes import Turn
from babylm.interaction.items import Items
from babylm.interaction.sequence_rows import items_of
from babylm.models.flops import training_flops_per_token
from babylm.randomness import Purpose, derive_seed

SPECIAL = {"bos": 0, "eos": 1, "pad": 2, "mask": 3, "unk": 4}
"""Ids of the special tokens of `word_tokenizer`."""


def word_tokenizer(words: Sequence[str]) -> Tokenizer:
    """A tokenizer of whole words, for languages of games; what is unknown becomes one token.

    >>> word_tokenizer(["red", "ball"]).encode("ball red dog").ids
    [6, 5, 4]
    """
    special = {f"<{role}>": token_id for role, token_id in SPECIAL.items()}
    entries = {word: len(special) + number for number, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordLevel(special | entries, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@dataclass
class Player:
    """A model with what it needs to read and act."""

    model: Any
    """A causal language model of this package, with a pointer over items."""
    tokenizer: Tokenizer
    pictures: torch.Tensor | None = None
    """(n, 3, size, size), by the numbers that observations give; None if the model reads words alone."""
    words_read: int = 0
    """Words of the turns that the model has learnt from, each pass counted."""
    words_unique: int = 0
    """The same, each turn counted once per retraining."""
    flops: float = 0.0
    """Of learning."""

    def training_flops(self, turn: Turn) -> float:
        """FLOPs of learning once from a turn; the encoder of pictures is left out."""
        length = len(turn.prompt_ids) + len(turn.ids)
        return length * training_flops_per_token(self.model.config, max(2, length))

    def ids(self, words: Sequence[str]) -> list[int]:
        """The tokens of words, one per word."""
        return [SPECIAL["unk"] if (i := self.tokenizer.token_to_id(word)) is None else i for word in words]

    def turn(self, game: Game, state: Episode, **fields: Any) -> Turn:
        """A turn that has not been taken yet: prompt and items of what the student sees."""
        view = game.observe(state)
        items = Items([1 + position for position in view.item_positions], self.ids(view.labels), view.pictures)
        return Turn(
            speaker="student",
            prompt=" ".join(view.words),
            text="",
            prompt_ids=[SPECIAL["bos"], *self.ids(view.words)],
            ids=[],
            logp=[],
            entropy=[],
            meta={"items": items._asdict()},
            **fields,
        )

    def log_probs(self, turns: Sequence[Turn]) -> list[item_rollouts.Completion]:
        """Log-probability and entropy of each token of the turns' completions."""
        pairs = [(turn.prompt_ids, turn.ids) for turn in turns]
        return item_rollouts.log_probs(self.model.eval(), pairs, SPECIAL["pad"], items_of(turns), self.pictures)

    def complete(
        self,
        turns: Sequence[Turn],
        seeds: Sequence[int],
        max_new_tokens: int,
        allowed: Callable[[int, list[str]], list[str]],
        end: str,
        temperature: float = 1.0,
    ) -> None:
        """Sample a completion for each turn, of the words that ``allowed(turn, words so far)`` gives, until ``end``."""
        self.model.eval()
        for first in range(0, len(turns), item_rollouts.ROWS):
            part = turns[first : first + item_rollouts.ROWS]

            def following(ids: Sequence[int], number: int) -> list[int]:
                words = [str(self.tokenizer.id_to_token(token)) for token in ids]
                return self.ids(allowed(number, words))

            completions = item_rollouts.sample(
                self.model,
                [turn.prompt_ids for turn in part],
                max_new_tokens=max_new_tokens,
                ends=self.ids([end]),
                pad=SPECIAL["pad"],
                seeds=seeds[first : first + item_rollouts.ROWS],
                temperature=temperature,
                items=items_of(part),
                pictures=self.pictures,
                allowed=[partial(following, number=first + row) for row in range(len(part))],
            )
            for turn, completion in zip(part, completions, strict=True):
                turn.ids, turn.logp, turn.entropy = completion
                turn.text = " ".join(str(self.tokenizer.id_to_token(token)) for token in turn.ids)
                turn.meta["reference_logp"] = turn.logp


def play(game: Game, player: Player, seeds: Sequence[int], round_number: int, temperature: float = 1.0) -> list[Turn]:
    """Play one game per seed; the student's turns, by game and turn.

    A turn's ``sample`` is its number within the game, and its ``meta`` has the request, the partner's ``reply`` and
    what it meant (``signal``), ``done`` and ``success``.
    """
    episodes = [game.reset(seed) for seed in seeds]
    turns: list[Turn] = []
    live = list(range(len(episodes)))
    number = 0
    while live:
        pending = [
            player.turn(game, episodes[index], round=round_number, episode=index, sample=number) for index in live
        ]
        sampling = [derive_seed(seeds[index], Purpose.SAMPLING, round_number, number) for index in live]
        current = [episodes[index] for index in live]

        def allowed(row: int, words: list[str], current: list[Episode] = current) -> list[str]:
            return game.allowed(current[row], words)

        player.complete(pending, sampling, game.longest_action, allowed, game.end, temperature)
        for index, turn in zip(live, pending, strict=True):
            _take(game, episodes[index], turn)
        turns += pending
        live = [index for index, turn in zip(live, pending, strict=True) if not turn.meta["done"]]
        number += 1
    return sorted(turns, key=lambda turn: (turn.episode, turn.sample))


def demonstrate(
    game: Game, player: Player, seeds: Sequence[int], imitate: bool = True, errors: float = 0.0
) -> list[Turn]:
    """Games in which each action is right, with reward 1: seed data.

    ``imitate``: the turns are for imitation alone, which needs no log-probabilities; else they are the model's.
    ``errors``: probability that a random action comes instead, which is no turn of the data: it shows how the partner
    asks for something back.
    """
    turns = []
    for index, seed in enumerate(seeds):
        episode = game.reset(seed)
        done = False
        while not done:
            turn = player.turn(game, episode, round=0, episode=index, sample=episode.turns)
            if episode.generator.random() < errors:
                done = game.step(episode, _random_action(game, episode)).done
                continue
            turn.text = game.demonstration(episode)
            turn.ids, turn.reward, turn.feedback = player.ids(turn.text.split()), 1.0, "demonstration"
            _take(game, episode, turn)
            done = turn.meta["done"]
            turns.append(turn)
    completions = [] if imitate else player.log_probs(turns)
    for index, turn in enumerate(turns):
        turn.logp, turn.entropy = ([0.0] * len(turn.ids), []) if imitate else completions[index][1:]
        turn.meta["reference_logp"] = turn.logp
    return turns


def _random_action(game: Game, episode: Episode) -> str:
    """Words that the game allows, drawn one by one."""
    words: list[str] = []
    while not words or words[-1] != game.end:
        words.append(episode.generator.choice(game.allowed(episode, words)))
    return " ".join(words)


def _take(game: Game, episode: Episode, turn: Turn) -> None:
    """Let a turn's action happen, and keep what came of it."""
    request = episode.messages[-1][1] if episode.messages else ""
    outcome = game.step(episode, turn.text)
    turn.gold = outcome.gold
    turn.meta |= {
        "request": request,
        "reply": outcome.reply,
        "signal": outcome.signal,
        "done": outcome.done,
        "success": outcome.success,
    }


@dataclass(frozen=True)
class GameResults:
    """How a round of games went."""

    success: list[float]
    """Per game, 1 if it was won."""
    turns: list[float]
    """Per game."""
    right: float
    """Share of right actions."""

    @staticmethod
    def of(turns: Sequence[Turn]) -> GameResults:
        """Of the turns that `play` gives."""
        last = {turn.episode: turn for turn in turns}
        return GameResults(
            [float(turn.meta["success"]) for turn in last.values()],
            [float(turn.sample + 1) for turn in last.values()],
            sum(turn.gold or 0.0 for turn in turns) / len(turns),
        )
